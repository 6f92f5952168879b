#pragma once

#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rules/flow.h"
#include "rules/judge.h"
#include "rules/tables.h"

namespace rules {

/// What stays the same along the way of a packet, at one place of it.
struct Surroundings {
  Protocol protocol = Protocol::kTcp;
  std::uint16_t source_port = 0;  // 0: unknown
  std::uint16_t state = ConnectionState::kNew;
  std::string_view in_interface;
  bool interface_is_unknown = false;
  std::string_view out_interface;  // empty: unknown
  bool is_tracked = false;         // the packet has its connection, so NOTRACK comes too late
  std::span<const IpAddress> local_addresses;
};

/// Sends flows through the built-in chains, one at a time. Not thread-safe; lives for one trace and
/// refers to the tables.
class TableWalk {
 public:
  explicit TableWalk(const Tables& tables) : tables_(tables) {}

  /// Flows that the table did not stop, in the order of the rules.
  Flows walk(Table table, std::string_view chain, Flows flows, const Surroundings& surroundings);

  /// All flows that were stopped so far.
  const Flows& dropped() const { return dropped_; }

  const Flows& rejected() const { return rejected_; }

  /// Whether a flow met a target or a rule that nothing is known of: it may have stopped there.
  bool may_have_lost_flows() const { return may_have_lost_flows_; }

  const StepLog& log() const { return log_; }

  /// Without duplicates, in the order in which they came up.
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  /// Where the flows that a rule took go on, if not out of the table.
  struct Onward {
    Flows next_rule;
    Flows caller;
  };

  struct RulePlace {
    const ChainId& chain;
    std::size_t number;
    const Rule& rule;
  };

  /// The flows that a rule may take, and what else becomes of them.
  struct Taken {
    Flows surely;
    Flows if_it_holds;             // a condition that cannot be judged
    Flows otherwise;               // the same flows, if it does not hold
    std::set<std::string> doubts;  // these conditions
  };

  /// How many flows had stopped or left before.
  struct Exits {
    std::size_t passed = 0;
    std::size_t dropped = 0;
    std::size_t rejected = 0;

    bool operator==(const Exits&) const = default;
  };

  struct TakeVisitor;

  Flows walk_chain(const ChainId& id, Flows live);
  Taken taken_by(const RulePlace& place, Flows& live);
  void apply(const RulePlace& place, Taken taken, Flows& live, Flows& caller);
  void apply_doubtful(const RulePlace& place, Taken taken, Flows& live, Flows& caller);

  Exits exits() const { return {passed_.size(), dropped_.size(), rejected_.size()}; }

  Flows enter(const ChainName& name, Flows flows);
  void apply_policy(const ChainId& id, Flows flows);
  PacketView view(const Flow& flow) const;
  void note(std::string text);

  const Tables& tables_;
  StepLog log_;
  Flows dropped_;
  Flows rejected_;
  bool may_have_lost_flows_ = false;
  std::vector<std::string> notes_;
  std::set<std::string> noted_;

  // Of the walk under way.
  const Surroundings* surroundings_ = nullptr;
  Flows passed_;
  std::vector<ChainId> within_;  // chains being walked, outermost first
};

/// The address that a node uses towards itself: its first that is not a loopback address; that of
/// loopback if it has none.
IpAddress own_address(std::span<const IpAddress> local_addresses, Family family);

}  // namespace rules
