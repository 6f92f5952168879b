#include "proxy/nft/rule.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include "proxy/nft/address_places.h"
#include "proxy/nft/attributes.h"
#include "rules/iptc_entry.h"
#include "rules/protocol_number.h"

namespace proxy {

namespace {

using rules::OtherMatch;
using rules::OtherTarget;
using rules::Rule;
using Bytes = NftAttributes::Bytes;

/// One expression of a rule; its name is empty if it has none.
struct Expression {
  std::string_view name;
  NftAttributes data;
};

/// Calls `visit` for each expression of the rule, in their order.
template <typename Visit>
void for_each_expression(const nlmsghdr* rule, Visit visit) {
  NftAttributes(rule)
      .nest(NFTA_RULE_EXPRESSIONS)
      .for_each(NFTA_LIST_ELEM, [&](const NftAttributes& expression) {
        visit(Expression{.name = expression.text(NFTA_EXPR_NAME).value_or(""),
                         .data = expression.nest(NFTA_EXPR_DATA)});
      });
}

/// The bytes that an expression compares with, or the like.
Bytes value_of(const Expression& expression, int attribute) {
  return expression.data.nest(attribute).bytes(NFTA_DATA_VALUE);
}

NftAttributes verdict_of(const Expression& expression) {
  return expression.data.nest(NFTA_IMMEDIATE_DATA).nest(NFTA_DATA_VERDICT);
}

std::uint32_t word_in(Bytes bytes) {
  std::uint32_t word = 0;
  std::memcpy(&word, bytes.data(), std::min(bytes.size(), sizeof word));
  return word;
}

/// What was loaded to be compared: the register of nftables, as iptables-nft uses it.
struct Operand {
  enum class Kind : std::uint8_t { kUnknown, kMeta, kNetwork, kTransport };
  Kind kind = Kind::kUnknown;
  std::uint32_t place = 0;  // the key of kMeta (NFT_META_*), otherwise the offset in the header
  std::size_t size = 0;     // bytes; not of kMeta
  Bytes mask;               // empty if all bits count
};

Operand load_payload(const Expression& payload) {
  const auto base = payload.data.number(NFTA_PAYLOAD_BASE);
  const auto offset = payload.data.number(NFTA_PAYLOAD_OFFSET);
  const auto size = payload.data.number(NFTA_PAYLOAD_LEN);
  if (!base || !offset || !size) {
    return {};
  }
  return {.kind = *base == NFT_PAYLOAD_NETWORK_HEADER     ? Operand::Kind::kNetwork
                  : *base == NFT_PAYLOAD_TRANSPORT_HEADER ? Operand::Kind::kTransport
                                                          : Operand::Kind::kUnknown,
          .place = *offset,
          .size = *size};
}

Operand load_meta(const Expression& meta) {
  const auto key = meta.data.number(NFTA_META_KEY);
  return key ? Operand{.kind = Operand::Kind::kMeta, .place = *key} : Operand{};
}

/// Of the packet, or of what goes with it.
bool is_write(const Expression& expression) {
  return (expression.name == "payload" && expression.data.contains(NFTA_PAYLOAD_SREG)) ||
         (expression.name == "meta" && expression.data.contains(NFTA_META_SREG));
}

/// A prefix of whole bytes is compared as such, another one under a mask.
std::optional<rules::Cidr> network_in(const Operand& operand, Bytes value, std::size_t size) {
  std::array<std::uint8_t, 16> address{};
  if (operand.size > size || value.size() < operand.size) {
    return std::nullopt;
  }
  std::copy_n(value.begin(), operand.size, address.begin());
  const Bytes whole(address.data(), size);
  if (operand.mask.empty()) {
    return rules::Cidr{rules::IpAddress::from_bytes(whole),
                       static_cast<std::uint8_t>(operand.size * 8)};
  }
  const auto length = rules::prefix_length(operand.mask);
  return operand.mask.size() == size && length
             ? std::optional(rules::Cidr{rules::IpAddress::from_bytes(whole), *length})
             : std::nullopt;
}

/// The whole name with its end, or the part that it begins with.
std::string interface_in(Bytes value) {
  const auto end = std::find(value.begin(), value.end(), 0);
  std::string name(value.begin(), end);
  return end == value.end() ? name + "+" : name;
}

/// Reads a rule expression by expression, in their order.
class ExpressionReader {
 public:
  explicit ExpressionReader(rules::Family family) : family_(family) {}

