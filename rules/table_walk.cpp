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

void doubt(Flows& flows, std::size_t from) {
  for (std::size_t i = from; i < flows.size(); ++i) {
    flows[i].sure = 0;
  }
}

/// A rule whose text could not be read is one foreign condition, the text of its target included.
bool is_unread(const Rule& rule) {
  const auto* text =
      rule.matches.size() == 1 ? std::get_if<OtherMatch>(&rule.matches.front()) : nullptr;
  return text != nullptr && std::holds_alternative<FallThrough>(rule.target) &&
         (text->text.find("-j ") != std::string::npos ||
          text->text.find("-g ") != std::string::npos);
}

/// What is certain of the flags of a packet in that state.
TcpFlags flags_of(std::uint16_t state) {
  if ((state & ConnectionState::kNew) != 0) {
    return {.set = TcpFlags::kSyn, .known = TcpFlags::kAll};
  }
  if ((state & ConnectionState::kEstablished) != 0) {
    return {.set = TcpFlags::kAck, .known = TcpFlags::kAck | TcpFlags::kSyn | TcpFlags::kRst};
  }
  return {};
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

  Onward operator()(const Untrack&) {
    for (Flow& flow : flows) {
      flow.untracked = flow.untracked || !walk.surroundings_->is_tracked;
    }
    return {std::move(flows), {}};
  }

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
      walk.note("target \"" + target.text +
                "\" is not known: what becomes of the packet is not sure");
      doubt(flows, 0);
      walk.may_have_lost_flows_ = true;
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
    const RulePlace place{id, number, rule};
    Taken taken = taken_by(place, live);
    if (taken.surely.empty() && taken.if_it_holds.empty()) {
      continue;
    }
    apply(place, std::move(taken), live, caller);
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

void TableWalk::apply(const RulePlace& place, Taken taken, Flows& live, Flows& caller) {
  if (!taken.surely.empty()) {
    Onward onward = std::visit(TakeVisitor{*this, std::move(taken.surely)}, place.rule.target);
    move_to_end(caller, onward.caller);
    move_to_end(live, onward.next_rule);
  }
  if (is_unread(place.rule)) {
    note("rule \"" + std::get<OtherMatch>(place.rule.matches.front()).text +
         "\" cannot be read: what becomes of the packet is not sure");
    doubt(taken.otherwise, 0);
    may_have_lost_flows_ = true;
    move_to_end(live, taken.otherwise);
  } else if (!has_effect(place.rule.target)) {
    move_to_end(live, taken.otherwise);
  } else if (!taken.if_it_holds.empty()) {
    apply_doubtful(place, std::move(taken), live, caller);
  }
}

/// Both ways are gone. Where they lead to the same there is no doubt.
void TableWalk::apply_doubtful(const RulePlace& place, Taken taken, Flows& live, Flows& caller) {
  const Exits before = exits();
  Onward onward = std::visit(TakeVisitor{*this, std::move(taken.if_it_holds)}, place.rule.target);
  merge(onward.next_rule);
  merge(taken.otherwise);
  if (exits() == before && onward.caller.empty() && are_same(onward.next_rule, taken.otherwise)) {
    move_to_end(live, taken.otherwise);
    return;
  }
  doubt(passed_, before.passed);
  doubt(dropped_, before.dropped);
  doubt(rejected_, before.rejected);
  doubt(onward.caller, 0);
  move_to_end(caller, onward.caller);
  Flows further = either(std::move(onward.next_rule), std::move(taken.otherwise));
  move_to_end(live, further);
  for (const std::string& text : taken.doubts) {
    note("condition \"" + text + "\" cannot be judged: both ways are shown");
  }
}

TableWalk::Taken TableWalk::taken_by(const RulePlace& place, Flows& live) {
  const bool may_split = live.size() < kMaxFlows;
  Taken taken;
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
      const bool is_doubtful = !judgement.doubts.empty();
      Flow part = flow;
      part.share *= chance;
      part.sure *= chance;
      if (is_doubtful) {
        taken.otherwise.push_back(part);
        taken.doubts.insert(judgement.doubts.begin(), judgement.doubts.end());
      }
      log_.add(part, {Flow::kNoStep, place.chain, place.number, &place.rule, chance, is_doubtful});
      (is_doubtful ? taken.if_it_holds : taken.surely).push_back(part);
    }
    if (chance < 1) {
      flow.share *= 1 - chance;
      flow.sure *= 1 - chance;
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
    log_.add(flow, {Flow::kNoStep, id, 0, nullptr, 1, false});
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
  if (flow.untracked) {
    states = ConnectionState::kUntracked;
  }
  return {.source = flow.source,
          .source_port = surroundings_->source_port,
          .destination = flow.destination,
          .protocol = surroundings_->protocol,
          .in_interface = surroundings_->in_interface,
          .interface_is_unknown = surroundings_->interface_is_unknown,
          .out_interface = surroundings_->out_interface,
          .states = states,
          .tcp_flags = flags_of(surroundings_->state),
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
