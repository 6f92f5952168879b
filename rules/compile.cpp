#include "rules/compile.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include "rules/names.h"

namespace rules {

namespace {

using Services = Ruleset::Services;

bool by_name(const std::shared_ptr<const CompiledService>& a,
             const std::shared_ptr<const CompiledService>& b) {
  return a->name < b->name;
}

void count(CompiledService& service, const Section& section) {
  const auto rules = static_cast<std::uint32_t>(section.rules.size());
  (section.chain.table == Table::kNat ? service.nat_rules : service.filter_rules) += rules;
}

/// What an entry asks for. Networks in entries (127.0.0.0/8 of a node port) are no part of the key.
PacketKey key_of(const Rule& rule) {
  std::optional<IpAddress> address;
  if (rule.destination && rule.destination->value.is_host()) {
    address = rule.destination->value.address;
  }
  std::uint16_t port = 0;
  for (const Match& match : rule.matches) {
    if (const auto* transport = std::get_if<TransportPort>(&match)) {
      port = transport->destination.value_or(0);
    }
  }
  return packet_key(address, rule.protocol.value_or(Protocol::kTcp), port);
}

std::shared_ptr<const CompiledService> summarize(const ServicePortEntry& entry,
                                                 const Context& context) {
  const Block block = compile_service(entry.first, *entry.second, context);
  auto service = std::make_shared<CompiledService>();
  service->name = entry.first;
  service->port = entry.second;
  service->chains.reserve(block.chains.size());
  for (const Section& section : block.chains) {
    service->chains.push_back(
        {section.chain, digest(section.rules), static_cast<std::uint32_t>(section.rules.size())});
    count(*service, section);
  }
  service->entries.reserve(block.entries.size());
  for (const Section& section : block.entries) {
    auto& entries = service->entries.emplace_back(
        CompiledService::Entries{section.chain, section.rank, {}, {}});
    entries.rules.reserve(section.rules.size());
    for (const Rule& rule : section.rules) {
      entries.rules.push_back(digest(rule));
      if (context.layout == Layout::kCompact) {
        entries.keys.push_back(key_of(rule));
      }
    }
    count(*service, section);
  }
  return service;
}

/// Compiles a shard; services whose port is the same object as before are taken over from `before`.
std::shared_ptr<const Services> compile_shard(const Shard& shard,
                                              const Services& before,
                                              const Context& context,
                                              const std::set<ServicePortName>& excluded) {
  auto services = std::make_shared<Services>();
  services->reserve(shard.size());
  for (const ServicePortEntry& entry : shard) {
    if (excluded.contains(entry.first)) {
      continue;
    }
    const auto known = std::find_if(before.begin(), before.end(), [&](const auto& service) {
      return service->port == entry.second && service->name == entry.first;
    });
    services->push_back(known != before.end() ? *known : summarize(entry, context));
  }
  return services->empty() ? nullptr : std::shared_ptr<const Services>(std::move(services));
}

/// Shards that hold a service port which is excluded in only one of the two sets.
std::set<std::size_t> affected_shards(const std::set<ServicePortName>& a,
                                      const std::set<ServicePortName>& b) {
  std::vector<ServicePortName> changed;
  std::set_symmetric_difference(
      a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(changed));
  std::set<std::size_t> shards;
  for (const ServicePortName& name : changed) {
    shards.insert(shard_of(name.name_space, name.service));
  }
  return shards;
}

/// The same pointer if nothing differs.
template <typename Predicate>
std::shared_ptr<const Base> without_chains(const std::shared_ptr<const Base>& base,
                                           Predicate is_among_them,
                                           const std::vector<Base::Hook>& hooks) {
  Base rest = *base;
  std::erase_if(rest.chains, [&](const Section& section) { return is_among_them(section.chain); });
  std::erase_if(rest.shared, [&](const Section& section) { return is_among_them(section.chain); });
  std::erase_if(rest.present, is_among_them);
  std::erase_if(rest.hooks, [&](const Base::Hook& hook) {
    return is_among_them(hook.chain) && std::ranges::find(hooks, hook) == hooks.end();
  });
  return rest == *base ? base : std::make_shared<const Base>(std::move(rest));
}

template <typename Predicate>
std::shared_ptr<const Services> without_chains(const Services& services, Predicate is_among_them) {
  Services rest = services;
  for (auto& service : rest) {
    CompiledService part = *service;
    if (std::erase_if(part.chains, [&](const CompiledService::Chain& chain) {
          return is_among_them(chain.id);
        }) > 0) {
      service = std::make_shared<const CompiledService>(std::move(part));
    }
  }
  return std::make_shared<const Services>(std::move(rest));
}

}  // namespace

Services Ruleset::services() const {
  Services all;
  for (const auto& shard : shards_) {
    if (shard) {
      all.insert(all.end(), shard->begin(), shard->end());
    }
  }
  std::sort(all.begin(), all.end(), by_name);
  return all;
}

Block Ruleset::block(const CompiledService& service) const {
  return compile_service(service.name, *service.port, *context_);
}

std::vector<DispatchChain> Ruleset::dispatch_chains() const {
  if (!dispatch_) {
    return {};
  }
  auto chains = chains_of(*dispatch_, base_->shared);
  std::erase_if(chains, [&](const DispatchChain& chain) { return missing_.contains(chain.id); });
  return chains;
}

std::vector<DispatchChain> Ruleset::dispatch_chains_unlike(const Ruleset& other) const {
  const bool comparable = dispatch_ && other.dispatch_ && base_ == other.base_ &&
                          missing_.empty() && other.missing_.empty();
  return comparable ? chains_unlike(*dispatch_, *other.dispatch_, base_->shared)
                    : dispatch_chains();
}

std::vector<OwnedRule> Ruleset::rules(const DispatchChain& chain) const {
  std::vector<OwnedRule> all;
  for (const DispatchChain::Part& part : chain.parts) {
    if (const auto* rule = std::get_if<Rule>(&part)) {
      all.push_back({nullptr, *rule});
      continue;
    }
    const Claim& claim = std::get<Claim>(part);
    const CompiledService& service = *claim.service;
    auto entries = compile_entries(service.name, *service.port, *context_);
    std::vector<Rule>& rules = entries[claim.section].rules;
    for (std::uint32_t i = claim.first; i < claim.first + claim.rules; ++i) {
      all.push_back({claim.service, std::move(rules[i])});
    }
  }
  return all;
}

Ruleset Ruleset::without(const std::set<ChainId>& chains,
                         const std::vector<Base::Hook>& hooks) const {
  Ruleset rest = *this;
  const auto is_among_them = [&](const ChainId& chain) { return chains.contains(chain); };
  if (base_) {
    rest.base_ = without_chains(base_, is_among_them, hooks);
  }
  if (dispatch_) {
    rest.missing_.insert(chains.begin(), chains.end());
  }
  if (std::ranges::none_of(chains, is_owned)) {
    return rest;  // mostly another tool's rules in built-in chains: no reason to look at Services
  }
  for (auto& shard : rest.shards_) {
    if (shard && std::ranges::any_of(*shard, [&](const auto& service) {
          return std::ranges::any_of(service->chains, is_among_them, &CompiledService::Chain::id);
        })) {
      shard = without_chains(*shard, is_among_them);
    }
  }
  return rest;
}

std::size_t Ruleset::rule_count(Table table) const {
  const auto jumps = dispatch_jumps_.find(table);
  std::size_t rules = jumps == dispatch_jumps_.end() ? 0 : jumps->second;
  for (const auto& shard : shards_) {
    if (shard) {
      for (const auto& service : *shard) {
        rules += table == Table::kNat      ? service->nat_rules
                 : table == Table::kFilter ? service->filter_rules
                                           : 0;
      }
    }
  }
  if (base_) {
    for (const auto* sections : {&base_->chains, &base_->shared}) {
      for (const Section& section : *sections) {
        rules += section.chain.table == table ? section.rules.size() : 0;
      }
    }
  }
  return rules;
}

Ruleset Compiler::compile(const Snapshot& snapshot,
                          const Context& context,
                          const std::set<ServicePortName>& excluded) {
  const bool same_context = ruleset_.context_ && *ruleset_.context_ == context;
  Ruleset next;
  next.context_ = same_context ? ruleset_.context_ : std::make_shared<const Context>(context);
  next.base_ = same_context ? ruleset_.base_ : std::make_shared<const Base>(compile_base(context));
  const std::set<std::size_t> affected = affected_shards(excluded_, excluded);
  for (std::size_t i = 0; i < Snapshot::kShards; ++i) {
    if (same_context && snapshot.shards[i] == snapshot_.shards[i] && !affected.contains(i)) {
      next.shards_[i] = ruleset_.shards_[i];
    } else if (snapshot.shards[i]) {
      const bool reusable = same_context && ruleset_.shards_[i];
      next.shards_[i] = compile_shard(*snapshot.shards[i],
                                      reusable ? *ruleset_.shards_[i] : Services{},
                                      *next.context_,
                                      excluded);
    }
  }
  if (context.layout == Layout::kCompact) {
    link(next, same_context ? ruleset_ : Ruleset());
  }
  snapshot_ = snapshot;
  excluded_ = excluded;
  ruleset_ = next;
  return next;
}

void Compiler::link(Ruleset& next, const Ruleset& before) {
  const auto differing = differing_services(before, next);
  next.dispatch_ = before.dispatch_;
  next.dispatch_jumps_ = before.dispatch_jumps_;
  if (before.dispatch_ && differing.gone.empty() && differing.fresh.empty()) {
    return;
  }
  next.dispatch_ = std::make_shared<const Dispatch>(
      updated(before.dispatch_ ? *before.dispatch_ : Dispatch{}, differing.gone, differing.fresh));
  for (const DispatchChain& chain : before.dispatch_chains_unlike(next)) {
    next.dispatch_jumps_[chain.id.table] -= chain.jumps;
  }
  for (const DispatchChain& chain : next.dispatch_chains_unlike(before)) {
    next.dispatch_jumps_[chain.id.table] += chain.jumps;
  }
}

DifferingServices differing_services(const Ruleset& old, const Ruleset& wanted) {
  DifferingServices result;
  const Services none;
  for (std::size_t i = 0; i < Snapshot::kShards; ++i) {
    if (old.shards()[i] == wanted.shards()[i]) {
      continue;
    }
    const Services& before = old.shards()[i] ? *old.shards()[i] : none;
    const Services& after = wanted.shards()[i] ? *wanted.shards()[i] : none;
    std::ranges::copy_if(before, std::back_inserter(result.gone), [&](const auto& service) {
      return std::ranges::find(after, service) == after.end();
    });
    std::ranges::copy_if(after, std::back_inserter(result.fresh), [&](const auto& service) {
      return std::ranges::find(before, service) == before.end();
    });
  }
  std::ranges::sort(result.gone, by_name);
  std::ranges::sort(result.fresh, by_name);
  return result;
}

}  // namespace rules
