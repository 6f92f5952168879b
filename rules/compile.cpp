#include "rules/compile.h"

#include <algorithm>

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
    auto& entries =
        service->entries.emplace_back(CompiledService::Entries{section.chain, section.rank, {}});
    entries.rules.reserve(section.rules.size());
    for (const Rule& rule : section.rules) {
      entries.rules.push_back(digest(rule));
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

Ruleset Ruleset::without(const std::set<ChainId>& chains,
                         const std::vector<Base::Hook>& hooks) const {
  Ruleset rest = *this;
  const auto is_among_them = [&](const ChainId& chain) { return chains.contains(chain); };
  if (base_) {
    rest.base_ = without_chains(base_, is_among_them, hooks);
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
  std::size_t rules = 0;
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
  snapshot_ = snapshot;
  excluded_ = excluded;
  ruleset_ = next;
  return next;
}

}  // namespace rules
