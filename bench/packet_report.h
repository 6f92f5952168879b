#pragma once

#include <string>
#include <vector>

#include "bench/machine.h"
#include "bench/sync_figures.h"

namespace bench {

/// How long something took through some rules: Quantiles in microseconds.
struct PacketFigures {
  std::string rules;  // "legacy", "nft compact"; kNoRules
  std::string what;   // "tcp service"
  Size size;          // of the cluster; zeros if there was none
  Quantiles us;
};

inline constexpr const char* kNoRules = "no rules";
inline constexpr const char* kNftablesMode = "kube-proxy nftables";  // that mode of kube-proxy

struct PacketReport {
  Machine machine;
  std::vector<PacketFigures> figures;
};

/// A median against what the same took in a smaller cluster, or through other rules.
struct PacketJudgement {
  std::string rules;
  std::string what;
  Size size;
  std::string against;  // "100x10", kNftablesMode
  double ratio = 0;
  double allowed = 0;

  bool is_met() const { return ratio <= allowed; }
};

/// The budgets of the compact layout, as far as the report has both: Services that are many, and
/// Services that have many endpoints, against few; and each size against kube-proxy's nftables
/// mode.
std::vector<PacketJudgement> judge(const PacketReport& report);

/// A table for a terminal.
std::string to_text(const PacketReport& report);

/// One object: machine, figures, judgements.
std::string to_json(const PacketReport& report);

/// One page that refers to nothing outside of it.
std::string to_html(const PacketReport& report);

}  // namespace bench