  void read(const Expression& expression) {
    const std::string_view name = expression.name;
    if (is_write(expression)) {
      add_unknown(name);
      return;
    }
    if (name == "payload") {
      operand_ = load_payload(expression);
    } else if (name == "meta") {
      operand_ = load_meta(expression);
    } else if (name == "bitwise") {
      mask(expression);
    } else if (name == "cmp") {
      compare(expression);
    } else if (name == "range") {
      take_port_range(expression);
    } else if (name == "match") {
      take_match(expression);
    } else if (name == "target") {
      take_target(expression);
    } else if (name == "immediate") {
      take_verdict(expression);
    } else if (name != "counter") {
      add_unknown(name);
    }
  }

  Rule finish() && { return std::move(rule_); }

 private:
  void add_unknown(std::string_view what) {
    rule_.matches.emplace_back(OtherMatch{fmt::format("-m nft-{}", what)});
  }

  void take_match(const Expression& expression) {
    const auto name = expression.data.text(NFTA_MATCH_NAME);
    const auto revision = expression.data.number(NFTA_MATCH_REV);
    if (!name || !revision) {
      return add_unknown("match");
    }
    rule_.matches.push_back(rules::decode_match(
        *name, static_cast<int>(*revision), expression.data.bytes(NFTA_MATCH_INFO), family_));
  }

  void take_target(const Expression& expression) {
    const auto name = expression.data.text(NFTA_TARGET_NAME);
    const auto revision = expression.data.number(NFTA_TARGET_REV);
    if (!name || !revision) {
      return add_unknown("target");
    }
    rule_.target = rules::decode_target(
        *name, static_cast<int>(*revision), expression.data.bytes(NFTA_TARGET_INFO), family_);
  }

  void mask(const Expression& expression) {
    const Bytes flipped = value_of(expression, NFTA_BITWISE_XOR);
    operand_.mask = value_of(expression, NFTA_BITWISE_MASK);
    if (operand_.mask.empty() ||
        std::any_of(flipped.begin(), flipped.end(), [](std::uint8_t byte) { return byte != 0; })) {
      operand_ = {};
    }
  }

  void compare(const Expression& expression) {
    const auto operation = expression.data.number(NFTA_CMP_OP);
    const Bytes value = value_of(expression, NFTA_CMP_DATA);
    const bool negated = operation == NFT_CMP_NEQ;
    const Operand operand = std::exchange(operand_, {});
    if (operation == NFT_CMP_LTE && take_ports_up_to(operand, value)) {
      return;
    }
    const bool understood =
        (negated || operation == NFT_CMP_EQ) && !value.empty() &&
        (operand.kind == Operand::Kind::kMeta        ? take_meta(operand, value, negated)
         : operand.kind == Operand::Kind::kNetwork   ? take_address(operand, value, negated)
         : operand.kind == Operand::Kind::kTransport ? take_port(operand, value, negated)
                                                     : false);
    if (!understood) {
      add_unknown("cmp");
    }
  }

  bool take_meta(const Operand& operand, Bytes value, bool negated) {
    switch (operand.place) {
      case NFT_META_L4PROTO:
        if (rule_.protocol || negated || !operand.mask.empty()) {
          return false;
        }
        rule_.protocol = rules::protocol_of(value.empty() ? 0U : value.front());
        return rule_.protocol.has_value();
      case NFT_META_IIFNAME:
        if (rule_.in_interface || !operand.mask.empty()) {
          return false;
        }
        rule_.in_interface = {interface_in(value), negated};
        return true;
      case NFT_META_OIFNAME:
        rule_.matches.emplace_back(
            OtherMatch{fmt::format("{}-o {}", negated ? "! " : "", interface_in(value))});
        return true;
      case NFT_META_MARK:
        rule_.matches.emplace_back(rules::MarkMatch{
            word_in(value), operand.mask.empty() ? 0xffffffff : word_in(operand.mask), negated});
        return true;
      default:
        return false;
    }
  }

  bool take_address(const Operand& operand, Bytes value, bool negated) {
    const AddressPlaces places = address_places(family_);
    auto* condition = operand.place == places.source        ? &rule_.source
                      : operand.place == places.destination ? &rule_.destination
                                                            : nullptr;
    const auto network = network_in(operand, value, places.size);
    if (condition == nullptr || *condition || !network) {
      return false;
    }
    *condition = {*network, negated};
    return true;
  }

  bool take_port(const Operand& operand, Bytes value, bool negated) {
    std::uint16_t port = 0;
    if (!is_destination_port(operand) || value.size() < sizeof port || negated) {
      return false;
    }
    std::memcpy(&port, value.data(), sizeof port);
    rule_.matches.emplace_back(rules::TransportPort{*rule_.protocol, ntohs(port)});
    return true;
  }

