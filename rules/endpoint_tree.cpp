#include "rules/endpoint_tree.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "rules/key_tree.h"
#include "rules/names.h"

namespace rules {

namespace {

class Spreader {
 public:
  Spreader(const ChainName& chain, const std::function<Rule(const SocketAddress&)>& rule_for)
      : chain_(chain), rule_for_(rule_for) {}

  std::vector<Rule> rules_of(const KeyNode& node, unsigned level) {
    const Pieces bound = level + 1 < kEndpointLevels ? Pieces::kBounded : Pieces::kUnbounded;
    const auto parts = is_flat(node) ? leaves(node) : pieces(node, bound);
    std::vector<Rule> rules;
    rules.reserve(parts.size());
    std::uint32_t left = node.weight;
    for (const KeyNode* part : parts) {
      Rule& rule = rules.emplace_back(rule_of(*part, level));
      if (part->weight < left) {
        rule.matches.emplace_back(share(part->weight, left));
      }
      left -= part->weight;
    }
    return rules;
  }

  std::vector<Section> take_chains() { return std::move(chains_); }

 private:
  Rule rule_of(const KeyNode& part, unsigned level) {
    if (part.is_leaf()) {
      return rule_for_(destination_of(part.prefix.key));
    }
    const ChainName name = dispatch_chain({Table::kNat, chain_}, part.prefix);
    std::vector<Rule> rules = rules_of(part, level + 1);
    chains_.push_back({{Table::kNat, name}, std::move(rules)});
    return Rule{.target = Jump{name}};
  }

  const ChainName& chain_;
  const std::function<Rule(const SocketAddress&)>& rule_for_;
  std::vector<Section> chains_;
};

KeyTree tree_of(std::span<const SocketAddress> endpoints) {
  std::vector<KeyEntry> entries;
  entries.reserve(endpoints.size());
  for (const SocketAddress& endpoint : endpoints) {
    entries.push_back({.key = packet_key(endpoint.address, Protocol::kTcp, endpoint.port)});
  }
  std::sort(entries.begin(), entries.end(), [](const KeyEntry& a, const KeyEntry& b) {
    return a.key < b.key;
  });
  std::vector<KeyEntry> distinct;
  for (KeyEntry& entry : entries) {
    if (!distinct.empty() && distinct.back().key == entry.key) {
      ++distinct.back().weight;
    } else {
      distinct.push_back(std::move(entry));
    }
  }
  return make_tree(distinct);
}

}  // namespace

Probability share(std::size_t k, std::size_t n) {
  const double text = std::round(1e10 * static_cast<double>(k) / static_cast<double>(n)) / 1e10;
  return {static_cast<std::uint32_t>(std::llround(text * 0x1p31))};
}

EndpointTree spread(const ChainName& chain,
                    std::span<const SocketAddress> endpoints,
                    const std::function<Rule(const SocketAddress&)>& rule_for) {
  EndpointTree tree;
  if (endpoints.size() <= kMostRules) {
    for (std::size_t i = 0; i < endpoints.size(); ++i) {
      Rule& rule = tree.rules.emplace_back(rule_for(endpoints[i]));
      if (i + 1 < endpoints.size()) {
        rule.matches.emplace_back(share(1, endpoints.size() - i));
      }
    }
    return tree;
  }
  Spreader spreader(chain, rule_for);
  tree.rules = spreader.rules_of(*tree_of(endpoints), 0);
  tree.chains = spreader.take_chains();
  return tree;
}

}  // namespace rules
