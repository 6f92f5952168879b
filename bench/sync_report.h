#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bench/machine.h"
#include "bench/sync_figures.h"

namespace bench {

struct Report {
  Machine machine;
  std::vector<Figures> figures;
};

/// A measured value against what it may be.
struct Judgement {
  Figures of;
  std::string what;   // "one endpoint"
  std::string limit;  // what sets it: "1.3 × bare commit", "budget"
  std::string unit;   // "ms" or "MB"
  double value = 0;
  double allowed = 0;

  bool is_met() const { return value <= allowed; }
};

/// The budgets: against the kernel's own part of it at every size; the rest at the sizes for which
/// they were made, most at 10,000 Services × 10 endpoints. The compact layout is measured against
/// kube-proxy's, if that is in the report.
std::vector<Judgement> judge(const Report& report);

/// How much longer kube-proxy took, in each of its modes, than iptproxy's daemon, at one size by
/// one variant.
struct Comparison {
  Figures iptproxy;
  Figures kube_proxy;

  /// Nothing if either was not measured.
  std::optional<double> ratio(Event event) const;
  std::optional<double> rss_ratio() const;
};

std::vector<Comparison> compare(const Report& report);

/// Tables for a terminal.
std::string to_text(const Report& report);

/// One object: machine, figures, judgements, comparisons. Times in milliseconds, sizes in bytes.
std::string to_json(const Report& report);

/// One page that refers to nothing outside of it.
std::string to_html(const Report& report);

}  // namespace bench
