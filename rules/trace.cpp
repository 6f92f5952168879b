#include "rules/trace.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "rules/table_walk.h"

namespace rules {
namespace {

/// Sends the packet from hook to hook.
class Journey {
 public:
  Journey(const Tables& tables, const Packet& packet, std::span<const IpAddress> local_addresses)
      : tables_(tables), walk_(tables), packet_(packet), family_(tables.family) {
    here_ = {.protocol = packet.protocol,
             .source_port = packet.source_port,
             .state = packet.state,
             .in_interface = packet.in_interface,
             .interface_is_unknown = false,
             .out_interface = {},
             .local_addresses = local_addresses};
  }

  Trace run() && {
    Flow start;
    start.source = packet_.source;
    start.destination = packet_.destination;
    if (packet_.in_interface.empty() && is_local_address(packet_.source)) {
      leave_this_node({start});
    } else {
      here_.interface_is_unknown = packet_.in_interface.empty();
      arrive({start});
    }
    collect(walk_.dropped(), Verdict::kDrop, false);
    collect(walk_.rejected(), Verdict::kReject, false);
    return {.outcomes = outcomes(), .notes = walk_.notes()};
  }

 private:
  /// What makes two packets end alike.
  using Fate = std::tuple<Verdict, std::optional<SocketAddress>, bool, bool, bool>;

  struct Ended {
    double at_least = 0;
    double at_most = 0;
    Flow likeliest;
  };

  bool is_local_address(const IpAddress& address) const {
    return is_local(address, here_.local_addresses);
  }

  /// Flows to this node; the others stay.
  Flows take_local(Flows& flows) const {
    Flows local;
    Flows others;
    for (const Flow& flow : flows) {
      (is_local_address(flow.destination.address) ? local : others).push_back(flow);
    }
    flows = std::move(others);
    return local;
  }

  Flows pass(Table table, std::string_view chain, Flows flows) {
    if (table == Table::kNat) {
      return pass_nat(chain, flows);
    }
    if (table == kRawTable && has_nothing_to_say(chain)) {
      return flows;  // most nodes have no such table
    }
    return flows.empty() ? Flows{} : walk_.walk(table, chain, std::move(flows), here_);
  }

  bool has_nothing_to_say(std::string_view raw_chain) const {
    const auto found = tables_.chains.find(ChainId{kRawTable, ChainName(raw_chain)});
    return found == tables_.chains.end() ||
           (found->second.rules.empty() && found->second.policy != Tables::Policy::kDrop);
  }

  /// Only the first packet of a connection is translated.
  Flows pass_nat(std::string_view chain, const Flows& flows) {
    const bool is_first =
        packet_.state == ConnectionState::kNew || packet_.state == ConnectionState::kRelated;
    Flows skipping;
    Flows first;
    for (const Flow& flow : flows) {
      (is_first && !flow.untracked ? first : skipping).push_back(flow);
    }
    if (!first.empty()) {
      first = walk_.walk(Table::kNat, chain, std::move(first), here_);
    }
    move_to_end(first, skipping);
    return first;
  }

  void arrive(Flows flows) {
    flows = pass(kRawTable, "PREROUTING", std::move(flows));
    flows = pass(Table::kMangle, "PREROUTING", std::move(flows));
    flows = pass(Table::kNat, "PREROUTING", std::move(flows));
    Flows local = take_local(flows);
    receive(std::move(local));
    flows = pass(Table::kMangle, "FORWARD", std::move(flows));
    flows = pass(Table::kFilter, "FORWARD", std::move(flows));
    collect(send(std::move(flows)), Verdict::kAccept, false);
  }

  void leave_this_node(Flows flows) {
    flows = pass(kRawTable, "OUTPUT", std::move(flows));
    flows = pass(Table::kMangle, "OUTPUT", std::move(flows));
    flows = pass(Table::kNat, "OUTPUT", std::move(flows));
    flows = pass(Table::kFilter, "OUTPUT", std::move(flows));
    flows = send(std::move(flows));
    Flows local = take_local(flows);
    collect(flows, Verdict::kAccept, false);
    come_back_through_loopback(std::move(local));
  }

  Flows send(Flows flows) {
    flows = pass(Table::kMangle, "POSTROUTING", std::move(flows));
    return pass(Table::kNat, "POSTROUTING", std::move(flows));
  }

  /// The connection is translated by then, so nat PREROUTING is not asked again.
  void come_back_through_loopback(Flows flows) {
    here_.in_interface = "lo";
    for (Flow& flow : flows) {
      if (flow.masqueraded) {
        flow.source = own_address(here_.local_addresses, family_);
      }
    }
    here_.is_tracked = true;
    flows = pass(kRawTable, "PREROUTING", std::move(flows));
    receive(pass(Table::kMangle, "PREROUTING", std::move(flows)));
  }

