#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "rules/rule.h"

namespace rules {

/// The bits of a packet that rules of Services look at: destination address, protocol, destination
/// port, in this order. A key without an address has the other two alone.
struct PacketKey {
  std::array<std::uint8_t, 19> bytes{};
  std::uint8_t size = 0;  // 3, 7 (IPv4) or 19 (IPv6) bytes

  bool has_address() const { return size > 3; }

  auto operator<=>(const PacketKey&) const = default;
};

PacketKey packet_key(const std::optional<IpAddress>& address,
                     Protocol protocol,
                     std::uint16_t port);

/// Of a key with an address.
SocketAddress destination_of(const PacketKey& key);

/// The first bits of a key.
struct KeyPrefix {
  PacketKey key;  // the bits behind the prefix are zero
  std::uint8_t bits = 0;

  auto operator<=>(const KeyPrefix&) const = default;
};

/// Adds the conditions of the prefix to a rule. Iptables has no words for a part of the protocols:
/// a prefix that ends there asks for the address alone.
void add_conditions(const KeyPrefix& prefix, Rule& rule);

/// What hangs on a key; its meaning is its owner's.
struct KeyLoad {
  virtual ~KeyLoad() = default;
};

struct KeyNode;

/// A set of keys, each with its weight. A value: a binary tree over the bits in which keys differ
/// (Patricia), whose form depends on the keys alone and never on the order in which they came.
/// Nodes are immutable and shared between versions, so that equal pointers mean equal content and a
/// change makes as many new nodes as the tree is deep. Null: no keys.
using KeyTree = std::shared_ptr<const KeyNode>;

struct KeyNode {
  KeyPrefix prefix;                     // of all keys below; the key itself in a leaf
  std::uint32_t weight = 0;             // of all keys below
  std::array<KeyTree, 2> below;         // by the first bit behind the prefix; null in a leaf
  std::shared_ptr<const KeyLoad> load;  // of a leaf

  bool is_leaf() const { return below[0] == nullptr; }
};

/// A key, how many rules it takes, and what hangs on it.
struct KeyEntry {
  PacketKey key;
  std::uint32_t weight = 1;
  std::shared_ptr<const KeyLoad> load;
};

/// The tree of these entries, which are sorted by key and distinct. All keys of a tree have the
/// same size.
KeyTree make_tree(std::span<const KeyEntry> entries);

/// The tree with this entry in place of the one with its key, if any; without it if the weight is
/// zero.
KeyTree with(const KeyTree& tree, const KeyEntry& entry);

/// The leaf of that key, or null.
const KeyNode* find(const KeyTree& tree, const PacketKey& key);

/// All leaves below, in the order of their keys.
std::vector<const KeyNode*> leaves(const KeyNode& node);

/// Up to this weight the rules of all keys below a node stand in one chain; and no chain has more
/// jumps into pieces of it.
inline constexpr std::uint32_t kMostRules = 16;

/// Whether the rules of all keys below stand in one chain: few, or of one key.
bool is_flat(const KeyNode& node);

/// Whether a chain's number of pieces is bounded. It is not in the last level of a tree.
enum class Pieces : std::uint8_t { kBounded, kUnbounded };

/// The pieces into which the chain of a node that is not flat falls, in the order of their keys:
/// each a node below, and together all keys. Nodes are split, the heaviest first (of equals, the
/// one with the lowest keys), until none is heavier than the greatest 16·8^n below the weight of
/// all (unbounded: than 16), or there are 16. Because the bound is one of a few fixed weights, one
/// key more changes which nodes are pieces only where a weight steps over one of them: then one
/// chain becomes two.
std::vector<const KeyNode*> pieces(const KeyNode& node, Pieces bound);

}  // namespace rules
