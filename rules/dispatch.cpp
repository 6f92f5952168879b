#include "rules/dispatch.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "rules/names.h"

namespace rules {

namespace {

constexpr std::array<DispatchRoot, kDispatchRoots> kRoots{{
    {Table::kNat, kServicesChain, true},
    {Table::kNat, kNodePortsChain, false},
    {Table::kFilter, kServicesChain, true},
    {Table::kFilter, kExternalServicesChain, true},
    {Table::kFilter, kExternalServicesChain, false},
    {Table::kFilter, kNodePortsChain, false},
    {Table::kFilter, kProxyFirewallChain, true},
}};

struct Claims : KeyLoad {
  std::vector<Claim> all;
};

std::size_t root_of(const ChainId& chain, const PacketKey& key) {
  const auto found = std::find_if(kRoots.begin(), kRoots.end(), [&](const DispatchRoot& root) {
    return root.table == chain.table && root.chain == chain.name.view() &&
           root.by_address == key.has_address();
  });
  return static_cast<std::size_t>(found - kRoots.begin());
}

/// What changes under the keys of one tree.
struct KeyChange {
  std::vector<const CompiledService*> gone;
  std::vector<Claim> fresh;
};

using KeyChanges = std::array<std::map<PacketKey, KeyChange>, kDispatchRoots>;

/// Calls `visit` for each claim of the service with its root and its key.
template <typename Visit>
void for_each_claim(const std::shared_ptr<const CompiledService>& service, Visit visit) {
  for (std::uint32_t section = 0; section < service->entries.size(); ++section) {
    const CompiledService::Entries& entries = service->entries[section];
    for (std::uint32_t first = 0; first < entries.keys.size();) {
      std::uint32_t next = first + 1;
      while (next < entries.keys.size() && entries.keys[next] == entries.keys[first]) {
        ++next;
      }
      const std::size_t root = root_of(entries.chain, entries.keys[first]);
      if (root < kDispatchRoots) {
        visit(root, entries.keys[first], Claim{service, section, first, next - first});
      }
      first = next;
    }
  }
}

bool stands_before(const Claim& a, const Claim& b) {
  const auto place = [](const Claim& claim) {
    return std::tie(claim.service->entries[claim.section].rank,
                    claim.service->name,
                    claim.section,
                    claim.first);
  };
  return place(a) < place(b);
}

KeyEntry changed(const KeyNode* leaf, const PacketKey& key, const KeyChange& change) {
  auto claims = std::make_shared<Claims>();
  if (leaf != nullptr) {
    claims->all = static_cast<const Claims&>(*leaf->load).all;
    std::erase_if(claims->all, [&](const Claim& claim) {
      return std::ranges::find(change.gone, claim.service.get()) != change.gone.end();
    });
  }
  claims->all.insert(claims->all.end(), change.fresh.begin(), change.fresh.end());
  std::sort(claims->all.begin(), claims->all.end(), stands_before);
  KeyEntry entry{.key = key, .weight = 0, .load = nullptr};
  for (const Claim& claim : claims->all) {
    entry.weight += claim.rules;
  }
  entry.load = std::move(claims);
  return entry;
}

KeyTree tree_after(const KeyTree& tree, const std::map<PacketKey, KeyChange>& changes) {
  if (!tree) {  // all at once
    std::vector<KeyEntry> entries;
    entries.reserve(changes.size());
    for (const auto& [key, change] : changes) {
      entries.push_back(changed(nullptr, key, change));
    }
    std::erase_if(entries, [](const KeyEntry& entry) { return entry.weight == 0; });
    return make_tree(entries);
  }
  KeyTree next = tree;
  for (const auto& [key, change] : changes) {
    next = with(next, changed(find(next, key), key, change));
  }
  return next;
}

Rule jump_to(const ChainName& chain, const KeyPrefix& prefix) {
  Rule rule;
  add_conditions(prefix, rule);
  rule.target = Jump{chain};
  return rule;
}

/// Makes the chains of a Dispatch, or those that another one does not share.
class ChainMaker {
 public:
  ChainMaker(const Dispatch& dispatch, const Dispatch* other, const std::vector<Section>& shared)
      : dispatch_(dispatch), other_(other), shared_(shared) {}

  std::vector<DispatchChain> run() && {
    for (const Section& last : shared_) {
      if (other_ == nullptr || differs(last.chain)) {
        shared_chain(last);
      }
    }
    return std::move(made_);
  }

 private:
  bool differs(const ChainId& chain) const {
    for (std::size_t i = 0; i < kDispatchRoots; ++i) {
      if (is_root(i, chain) && dispatch_.trees[i] != other_->trees[i]) {
        return true;
      }
    }
    return false;
  }

  static bool is_root(std::size_t root, const ChainId& chain) {
    return kRoots[root].table == chain.table && kRoots[root].chain == chain.name.view();
  }

