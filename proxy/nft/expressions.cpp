#include "proxy/nft/expressions.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <variant>

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>

#include "proxy/nft/address_places.h"
#include "rules/iptc_entry.h"
#include "rules/protocol_number.h"

namespace proxy {

namespace {

using Bytes = NftMessages::Bytes;
using rules::Rule;

template <typename T>
std::array<std::uint8_t, sizeof(T)> bytes_of(const T& value) {
  std::array<std::uint8_t, sizeof(T)> bytes;
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// The ports of TCP and UDP alone are expressions of nftables.
bool is_native(const rules::Match& match) {
  const auto* port = std::get_if<rules::TransportPort>(&match);
  const auto* range = std::get_if<rules::PortRange>(&match);
  return std::holds_alternative<rules::MarkMatch>(match) ||
         (port != nullptr && port->destination && port->protocol != rules::Protocol::kSctp) ||
         (range != nullptr && range->protocol != rules::Protocol::kSctp);
}

/// The code of a verdict; nothing for the other targets.
std::optional<int> verdict_of(const rules::Target& target) {
  if (std::holds_alternative<rules::Accept>(target)) {
    return NF_ACCEPT;
  }
  if (std::holds_alternative<rules::Drop>(target)) {
    return NF_DROP;
  }
  if (std::holds_alternative<rules::Return>(target)) {
    return NFT_RETURN;
  }
  if (std::holds_alternative<rules::Jump>(target)) {
    return NFT_JUMP;
  }
  return std::nullopt;
}

/// Writes one rule, condition by condition. What is loaded goes through the one register that
/// iptables uses.
class ExpressionWriter {
 public:
  ExpressionWriter(NftMessages& out, rules::Family family) : out_(out), family_(family) {}

  void conditions(const Rule& rule) {
    if (rule.in_interface) {
      interface(rule.in_interface->value, rule.in_interface->negated);
    }
    if (rule.protocol) {
      load_meta(NFT_META_L4PROTO);
      compare(bytes_of(number_of(*rule.protocol)), false);
    }
    const AddressPlaces places = address_places(family_);
    address(rule.source, places.source, places.size);
    address(rule.destination, places.destination, places.size);
  }

  void extension(const rules::Match& match, const rules::ExtensionBytes& bytes) {
    if (!is_native(match)) {
      compat("match", bytes, {NFTA_MATCH_NAME, NFTA_MATCH_REV, NFTA_MATCH_INFO});
    } else if (const auto* port = std::get_if<rules::TransportPort>(&match)) {
      load_destination_port();
      compare(bytes_of(htons(*port->destination)), false);
    } else if (const auto* ports = std::get_if<rules::PortRange>(&match)) {
      load_destination_port();
      compare_range(bytes_of(htons(ports->first)), bytes_of(htons(ports->last)));
    } else {
      mark(std::get<rules::MarkMatch>(match));
    }
  }

  void counter() {
    expression("counter", [&] {
      out_.put_long(NFTA_COUNTER_BYTES, 0);
      out_.put_long(NFTA_COUNTER_PACKETS, 0);
    });
  }

  void target(const rules::Target& target, const rules::ExtensionBytes& bytes) {
    if (const auto verdict = verdict_of(target)) {
      const auto* jump = std::get_if<rules::Jump>(&target);
      immediate(*verdict, jump != nullptr ? jump->chain.view() : std::string_view());
    } else if (!std::holds_alternative<rules::FallThrough>(target)) {
      compat("target", bytes, {NFTA_TARGET_NAME, NFTA_TARGET_REV, NFTA_TARGET_INFO});
    }
  }

 private:
  struct CompatAttributes {
    int name;
    int revision;
    int info;
  };

  template <typename Fill>
  void expression(std::string_view name, Fill fill) {
    const auto element = out_.begin_nest(NFTA_LIST_ELEM);
    out_.put(NFTA_EXPR_NAME, name);
    const auto data = out_.begin_nest(NFTA_EXPR_DATA);
    fill();
    out_.end_nest(data);
    out_.end_nest(element);
  }

  void put_value(int attribute, Bytes value) {
    const auto data = out_.begin_nest(attribute);
    out_.put(NFTA_DATA_VALUE, value);
    out_.end_nest(data);
  }

  void load_meta(std::uint32_t key) {
    expression("meta", [&] {
      out_.put(NFTA_META_KEY, key);
      out_.put(NFTA_META_DREG, NFT_REG_1);
    });
  }

  void load_payload(std::uint32_t base, std::uint32_t offset, std::size_t size) {
    expression("payload", [&] {
      out_.put(NFTA_PAYLOAD_DREG, NFT_REG_1);
      out_.put(NFTA_PAYLOAD_BASE, base);
      out_.put(NFTA_PAYLOAD_OFFSET, offset);
      out_.put(NFTA_PAYLOAD_LEN, static_cast<std::uint32_t>(size));
    });
  }

  void load_destination_port() {
    constexpr std::uint32_t kDestinationPort = 2;
    load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, kDestinationPort, sizeof(std::uint16_t));
  }

  void mask(Bytes bits) {
    constexpr std::array<std::uint8_t, 16> kZeros{};
    expression("bitwise", [&] {
      out_.put(NFTA_BITWISE_SREG, NFT_REG_1);
      out_.put(NFTA_BITWISE_DREG, NFT_REG_1);
      out_.put(NFTA_BITWISE_LEN, static_cast<std::uint32_t>(bits.size()));
      put_value(NFTA_BITWISE_MASK, bits);
      put_value(NFTA_BITWISE_XOR, Bytes(kZeros).first(bits.size()));
    });
  }

  void compare(Bytes value, bool negated) { compare(value, negated ? NFT_CMP_NEQ : NFT_CMP_EQ); }

  void compare(Bytes value, nft_cmp_ops operation) {
    expression("cmp", [&] {
      out_.put(NFTA_CMP_SREG, NFT_REG_1);
      out_.put(NFTA_CMP_OP, static_cast<std::uint32_t>(operation));
      put_value(NFTA_CMP_DATA, value);
    });
  }

  /// As iptables: a range that begins at 0 has an upper bound only.
  void compare_range(Bytes first, Bytes last) {
    if (std::ranges::all_of(first, [](std::uint8_t byte) { return byte == 0; })) {
      compare(last, NFT_CMP_LTE);
      return;
    }
    expression("range", [&] {
      out_.put(NFTA_RANGE_SREG, NFT_REG_1);
      out_.put(NFTA_RANGE_OP, NFT_RANGE_EQ);
      put_value(NFTA_RANGE_FROM_DATA, first);
      put_value(NFTA_RANGE_TO_DATA, last);
    });
  }

  /// A name that ends in "+" is compared without it, any other one with its terminating zero.
  void interface(std::string_view name, bool negated) {
    if (name == "+" && !negated) {
      return;
    }
    load_meta(NFT_META_IIFNAME);
    if (name == "+") {
      constexpr std::string_view kNone("INVAL/D\0", 8);  // as iptables: no interface is called so
      compare(bytes_of(kNone), false);
    } else if (name.ends_with('+')) {
      compare(bytes_of(name.substr(0, name.size() - 1)), negated);
    } else {
      compare(bytes_of(std::string_view(std::string(name).c_str(), name.size() + 1)), negated);
    }
  }

  /// Whole bytes are compared as such, other prefixes under a mask.
  void address(const std::optional<rules::Negatable<rules::Cidr>>& condition,
               std::uint32_t place,
               std::size_t size) {
    if (!condition || (condition->value.prefix_length == 0 && !condition->negated)) {
      return;
    }
    const rules::Cidr& network = condition->value;
    const Bytes all = network.address.bytes();
    if (network.prefix_length % 8 == 0) {
      const std::size_t compared = network.prefix_length / 8;
      load_payload(NFT_PAYLOAD_NETWORK_HEADER, place, compared);
      compare(all.first(compared), condition->negated);
      return;
    }
    std::array<std::uint8_t, 16> bits{};
    for (std::size_t i = 0; i < network.prefix_length; ++i) {
      bits[i / 8] = static_cast<std::uint8_t>(bits[i / 8] | (0x80U >> (i % 8)));
    }
    load_payload(NFT_PAYLOAD_NETWORK_HEADER, place, size);
    mask(Bytes(bits).first(size));
    compare(all, condition->negated);
  }

  void mark(const rules::MarkMatch& match) {
    load_meta(NFT_META_MARK);
    if (match.mask != 0xffffffff) {
      mask(bytes_of(match.mask));
    }
    compare(bytes_of(match.value), match.negated);
  }

  void compat(std::string_view kind,
              const rules::ExtensionBytes& bytes,
              const CompatAttributes& attributes) {
    expression(kind, [&] {
      out_.put(attributes.name, bytes.name);
      out_.put(attributes.revision, static_cast<std::uint32_t>(bytes.revision));
      out_.put(attributes.info, bytes.data);
    });
  }

  void immediate(int verdict, std::string_view chain) {
    expression("immediate", [&] {
      out_.put(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
      const auto data = out_.begin_nest(NFTA_IMMEDIATE_DATA);
      const auto code = out_.begin_nest(NFTA_DATA_VERDICT);
      out_.put(NFTA_VERDICT_CODE, static_cast<std::uint32_t>(verdict));
      if (!chain.empty()) {
        out_.put(NFTA_VERDICT_CHAIN, chain);
      }
      out_.end_nest(code);
      out_.end_nest(data);
    });
  }

  NftMessages& out_;
  rules::Family family_;
};

}  // namespace

void put_rule(NftMessages& out, const Rule& rule, rules::Family family) {
  std::vector<std::uint8_t> entry(rules::entry_size(rule, family));
  rules::encode(rule, family, entry);
  ExpressionWriter writer(out, family);
  const auto expressions = out.begin_nest(NFTA_RULE_EXPRESSIONS);
  writer.conditions(rule);
  auto match = rule.matches.begin();
  rules::for_each_extension(entry, family, [&](const rules::ExtensionBytes& bytes) {
    if (match != rule.matches.end()) {
      writer.extension(*match++, bytes);
    } else {
      writer.counter();
      writer.target(rule.target, bytes);
    }
  });
  out.end_nest(expressions);
  const auto compat = out.begin_nest(NFTA_RULE_COMPAT);
  out.put(NFTA_RULE_COMPAT_PROTO,
          std::uint32_t{rule.protocol ? number_of(*rule.protocol) : std::uint8_t{0}});
  out.put(NFTA_RULE_COMPAT_FLAGS, std::uint32_t{0});
  out.end_nest(compat);
}

}  // namespace proxy
