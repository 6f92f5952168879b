#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "rules/key_tree.h"
#include "rules/ruleset.h"

namespace rules {

/// Rules of one service in one shared chain that ask for the same key, in their order.
struct Claim {
  std::shared_ptr<const CompiledService> service;
  std::uint32_t section = 0;  // among CompiledService::entries
  std::uint32_t first = 0;    // among the section's rules
  std::uint32_t rules = 0;
};

/// A shared chain of the compact layout, as far as its rules have keys of one kind.
struct DispatchRoot {
  Table table;
  std::string_view chain;
  bool by_address;  // keys have an address; otherwise only protocol and port
};

inline constexpr std::size_t kDispatchRoots = 7;

/// What stands in the shared chains in the compact layout, each as a tree of Claims: few rules
/// stand in the shared chain itself, more behind jumps that ask for an ever longer prefix of the
/// key. A chain for a prefix holds every rule under it, so old and new chains may be mixed in any
/// way. A value that shares its nodes with its older versions.
struct Dispatch {
  std::array<KeyTree, kDispatchRoots> trees;

  bool operator==(const Dispatch&) const = default;
};

/// At most so many chains lead from a shared chain down to the rule of a service.
inline constexpr unsigned kDispatchLevels = 5;

/// Without the services that are gone, and with those that are fresh. Several claims on a key stand
/// by rank, then by the service's name.
Dispatch updated(Dispatch dispatch,
                 const std::vector<std::shared_ptr<const CompiledService>>& gone,
                 const std::vector<std::shared_ptr<const CompiledService>>& fresh);

/// A chain of the compact layout that many services share.
struct DispatchChain {
  using Part = std::variant<Rule, Claim>;

  ChainId id;
  Digest content = Digest::kUnknown;
  std::uint32_t rules = 0;
  std::uint32_t jumps = 0;  // those among them that lead to other such chains
  std::vector<Part> parts;  // in order
};

/// All chains, callees first: those that shared chains jump to, and the shared chains, of which
/// `shared` are the rules that stand last in them.
std::vector<DispatchChain> chains_of(const Dispatch& dispatch, const std::vector<Section>& shared);

/// Those of them that may not be the same in `other`, for which `shared` holds as well: its cost
/// follows what differs.
std::vector<DispatchChain> chains_unlike(const Dispatch& dispatch,
                                         const Dispatch& other,
                                         const std::vector<Section>& shared);

}  // namespace rules
