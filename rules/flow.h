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

  double share = 1;  // the most that it may be
  double sure = 1;   // the least: less than `share` behind a condition that cannot be judged
  IpAddress source;
  SocketAddress destination;
  std::uint32_t mark = 0;
  bool translated = false;  // by DNAT
  bool masqueraded = false;
  bool untracked = false;           // by NOTRACK: no connection, so no nat
  std::size_t last_step = kNoStep;  // of its path, in the StepLog

  /// All that rules can tell apart.
  auto likeness() const {
    return std::tie(source, destination, mark, translated, masqueraded, untracked);
  }
};

using Flows = std::vector<Flow>;

/// Makes one flow of those that are alike: shares add up, and the likelier one's path stays. Keeps
/// the order of first appearance.
void merge(Flows& flows);

/// What goes on behind a condition that cannot be judged: the one flows if it holds, the others if
/// it does not. It may hold for some packets and not for others, so of flows that are alike no more
/// is certain than that their shares overlap. `otherwise` comes first, and its paths stay.
Flows either(Flows holds, Flows otherwise);

/// Whether both have the same flows in the same shares; both are merged.
bool are_same(const Flows& left, const Flows& right);

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
    bool is_doubtful = false;  // whether it is taken cannot be known
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
