#include "rules/ruleset.h"

#include <array>
#include <bit>
#include <cstring>
#include <string_view>

namespace rules {

namespace {

std::uint64_t mixed(std::uint64_t state, std::uint64_t value) {
  return (std::rotl(state, 23) ^ value) * 0x9fb21c651e98df25ULL;
}

std::uint64_t finished(std::uint64_t state) {
  state ^= state >> 32;
  state *= 0xd6e8feb86659fd93ULL;
  state ^= state >> 32;
  return state == 0 ? 1 : state;  // 0 means kUnknown
}

/// Feeds a rule's content into 64 bits. Lengths and variant positions go in first, so that no two
/// rules share input.
class RuleHasher {
 public:
  void number(std::uint64_t value) { state_ = mixed(state_, value); }

  void text(std::string_view text) {
    number(text.size());
    while (text.size() >= 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, text.data(), 8);
      number(word);
      text.remove_prefix(8);
    }
    std::uint64_t word = 0;
    if (!text.empty()) {
      std::memcpy(&word, text.data(), text.size());
      number(word);
    }
  }

  void address(const IpAddress& address) {
    const auto bytes = address.bytes();
    std::array<std::uint64_t, 2> words{};
    std::memcpy(words.data(), bytes.data(), bytes.size());
    number(bytes.size());
    number(words[0]);
    number(words[1]);
  }

  void network(const std::optional<Negatable<Cidr>>& network) {
    number(network ? 1U + (network->negated ? 1U : 0U) : 0U);
    if (network) {
      number(network->value.prefix_length);
      address(network->value.address);
    }
  }

  void operator()(const Comment& match) { text(match.text); }

  void operator()(const TransportPort& match) {
    number(static_cast<std::uint64_t>(match.protocol));
    number(match.destination ? std::uint64_t{*match.destination} + 1 : 0);
  }

  void operator()(const PortRange& match) {
    number(static_cast<std::uint64_t>(match.protocol));
    number(std::uint64_t{match.first} << 16 | match.last);
  }

  void operator()(const SourceIsDestination& /*match*/) {}

  void operator()(const ConnectionState& match) {
    number(std::uint64_t{match.states} * 2 + (match.negated ? 1 : 0));
  }

  void operator()(const MarkMatch& match) {
    number(std::uint64_t{match.value} << 32 | match.mask);
    number(match.negated ? 1 : 0);
  }

  void operator()(const LocalAddress& match) { number(static_cast<std::uint64_t>(match.side)); }

  void operator()(const Probability& match) { number(match.threshold); }

  void operator()(const Recent& match) {
    number(static_cast<std::uint64_t>(match.action));
    number(match.seconds);
    text(match.list.view());
  }

  void operator()(const AccountingObject& match) { text(match.name); }

  void operator()(const OtherMatch& match) { text(match.text); }

  void operator()(const FallThrough& /*target*/) {}

  void operator()(const Accept& /*target*/) {}

  void operator()(const Drop& /*target*/) {}

  void operator()(const Return& /*target*/) {}

  void operator()(const Reject& /*target*/) {}

  void operator()(const Jump& target) { text(target.chain.view()); }

  void operator()(const SetMark& target) {
    number(std::uint64_t{target.value} << 32 | target.mask);
  }

  void operator()(const Masquerade& target) { number(target.random_fully ? 1 : 0); }

  void operator()(const Dnat& target) {
    address(target.destination.address);
    number(target.destination.port);
  }

  void operator()(const OtherTarget& target) { text(target.text); }

  std::uint64_t value() const { return finished(state_); }

 private:
  std::uint64_t state_ = 0x243f6a8885a308d3ULL;
};

}  // namespace

Digest digest(const Rule& rule) {
  RuleHasher hasher;
  hasher.network(rule.source);
  hasher.network(rule.destination);
  hasher.number(rule.in_interface ? 1U + (rule.in_interface->negated ? 1U : 0U) : 0U);
  if (rule.in_interface) {
    hasher.text(rule.in_interface->value);
  }
  hasher.number(rule.protocol ? static_cast<std::uint64_t>(*rule.protocol) + 1 : 0);
  hasher.number(rule.matches.size());
  for (const Match& match : rule.matches) {
    hasher.number(match.index());
    std::visit(hasher, match);
  }
  hasher.number(rule.target.index());
  std::visit(hasher, rule.target);
  return Digest{hasher.value()};
}

void ChainDigest::add(Digest rule) {
  state_ = mixed(state_, static_cast<std::uint64_t>(rule));
}

Digest ChainDigest::value() const {
  return Digest{finished(state_)};
}

Digest digest(std::span<const Rule> rules) {
  ChainDigest chain;
  for (const Rule& rule : rules) {
    chain.add(digest(rule));
  }
  return chain.value();
}

}  // namespace rules
