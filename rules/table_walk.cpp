#include "rules/table_walk.h"

#include <algorithm>
#include <utility>

namespace rules {
namespace {

/// With this many different flows in one chain a random rule does not split them any more: more
/// than any Service needs, and an end to rules that double them every time.
constexpr std::size_t kMaxFlows = 65536;

void translate(Flows& flows, const SocketAddress& destination) {
  for (Flow& flow : flows) {
    flow.destination = destination;
    flow.translated = true;
  }
}

void masquerade(Flows& flows) {
  for (Flow& flow : flows) {
    flow.masqueraded = true;
  }
}

}  // namespace

/// What a target does with the flows that reach it.
struct TableWalk::TakeVisitor {
  TableWalk& walk;
  Flows flows;

  Onward operator()(const FallThrough&) { return {std::move(flows), {}}; }

  Onward operator()(const NoEffect&) { return {std::move(flows), {}}; }

  Onward operator()(const Accept&) { return leave(walk.passed_); }

  Onward operator()(const Drop&) { return leave(walk.dropped_); }

  Onward operator()(const Reject&) { return leave(walk.rejected_); }

  Onward operator()(const Return&) { return {{}, std::move(flows)}; }

  Onward operator()(const Jump& jump) { return {walk.enter(jump.chain, std::move(flows)), {}}; }

  Onward operator()(const Goto& jump) { return {{}, walk.enter(jump.chain, std::move(flows))}; }

  Onward operator()(const SetMark& set) {
    for (Flow& flow : flows) {
      flow.mark = (flow.mark & ~set.mask) ^ set.value;
    }
    return {std::move(flows), {}};
  }

  Onward operator()(const Masquerade&) {
    masquerade(flows);
    return leave(walk.passed_);
  }

  Onward operator()(const SourceNat&) { return (*this)(Masquerade{}); }

  Onward operator()(const Dnat& target) {
    translate(flows, target.destination);
    return leave(walk.passed_);
  }

  Onward operator()(const PartialNat& nat) {
    const IpAddress here = own_address(walk.surroundings_->local_addresses, walk.tables_.family);
    for (Flow& flow : flows) {
      flow.destination.address = nat.address ? *nat.address : here;
      flow.destination.port = nat.port != 0 ? nat.port : flow.destination.port;
      flow.translated = true;
    }
    return leave(walk.passed_);
  }

  Onward operator()(const OtherTarget& target) {
    ForeignEffect effect = effect_of(target);
    if (std::holds_alternative<UnknownEffect>(effect)) {
      walk.note("target \"" + target.text + "\" is not known: taken as having no effect");
      return {std::move(flows), {}};
    }
    return std::visit(*this, effect);
  }

  Onward operator()(const UnknownEffect&) { return {std::move(flows), {}}; }

  Onward leave(Flows& exit) {
    move_to_end(exit, flows);
    return {};
  }
};

Flows TableWalk::walk(Table table,
                      std::string_view chain,
                      Flows flows,
                      const Surroundings& surroundings) {
  surroundings_ = &surroundings;
  passed_.clear();
  const ChainId id{table, ChainName(chain)};
  apply_policy(id, walk_chain(id, std::move(flows)));
  surroundings_ = nullptr;
  merge(passed_);
  return std::exchange(passed_, {});
}

Flows TableWalk::walk_chain(const ChainId& id, Flows live) {
  const auto found = tables_.chains.find(id);
  if (found == tables_.chains.end()) {
    note(to_string(id) + " does not exist: jumps to it are not followed");
    return live;
  }
  if (std::find(within_.begin(), within_.end(), id) != within_.end()) {
    note(to_string(id) + " leads back to itself: not followed");
    return live;
  }
  within_.push_back(id);
  Flows caller;
  std::size_t number = 0;
  for (const Rule& rule : found->second.rules) {
    ++number;
    Flows taken = taken_by({id, number, rule}, live);
    if (taken.empty()) {
      continue;
    }
    Onward onward = std::visit(TakeVisitor{*this, std::move(taken)}, rule.target);
    move_to_end(caller, onward.caller);
    move_to_end(live, onward.next_rule);
    merge(live);
    if (live.empty()) {
      break;
    }
  }
  within_.pop_back();
  move_to_end(caller, live);
  merge(caller);
  return caller;
}

Flows TableWalk::taken_by(const RulePlace& place, Flows& live) {
  const bool may_split = live.size() < kMaxFlows;
  Flows taken;
  std::size_t kept = 0;
  for (Flow& flow : live) {
    Judgement judgement = judge(place.rule, view(flow));
    for (std::string& text : judgement.notes) {
      note(std::move(text));
    }
    double chance = judgement.chance;
    if (chance > 0 && chance < 1 && !may_split) {
      note("too many different packets: further random rules are taken as not met");
      chance = 0;
    }
    if (chance > 0) {
      taken.push_back(flow);
      taken.back().share *= chance;
      log_.add(taken.back(), {Flow::kNoStep, place.chain, place.number, &place.rule, chance});
    }
    if (chance < 1) {
      flow.share *= 1 - chance;
      live[kept++] = flow;
    }
  }
  live.resize(kept);
  return taken;
}

Flows TableWalk::enter(const ChainName& name, Flows flows) {
  return walk_chain(ChainId{within_.back().table, name}, std::move(flows));
}

void TableWalk::apply_policy(const ChainId& id, Flows flows) {
  const auto found = tables_.chains.find(id);
  const bool drops = found != tables_.chains.end() && found->second.policy == Tables::Policy::kDrop;
  for (Flow& flow : flows) {
    log_.add(flow, {Flow::kNoStep, id, 0, nullptr, 1});
  }
  move_to_end(drops ? dropped_ : passed_, flows);
}

PacketView TableWalk::view(const Flow& flow) const {
  std::uint16_t states = surroundings_->state;
  if (flow.translated) {
    states |= ConnectionState::kDnat;
  }
  if (flow.masqueraded) {
    states |= ConnectionState::kSnat;
  }
  return {.source = flow.source,
          .destination = flow.destination,
          .protocol = surroundings_->protocol,
          .in_interface = surroundings_->in_interface,
          .interface_is_unknown = surroundings_->interface_is_unknown,
          .states = states,
          .mark = flow.mark,
          .local_addresses = surroundings_->local_addresses};
}

void TableWalk::note(std::string text) {
  if (noted_.insert(text).second) {
    notes_.push_back(std::move(text));
  }
}

IpAddress own_address(std::span<const IpAddress> local_addresses, Family family) {
  for (const IpAddress& address : local_addresses) {
    if (address.family() == family && !address.is_loopback()) {
      return address;
    }
  }
  return *IpAddress::parse(family == Family::kIpv4 ? "127.0.0.1" : "::1");
}

}  // namespace rules
