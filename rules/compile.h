#pragma once

#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "rules/dispatch.h"
#include "rules/ruleset.h"
#include "rules/service.h"

namespace rules {

/// The rules of one service port (spec §3.4.2). Pure and total.
Block compile_service(const ServicePortName& name, const ServicePort& port, const Context& context);

/// Its rules in shared chains alone, Block::entries, which cost less.
std::vector<Section> compile_entries(const ServicePortName& name,
                                     const ServicePort& port,
                                     const Context& context);

/// Fixed chains, last rules and hooks (spec §2.1, §3.4.1, §3.4.5). Pure and total.
Base compile_base(const Context& context);

/// What should be in the kernel: the base and one block for each service port. A value; copies
/// share their shards, and equal pointers mean equal content. The default-constructed Ruleset wants
/// nothing at all: clean-up.
class Ruleset {
 public:
  using Services = std::vector<std::shared_ptr<const CompiledService>>;  // sorted by name

  Ruleset() = default;

  /// Null when the Ruleset is empty.
  const std::shared_ptr<const Context>& context() const { return context_; }

  const std::shared_ptr<const Base>& base() const { return base_; }

  /// Null shards are empty ones.
  const std::array<std::shared_ptr<const Services>, Snapshot::kShards>& shards() const {
    return shards_;
  }

  /// All services, sorted by name.
  Services services() const;

  /// The rules of one of its services, made anew.
  Block block(const CompiledService& service) const;

  /// What stands in the shared chains in the compact layout; null in kube-proxy's.
  const std::shared_ptr<const Dispatch>& dispatch() const { return dispatch_; }

  /// All chains of the dispatch, callees first; none in kube-proxy's layout.
  std::vector<DispatchChain> dispatch_chains() const;

  /// Those of them that may differ from the chains of `other`; all if anything but Services
  /// differs.
  std::vector<DispatchChain> dispatch_chains_unlike(const Ruleset& other) const;

  /// The rules of one of its dispatch chains, made anew.
  std::vector<OwnedRule> rules(const DispatchChain& chain) const;

  /// What is known to be installed of it if another hand may have changed `chains`: all but these,
  /// and of the jumps in the built-in ones among them, those in `hooks`.
  Ruleset without(const std::set<ChainId>& chains, const std::vector<Base::Hook>& hooks) const;

  /// Rules that it has in a table, hooks not counted (as kube-proxy's gauge, spec §3.6).
  std::size_t rule_count(Table table) const;

 private:
  friend class Compiler;

  std::shared_ptr<const Context> context_;
  std::shared_ptr<const Base> base_;
  std::array<std::shared_ptr<const Services>, Snapshot::kShards> shards_{};
  std::shared_ptr<const Dispatch> dispatch_;
  std::map<Table, std::size_t> dispatch_jumps_;
  std::set<ChainId> missing_;  // dispatch chains that are not installed (without())
};

/// Services of two rulesets that are not one and the same object: `gone` from the old, `fresh` in
/// the new. Sorted by name.
struct DifferingServices {
  Ruleset::Services gone;
  Ruleset::Services fresh;
};

/// Its cost follows the shards that differ.
DifferingServices differing_services(const Ruleset& old, const Ruleset& wanted);

/// Compiles snapshots. The result depends on the arguments alone; what was compiled before only
/// makes it faster: a shard whose pointer did not change is not looked at. Not thread-safe; one for
/// each family.
class Compiler {
 public:
  /// `excluded` service ports (quarantine) get no rules.
  Ruleset compile(const Snapshot& snapshot,
                  const Context& context,
                  const std::set<ServicePortName>& excluded = {});

 private:
  /// Gives a Ruleset in the compact layout its dispatch, out of that of the one before.
  static void link(Ruleset& next, const Ruleset& before);

  Snapshot snapshot_;
  std::set<ServicePortName> excluded_;
  Ruleset ruleset_;
};

}  // namespace rules