  void shared_chain(const Section& last) {
    DispatchChain chain{.id = last.chain, .parts = {}};
    for (std::size_t i = 0; i < kDispatchRoots; ++i) {
      if (is_root(i, last.chain) && dispatch_.trees[i]) {
        const KeyNode& node = *dispatch_.trees[i];
        const KeyNode* other = other_ != nullptr ? other_->trees[i].get() : nullptr;
        if (last.chain == kExternal && !kRoots[i].by_address && !is_flat(node)) {
          add_node_ports(chain, node, other);
        } else {
          add_content(chain, {.root = last.chain, .node = node, .other = other, .level = 0});
        }
      }
    }
    for (const Rule& rule : last.rules) {
      chain.parts.emplace_back(rule);
    }
    finish(std::move(chain));
  }

  /// Only packets to this node walk the tree of its ports.
  void add_node_ports(DispatchChain& chain, const KeyNode& node, const KeyNode* other) {
    Rule jump{.matches = {LocalAddress{LocalAddress::Side::kDestination}},
              .target = Jump{dispatch_chain(chain.id, node.prefix)}};
    make_chain({.root = chain.id, .node = node, .other = other, .level = 1});
    chain.parts.emplace_back(std::move(jump));
    ++chain.jumps;
  }

  /// A node of a tree, and what stands there in the tree of the other Dispatch.
  struct Place {
    ChainId root;  // the shared chain from which the tree is reached
    const KeyNode& node;
    const KeyNode* other;
    unsigned level;  // chains above it
  };

  /// The chain of a node, unless the other one has the same.
  void make_chain(const Place& place) {
    if (&place.node == place.other) {
      return;
    }
    const ChainName name = dispatch_chain(place.root, place.node.prefix);
    DispatchChain chain{.id = {place.root.table, name}, .parts = {}};
    add_content(chain, place);
    finish(std::move(chain));
  }

  void add_content(DispatchChain& chain, const Place& place) {
    const auto& [root, node, other, level] = place;
    if (is_flat(node)) {
      for (const KeyNode* leaf : leaves(node)) {
        add_claims(chain, *leaf);
      }
      return;
    }
    const Pieces bound = level + 1 < kDispatchLevels ? Pieces::kBounded : Pieces::kUnbounded;
    std::vector<const KeyNode*> theirs;
    if (other != nullptr && !is_flat(*other)) {
      theirs = pieces(*other, bound);
    }
    std::vector<const KeyNode*> single;
    for (const KeyNode* piece : pieces(node, bound)) {
      if (piece->weight == 1) {
        single.push_back(piece);
        continue;
      }
      const auto same = std::ranges::find(theirs, piece->prefix, &KeyNode::prefix);
      make_chain({.root = root,
                  .node = *piece,
                  .other = same == theirs.end() ? nullptr : *same,
                  .level = level + 1});
      chain.parts.emplace_back(jump_to(dispatch_chain(root, piece->prefix), piece->prefix));
      ++chain.jumps;
    }
    for (const KeyNode* leaf : single) {
      add_claims(chain, *leaf);
    }
  }

  static void add_claims(DispatchChain& chain, const KeyNode& leaf) {
    const auto& claims = static_cast<const Claims&>(*leaf.load).all;
    chain.parts.insert(chain.parts.end(), claims.begin(), claims.end());
  }

  void finish(DispatchChain chain) {
    ChainDigest content;
    for (const DispatchChain::Part& part : chain.parts) {
      if (const auto* claim = std::get_if<Claim>(&part)) {
        const auto& digests = claim->service->entries[claim->section].rules;
        for (std::uint32_t i = 0; i < claim->rules; ++i) {
          content.add(digests[claim->first + i]);
        }
        chain.rules += claim->rules;
      } else {
        content.add(digest(std::get<Rule>(part)));
        ++chain.rules;
      }
    }
    chain.content = content.value();
    made_.push_back(std::move(chain));
  }

  static inline const ChainId kExternal{Table::kFilter, ChainName(kExternalServicesChain)};

  const Dispatch& dispatch_;
  const Dispatch* other_;  // null: all chains are to be made
  const std::vector<Section>& shared_;
  std::vector<DispatchChain> made_;
};

}  // namespace

Dispatch updated(Dispatch dispatch,
                 const std::vector<std::shared_ptr<const CompiledService>>& gone,
                 const std::vector<std::shared_ptr<const CompiledService>>& fresh) {
  KeyChanges changes;
  for (const auto& service : gone) {
    for_each_claim(service, [&](std::size_t root, const PacketKey& key, const Claim&) {
      changes[root][key].gone.push_back(service.get());
    });
  }
  for (const auto& service : fresh) {
    for_each_claim(service, [&](std::size_t root, const PacketKey& key, Claim claim) {
      changes[root][key].fresh.push_back(std::move(claim));
    });
  }
  for (std::size_t i = 0; i < kDispatchRoots; ++i) {
    dispatch.trees[i] = tree_after(dispatch.trees[i], changes[i]);
  }
  return dispatch;
}

std::vector<DispatchChain> chains_of(const Dispatch& dispatch, const std::vector<Section>& shared) {
  return ChainMaker(dispatch, nullptr, shared).run();
}

std::vector<DispatchChain> chains_unlike(const Dispatch& dispatch,
                                         const Dispatch& other,
                                         const std::vector<Section>& shared) {
  return ChainMaker(dispatch, &other, shared).run();
}

}  // namespace rules