  /// iptables compares so where a range begins at port 0.
  bool take_ports_up_to(const Operand& operand, Bytes value) {
    std::uint16_t last = 0;
    if (operand.kind != Operand::Kind::kTransport || !is_destination_port(operand) ||
        value.size() < sizeof last) {
      return false;
    }
    std::memcpy(&last, value.data(), sizeof last);
    rule_.matches.emplace_back(rules::PortRange{*rule_.protocol, 0, ntohs(last)});
    return true;
  }

  void take_port_range(const Expression& expression) {
    const Bytes from = value_of(expression, NFTA_RANGE_FROM_DATA);
    const Bytes to = value_of(expression, NFTA_RANGE_TO_DATA);
    const Operand operand = std::exchange(operand_, {});
    std::uint16_t first = 0;
    std::uint16_t last = 0;
    if (expression.data.number(NFTA_RANGE_OP) != NFT_RANGE_EQ || !is_destination_port(operand) ||
        from.size() < sizeof first || to.size() < sizeof last) {
      return add_unknown("range");
    }
    std::memcpy(&first, from.data(), sizeof first);
    std::memcpy(&last, to.data(), sizeof last);
    rule_.matches.emplace_back(rules::PortRange{*rule_.protocol, ntohs(first), ntohs(last)});
  }

  /// It has the same place in all protocols that we know.
  bool is_destination_port(const Operand& operand) const {
    constexpr std::uint32_t kDestinationPort = 2;
    return operand.kind == Operand::Kind::kTransport && operand.place == kDestinationPort &&
           operand.size == sizeof(std::uint16_t) && operand.mask.empty() &&
           rule_.protocol.has_value();
  }

  static OtherTarget unknown_verdict(int verdict, std::string_view chain) {
    return OtherTarget{fmt::format("-j nft-{} {}", verdict, chain)};
  }

  void take_verdict(const Expression& expression) {
    const NftAttributes verdict = verdict_of(expression);
    const auto code = verdict.number(NFTA_VERDICT_CODE);
    if (!code) {
      return add_unknown("immediate");
    }
    const std::string_view chain = verdict.text(NFTA_VERDICT_CHAIN).value_or("");
    switch (const int kind = static_cast<int>(*code); kind) {
      case NF_ACCEPT:
        rule_.target = rules::Accept{};
        break;
      case NF_DROP:
        rule_.target = rules::Drop{};
        break;
      case NFT_RETURN:
        rule_.target = rules::Return{};
        break;
      case NFT_JUMP:
        if (!chain.empty() && chain.size() <= rules::ChainName::kMaxLength) {
          rule_.target = rules::Jump{rules::ChainName(chain)};
          break;
        }
        rule_.target = unknown_verdict(kind, chain);
        break;
      case NFT_GOTO:
        rule_.target = OtherTarget{fmt::format("-g {}", chain)};
        break;
      default:
        rule_.target = unknown_verdict(kind, chain);
    }
  }

  rules::Family family_;
  Operand operand_;
  Rule rule_;
};

}  // namespace

NfnetlinkRequest rules_of_chain(rules::Family family,
                                std::string_view table,
                                std::string_view chain) {
  return {
      .subsystem = NFNL_SUBSYS_NFTABLES,
      .command = NFT_MSG_GETRULE,
      .flags = NLM_F_DUMP,
      .family = family,
      .strings = {{NFTA_RULE_TABLE, std::string(table)}, {NFTA_RULE_CHAIN, std::string(chain)}}};
}

std::uint64_t handle_of(const nlmsghdr* rule) {
  return NftAttributes(rule).long_number(NFTA_RULE_HANDLE).value_or(0);
}

Counter counter_of(const nlmsghdr* rule) {
  Counter counter;
  for_each_expression(rule, [&](const Expression& expression) {
    if (expression.name == "counter") {
      counter = {.packets = expression.data.long_number(NFTA_COUNTER_PACKETS).value_or(0),
                 .bytes = expression.data.long_number(NFTA_COUNTER_BYTES).value_or(0)};
    }
  });
  return counter;
}

std::optional<rules::ChainName> chain_after(const nlmsghdr* rule) {
  std::optional<rules::ChainName> next;
  for_each_expression(rule, [&](const Expression& expression) {
    if (expression.name != "immediate") {
      return;
    }
    if (const auto chain = verdict_of(expression).text(NFTA_VERDICT_CHAIN)) {
      next = rules::ChainName(*chain);
    }
  });
  return next;
}

Rule read_nft_rule(const nlmsghdr* rule, rules::Family family) {
  ExpressionReader reader(family);
  for_each_expression(rule, [&](const Expression& expression) { reader.read(expression); });
  return std::move(reader).finish();
}

}  // namespace proxy
