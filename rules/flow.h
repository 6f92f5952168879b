#pragma once

#include <cstddef>
#include <cstdint>
#include <tuple>
#include <vector>

#include "rules/net.h"
#include "rules/rule.h"

namespace rules {

/// A share of the packets under trace, all alike so far.
struct Flow {
  static constexpr std::size_t kNoStep = static_cast<std::size_t>(-1);

  double share = 1;
  IpAddress source;
  SocketAddress destination;
  std::uint32_t mark = 0;
  bool translated = false;  // by DNAT
  bool masqueraded = false;
  std::size_t last_step = kNoStep;  // of its path, in the StepLog

  /// All that rules can tell apart.
  auto likeness() const { return std::tie(source, destination, mark, translated, masqueraded); }
};

using Flows = std::vector<Flow>;

/// Makes one flow of those that are alike: shares add up, and the likelier one's path stays. Keeps
/// the order of first appearance.
void merge(Flows& flows);

/// Appends, emptying `more`.
void move_to_end(Flows& flows, Flows& more);

/// The paths of all flows: each is a list from its last step backwards, so that flows which split
/// share what lies behind them.
class StepLog {
 public:
  struct Entry {
    std::size_t previous = Flow::kNoStep;
    ChainId chain;
    std::size_t number = 0;      // 0: the chain's policy
    const Rule* rule = nullptr;  // null for a policy; points into the tables under trace
    double chance = 1;
  };

  /// The flow's path gets longer by this entry; `previous` is filled in.
  void add(Flow& flow, Entry entry);

  /// Numbers of the flow's entries, first step first. Entries are numbered as they are added; paths
  /// in ascending order are paths in the order of the rules at which they part.
  std::vector<std::size_t> path(const Flow& flow) const;

  const Entry& operator[](std::size_t number) const { return entries_[number]; }

 private:
  std::vector<Entry> entries_;
};

}  // namespace rules
