#include "rules/key_tree.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <queue>
#include <utility>

namespace rules {

namespace {

constexpr std::size_t kProtocolBits = 8;
constexpr std::size_t kPortBits = 16;

/// Each level of a tree takes this many of the pieces of the next one, about.
constexpr std::uint32_t kFactor = 8;

bool bit_of(const PacketKey& key, std::size_t bit) {
  return (key.bytes[bit / 8] >> (7 - bit % 8) & 1) != 0;
}

/// The number of leading bits that are equal; all of them if the keys are.
std::size_t common_bits(const PacketKey& a, const PacketKey& b) {
  std::size_t byte = 0;
  while (byte < a.size && a.bytes[byte] == b.bytes[byte]) {
    ++byte;
  }
  if (byte == a.size) {
    return std::size_t{8} * byte;
  }
  const auto differing = static_cast<std::uint8_t>(a.bytes[byte] ^ b.bytes[byte]);
  return 8 * byte + static_cast<std::size_t>(std::countl_zero(differing));
}

KeyPrefix prefix_of(PacketKey key, std::size_t bits) {
  for (std::size_t byte = 0; byte < key.size; ++byte) {
    const std::size_t kept = std::min<std::size_t>(bits - std::min(bits, 8 * byte), 8);
    key.bytes[byte] = static_cast<std::uint8_t>(key.bytes[byte] & (0xff00U >> kept));
  }
  return {key, static_cast<std::uint8_t>(bits)};
}

KeyTree leaf(const KeyEntry& entry) {
  return std::make_shared<const KeyNode>(
      KeyNode{.prefix = {entry.key, static_cast<std::uint8_t>(8 * entry.key.size)},
              .weight = entry.weight,
              .below = {},
              .load = entry.load});
}

/// Two trees whose keys have `bits` bits in common and differ in the next one.
KeyTree joined(KeyTree zeros, KeyTree ones, std::size_t bits) {
  KeyNode node{.prefix = prefix_of(zeros->prefix.key, bits),
               .weight = zeros->weight + ones->weight,
               .below = {},
               .load = {}};
  node.below = {std::move(zeros), std::move(ones)};
  return std::make_shared<const KeyNode>(std::move(node));
}

/// Heaviest first; of equals, the lowest keys.
struct Later {
  bool operator()(const KeyNode* a, const KeyNode* b) const {
    return a->weight != b->weight ? a->weight < b->weight : a->prefix > b->prefix;
  }
};

std::uint32_t heaviest_piece(std::uint32_t weight) {
  std::uint32_t bound = kMostRules;
  while (weight / kFactor > bound || (weight / kFactor == bound && weight % kFactor != 0)) {
    bound *= kFactor;
  }
  return bound;
}

void collect_leaves(const KeyNode& node, std::vector<const KeyNode*>& found) {
  if (node.is_leaf()) {
    found.push_back(&node);
    return;
  }
  for (const KeyTree& part : node.below) {
    collect_leaves(*part, found);
  }
}

}  // namespace

PacketKey packet_key(const std::optional<IpAddress>& address,
                     Protocol protocol,
                     std::uint16_t port) {
  PacketKey key;
  if (address) {
    const auto bytes = address->bytes();
    std::copy(bytes.begin(), bytes.end(), key.bytes.begin());
    key.size = static_cast<std::uint8_t>(bytes.size());
  }
  key.bytes[key.size++] = static_cast<std::uint8_t>(protocol);
  key.bytes[key.size++] = static_cast<std::uint8_t>(port >> 8);
  key.bytes[key.size++] = static_cast<std::uint8_t>(port & 0xff);
  return key;
}

SocketAddress destination_of(const PacketKey& key) {
  assert(key.has_address());
  const std::size_t length = key.size - std::size_t{3};
  return {IpAddress::from_bytes(std::span(key.bytes).first(length)),
          static_cast<std::uint16_t>(key.bytes[length + 1] << 8 | key.bytes[length + 2])};
}

void add_conditions(const KeyPrefix& prefix, Rule& rule) {
  const std::size_t address_bits = prefix.key.size * std::size_t{8} - kProtocolBits - kPortBits;
  const auto bytes = std::span(prefix.key.bytes);
  if (address_bits > 0 && prefix.bits > 0) {
    rule.destination = Negatable<Cidr>{
        {IpAddress::from_bytes(bytes.first(address_bits / 8)),
         static_cast<std::uint8_t>(std::min<std::size_t>(prefix.bits, address_bits))}};
  }
  if (prefix.bits < address_bits + kProtocolBits) {
    return;
  }
  const auto protocol = static_cast<Protocol>(bytes[address_bits / 8]);
  rule.protocol = protocol;
  const std::size_t open = address_bits + kProtocolBits + kPortBits - prefix.bits;
  if (open == kPortBits) {
    return;
  }
  const auto* port = &bytes[address_bits / 8 + 1];
  const auto first = static_cast<std::uint16_t>(port[0] << 8 | port[1]);
  const auto last = static_cast<std::uint16_t>(first | ((1U << open) - 1));
  if (first == last) {
    rule.matches.emplace_back(TransportPort{protocol, first});
  } else {
    rule.matches.emplace_back(PortRange{protocol, first, last});
  }
}

KeyTree make_tree(std::span<const KeyEntry> entries) {
  if (entries.empty()) {
    return nullptr;
  }
  if (entries.size() == 1) {
    return leaf(entries.front());
  }
  const std::size_t bits = common_bits(entries.front().key, entries.back().key);
  const auto ones = std::partition_point(
      entries.begin(), entries.end(), [&](const KeyEntry& e) { return !bit_of(e.key, bits); });
  const auto split = static_cast<std::size_t>(ones - entries.begin());
  return joined(make_tree(entries.first(split)), make_tree(entries.subspan(split)), bits);
}

KeyTree with(const KeyTree& tree, const KeyEntry& entry) {
  if (!tree) {
    return entry.weight == 0 ? nullptr : leaf(entry);
  }
  const std::size_t common =
      std::min<std::size_t>(common_bits(tree->prefix.key, entry.key), tree->prefix.bits);
  if (common < tree->prefix.bits) {
    if (entry.weight == 0) {
      return tree;
    }
    const bool one = bit_of(entry.key, common);
    return one ? joined(tree, leaf(entry), common) : joined(leaf(entry), tree, common);
  }
  if (tree->is_leaf()) {
    return entry.weight == 0 ? nullptr : leaf(entry);
  }
  const std::size_t side = bit_of(entry.key, tree->prefix.bits) ? 1 : 0;
  KeyTree part = with(tree->below[side], entry);
  if (part == tree->below[side]) {
    return tree;
  }
  if (!part) {
    return tree->below[1 - side];
  }
  return side == 1 ? joined(tree->below[0], std::move(part), tree->prefix.bits)
                   : joined(std::move(part), tree->below[1], tree->prefix.bits);
}

const KeyNode* find(const KeyTree& tree, const PacketKey& key) {
  const KeyNode* node = tree.get();
  while (node != nullptr && !node->is_leaf()) {
    node = node->below[bit_of(key, node->prefix.bits) ? 1 : 0].get();
  }
  return node != nullptr && node->prefix.key == key ? node : nullptr;
}

std::vector<const KeyNode*> leaves(const KeyNode& node) {
  std::vector<const KeyNode*> found;
  collect_leaves(node, found);
  return found;
}

bool is_flat(const KeyNode& node) {
  return node.weight <= kMostRules || node.is_leaf();
}

std::vector<const KeyNode*> pieces(const KeyNode& node, Pieces bound) {
  const bool bounded = bound == Pieces::kBounded;
  const std::uint32_t light = bounded ? heaviest_piece(node.weight) : kMostRules;
  std::priority_queue<const KeyNode*, std::vector<const KeyNode*>, Later> open;
  std::vector<const KeyNode*> done;
  open.push(&node);
  while (!open.empty() && open.top()->weight > light &&
         !(bounded && open.size() + done.size() >= kMostRules)) {
    const KeyNode* heaviest = open.top();
    open.pop();
    if (heaviest->is_leaf()) {
      done.push_back(heaviest);
      continue;
    }
    for (const KeyTree& part : heaviest->below) {
      open.push(part.get());
    }
  }
  for (; !open.empty(); open.pop()) {
    done.push_back(open.top());
  }
  std::sort(done.begin(), done.end(), [](const KeyNode* a, const KeyNode* b) {
    return a->prefix < b->prefix;
  });
  return done;
}

}  // namespace rules