  void receive(Flows flows) {
    flows = pass(Table::kMangle, "INPUT", std::move(flows));
    flows = pass(Table::kFilter, "INPUT", std::move(flows));
    collect(pass(Table::kNat, "INPUT", std::move(flows)), Verdict::kAccept, true);
  }

  void collect(const Flows& flows, Verdict verdict, bool delivered_here) {
    for (const Flow& flow : flows) {
      const auto endpoint = flow.translated ? std::optional(flow.destination) : std::nullopt;
      Ended& ended = ended_[{verdict, endpoint, flow.masqueraded, delivered_here, flow.untracked}];
      if (ended.at_most == 0 || flow.share > ended.likeliest.share) {
        ended.likeliest = flow;
      }
      ended.at_least += flow.sure;
      ended.at_most += flow.share;
    }
  }

  /// Least and most. Whatever does not meet another fate meets this one; and sums of the same
  /// shares differ in their last digits.
  std::pair<double, double> shares_of(const Fate& fate) const {
    constexpr double kNothing = 1e-9;
    double others = 0;
    for (const auto& [other, ended] : ended_) {
      others += other == fate ? 0 : ended.at_most;
    }
    const double most = std::min(1.0, ended_.at(fate).at_most);
    const bool is_all = !walk_.may_have_lost_flows();
    const double rest = is_all && 1 - others > kNothing ? 1 - others : 0;
    const double least = std::max(ended_.at(fate).at_least, rest);
    return {most - least < kNothing ? most : least, most};
  }

  /// In the order of the rules.
  std::vector<Outcome> outcomes() const {
    std::map<std::vector<std::size_t>, Outcome> by_path;
    for (const auto& [fate, ended] : ended_) {
      const auto& [verdict, endpoint, masqueraded, delivered_here, untracked] = fate;
      const auto [at_least, at_most] = shares_of(fate);
      std::vector<std::size_t> path = walk_.log().path(ended.likeliest);
      Outcome outcome{.verdict = verdict,
                      .endpoint = endpoint,
                      .masqueraded = masqueraded,
                      .delivered_here = delivered_here,
                      .untracked = untracked,
                      .at_least = at_least,
                      .at_most = at_most,
                      .path = steps(path)};
      by_path.emplace(std::move(path), std::move(outcome));
    }
    std::vector<Outcome> outcomes;
    outcomes.reserve(by_path.size());
    for (auto& [path, outcome] : by_path) {
      outcomes.push_back(std::move(outcome));
    }
    return outcomes;
  }

  std::vector<Step> steps(const std::vector<std::size_t>& path) const {
    std::vector<Step> steps;
    steps.reserve(path.size());
    for (const std::size_t number : path) {
      const StepLog::Entry& entry = walk_.log()[number];
      steps.push_back({.chain = entry.chain,
                       .number = entry.number,
                       .rule = entry.rule ? *entry.rule : Rule{},
                       .chance = entry.chance,
                       .is_doubtful = entry.is_doubtful});
    }
    return steps;
  }

  const Tables& tables_;
  TableWalk walk_;
  const Packet& packet_;
  Family family_;
  Surroundings here_;
  std::map<Fate, Ended> ended_;
};

/// Whether the target, when a packet takes it, decides something about it.
bool decides(const Target& target) {
  if (const auto* other = std::get_if<OtherTarget>(&target)) {
    const ForeignEffect effect = effect_of(*other);
    return !std::holds_alternative<NoEffect>(effect) && !std::holds_alternative<Goto>(effect) &&
           !std::holds_alternative<Untrack>(effect) &&
           !std::holds_alternative<UnknownEffect>(effect);
  }
  return std::holds_alternative<Accept>(target) || std::holds_alternative<Drop>(target) ||
         std::holds_alternative<Reject>(target) || std::holds_alternative<Masquerade>(target) ||
         std::holds_alternative<Dnat>(target);
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kAccept:
      return "ACCEPT";
    case Verdict::kDrop:
      return "DROP";
    case Verdict::kReject:
      return "REJECT";
  }
  return {};
}

bool is_certain(const Outcome& outcome) {
  return outcome.at_least >= outcome.at_most;
}

bool is_left_alone(const Outcome& outcome) {
  for (const Step& step : outcome.path) {
    if (step.number != 0 && decides(step.rule.target)) {
      return false;
    }
  }
  return true;
}

Trace trace(const Tables& tables,
            const Packet& packet,
            std::span<const IpAddress> local_addresses) {
  return Journey(tables, packet, local_addresses).run();
}

std::vector<std::pair<SocketAddress, double>> endpoint_shares(const Tables& tables,
                                                              const ChainName& chain,
                                                              Protocol protocol) {
  std::vector<std::pair<SocketAddress, double>> shares;
  for (const Flow& flow :
       TableWalk(tables).walk(Table::kNat, chain.view(), {Flow{}}, {.protocol = protocol})) {
    if (flow.translated) {
      shares.emplace_back(flow.destination, flow.share);
    }
  }
  return shares;
}

}  // namespace rules
