#include "rules/key_tree.h"

#include <algorithm>
#include <functional>
#include <random>

#include <catch2/catch.hpp>

using namespace rules;

namespace {

using Keys = std::vector<PacketKey>;

PacketKey key_at(std::uint32_t address, std::uint16_t port = 80) {
  const std::array<std::uint8_t, 4> bytes{static_cast<std::uint8_t>(address >> 24),
                                          static_cast<std::uint8_t>(address >> 16),
                                          static_cast<std::uint8_t>(address >> 8),
                                          static_cast<std::uint8_t>(address)};
  return packet_key(IpAddress::from_bytes(bytes), Protocol::kTcp, port);
}

Keys random_keys(std::mt19937& random, std::size_t count, std::uint32_t spread) {
  Keys keys;
  while (keys.size() < count) {
    const PacketKey key = key_at(0x0a600000U + static_cast<std::uint32_t>(random()) % spread);
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      keys.push_back(key);
    }
  }
  return keys;
}

KeyTree built(Keys keys) {
  std::sort(keys.begin(), keys.end());
  std::vector<KeyEntry> entries;
  for (const PacketKey& key : keys) {
    entries.push_back({.key = key});
  }
  return make_tree(entries);
}

KeyTree grown(const Keys& keys, KeyTree tree = nullptr) {
  for (const PacketKey& key : keys) {
    tree = with(tree, {.key = key});
  }
  return tree;
}

bool same_form(const KeyTree& a, const KeyTree& b) {
  if (!a || !b) {
    return !a && !b;
  }
  return a->prefix == b->prefix && a->weight == b->weight && same_form(a->below[0], b->below[0]) &&
         same_form(a->below[1], b->below[1]);
}

std::string conditions(const KeyPrefix& prefix, Family family) {
  Rule rule;
  add_conditions(prefix, rule);
  std::string text = rule.destination ? to_string(rule.destination->value) : "";
  text += rule.protocol ? " " + std::string(to_string(*rule.protocol)) : "";
  for (const Match& match : rule.matches) {
    if (const auto* port = std::get_if<TransportPort>(&match)) {
      text += " " + std::to_string(*port->destination);
    } else if (const auto* ports = std::get_if<PortRange>(&match)) {
      text += " " + std::to_string(ports->first) + ":" + std::to_string(ports->last);
    }
  }
  CHECK((!rule.destination || rule.destination->value.address.family() == family));
  return text;
}

KeyPrefix first_bits(const PacketKey& key, std::uint8_t bits) {
  KeyPrefix prefix{key, bits};
  for (std::size_t bit = bits; bit < std::size_t{8} * key.size; ++bit) {
    prefix.key.bytes[bit / 8] =
        static_cast<std::uint8_t>(prefix.key.bytes[bit / 8] & ~(0x80U >> bit % 8));
  }
  return prefix;
}

}  // namespace

TEST_CASE("key tree: the same keys make the same tree, in whatever order they come and go",
          "[rules][dispatch]") {
  const auto seed = GENERATE(range(0U, 30U));
  CAPTURE(seed);
  std::mt19937 random(seed);
  const Keys keys = random_keys(random, 1 + random() % 300, seed % 2 == 0 ? 512 : 1U << 20);
  Keys more = random_keys(random, 50, 1U << 20);
  std::erase_if(more, [&](const PacketKey& key) {
    return std::find(keys.begin(), keys.end(), key) != keys.end();
  });
  Keys shuffled = keys;
  shuffled.insert(shuffled.end(), more.begin(), more.end());
  std::shuffle(shuffled.begin(), shuffled.end(), random);

  KeyTree tree = grown(shuffled);
  std::shuffle(more.begin(), more.end(), random);
  for (const PacketKey& key : more) {
    tree = with(tree, {.key = key, .weight = 0});
  }

  CHECK(same_form(tree, built(keys)));
  CHECK(leaves(*tree).size() == keys.size());
  for (const PacketKey& key : keys) {
    CHECK(find(tree, key) != nullptr);
  }
  CHECK(find(tree, key_at(1)) == nullptr);
}

TEST_CASE("key tree: what does not change is shared with the version before", "[rules][dispatch]") {
  std::mt19937 random(1);
  const KeyTree before = built(random_keys(random, 1000, 1U << 20));

  CHECK(with(before, {.key = key_at(1), .weight = 0}) == before);
  const KeyTree after = with(before, {.key = key_at(1)});

  std::size_t fresh = 0;
  std::vector<KeyTree> open{after};
  const auto all = [&](const KeyTree& tree) {
    std::vector<const KeyNode*> nodes;
    std::vector<const KeyNode*> next{tree.get()};
    while (!next.empty()) {
      nodes.push_back(next.back());
      next.pop_back();
      for (const KeyTree& part : nodes.back()->below) {
        if (part) {
          next.push_back(part.get());
        }
      }
    }
    std::sort(nodes.begin(), nodes.end());
    return nodes;
  };
  const auto old = all(before);
  for (const KeyNode* node : all(after)) {
    fresh += std::binary_search(old.begin(), old.end(), node) ? 0U : 1U;
  }
  CHECK(fresh <= 2 + 20);  // the leaf, and one node for each bit in which keys differ
}

TEST_CASE("key tree: pieces are all of a node, and none is too heavy or there are 16",
          "[rules][dispatch]") {
  const auto count = GENERATE(values<std::size_t>({17, 128, 129, 1000, 5000}));
  const auto spread = GENERATE(values<std::uint32_t>({8192, 1U << 30}));
  CAPTURE(count, spread);
  std::mt19937 random(static_cast<unsigned>(count));
  const KeyTree tree = built(random_keys(random, count, spread));

  for (const Pieces bound : {Pieces::kBounded, Pieces::kUnbounded}) {
    const auto parts = pieces(*tree, bound);
    std::uint32_t weight = 0;
    std::uint32_t heaviest = 0;
    for (const KeyNode* part : parts) {
      weight += part->weight;
      heaviest = std::max(heaviest, part->weight);
    }
    CHECK(weight == tree->weight);
    CHECK(heaviest < tree->weight);
    if (bound == Pieces::kBounded) {
      CHECK(parts.size() <= kMostRules);
    } else {
      CHECK(heaviest <= kMostRules);
    }
    CHECK(std::is_sorted(parts.begin(), parts.end(), [](const auto* a, const auto* b) {
      return a->prefix < b->prefix;
    }));
  }
}

TEST_CASE("key tree: the conditions of a prefix are a network, then a protocol, then ports",
          "[rules][dispatch]") {
  const PacketKey key = packet_key(IpAddress::parse("10.96.5.7"), Protocol::kUdp, 30012);
  CHECK(conditions(first_bits(key, 0), Family::kIpv4).empty());
  CHECK(conditions(first_bits(key, 20), Family::kIpv4) == "10.96.0.0/20");
  CHECK(conditions(first_bits(key, 32), Family::kIpv4) == "10.96.5.7/32");
  CHECK(conditions(first_bits(key, 39), Family::kIpv4) == "10.96.5.7/32");  // no words for it
  CHECK(conditions(first_bits(key, 40), Family::kIpv4) == "10.96.5.7/32 udp");
  CHECK(conditions(first_bits(key, 50), Family::kIpv4) == "10.96.5.7/32 udp 29952:30015");
  CHECK(conditions(first_bits(key, 56), Family::kIpv4) == "10.96.5.7/32 udp 30012");

  const PacketKey long_key = packet_key(IpAddress::parse("fd00::7"), Protocol::kTcp, 80);
  CHECK(conditions(first_bits(long_key, 112), Family::kIpv6) == "fd00::/112");
  CHECK(conditions(first_bits(long_key, 136), Family::kIpv6) == "fd00::7/128 tcp");

  const PacketKey port = packet_key(std::nullopt, Protocol::kSctp, 30012);
  CHECK(conditions(first_bits(port, 8), Family::kIpv4) == " sctp");
  CHECK(conditions(first_bits(port, 16), Family::kIpv4) == " sctp 29952:30207");
  CHECK(destination_of(key) == SocketAddress{*IpAddress::parse("10.96.5.7"), 30012});
}
