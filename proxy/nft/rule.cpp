#include "proxy/nft/rule.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <libnftnl/expr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "proxy/host/descriptor.h"
#include "proxy/nft/address_places.h"
#include "proxy/nft/sound_rule.h"
#include "rules/iptc_entry.h"
#include "rules/protocol_number.h"

namespace proxy {

namespace {

using rules::OtherMatch;
using rules::OtherTarget;
using rules::Rule;
using Bytes = std::span<const std::uint8_t>;

/// Calls `visit` for each expression of the rule.
template <typename Visit>
void for_each_expression(const nftnl_rule& rule, Visit visit) {
  const auto call = [](nftnl_expr* expression, void* data) {
    (*static_cast<Visit*>(data))(static_cast<const nftnl_expr*>(expression));
    return 0;
  };
  // libnftnl does not take a const rule here, and does not change it.
  nftnl_expr_foreach(const_cast<nftnl_rule*>(&rule), call, &visit);
}

/// Empty if it is missing.
std::string_view text_of(const nftnl_expr* expression, std::uint16_t attribute) {
  const char* text = nftnl_expr_get_str(expression, attribute);
  return text != nullptr ? text : "";
}

std::string_view name_of(const nftnl_expr* expression) {
  return text_of(expression, NFTNL_EXPR_NAME);
}

Bytes bytes_of(const nftnl_expr* expression, std::uint16_t attribute) {
  std::uint32_t size = 0;
  const void* data = nftnl_expr_get(expression, attribute, &size);
  return {static_cast<const std::uint8_t*>(data), data == nullptr ? 0 : size};
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

Operand load_payload(const nftnl_expr* expression) {
  const auto base = nftnl_expr_get_u32(expression, NFTNL_EXPR_PAYLOAD_BASE);
  Operand operand{.place = nftnl_expr_get_u32(expression, NFTNL_EXPR_PAYLOAD_OFFSET),
                  .size = nftnl_expr_get_u32(expression, NFTNL_EXPR_PAYLOAD_LEN)};
  if (!nftnl_expr_is_set(expression, NFTNL_EXPR_PAYLOAD_SREG)) {
    operand.kind = base == NFT_PAYLOAD_NETWORK_HEADER     ? Operand::Kind::kNetwork
                   : base == NFT_PAYLOAD_TRANSPORT_HEADER ? Operand::Kind::kTransport
                                                          : Operand::Kind::kUnknown;
  }
  return operand;
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

  void read(const nftnl_expr* expression) {
    const std::string_view name = name_of(expression);
    if (name == "payload") {
      operand_ = load_payload(expression);
    } else if (name == "meta") {
      operand_ = {.kind = Operand::Kind::kMeta,
                  .place = nftnl_expr_get_u32(expression, NFTNL_EXPR_META_KEY)};
    } else if (name == "bitwise") {
      mask(expression);
    } else if (name == "cmp") {
      compare(expression);
    } else if (name == "range") {
      take_port_range(expression);
    } else if (name == "match") {
      rule_.matches.push_back(
          rules::decode_match(text_of(expression, NFTNL_EXPR_MT_NAME),
                              static_cast<int>(nftnl_expr_get_u32(expression, NFTNL_EXPR_MT_REV)),
                              bytes_of(expression, NFTNL_EXPR_MT_INFO),
                              family_));
    } else if (name == "target") {
      rule_.target =
          rules::decode_target(text_of(expression, NFTNL_EXPR_TG_NAME),
                               static_cast<int>(nftnl_expr_get_u32(expression, NFTNL_EXPR_TG_REV)),
                               bytes_of(expression, NFTNL_EXPR_TG_INFO),
                               family_);
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

  void mask(const nftnl_expr* expression) {
    const Bytes flipped = bytes_of(expression, NFTNL_EXPR_BITWISE_XOR);
    operand_.mask = bytes_of(expression, NFTNL_EXPR_BITWISE_MASK);
    if (operand_.mask.empty() ||
        std::any_of(flipped.begin(), flipped.end(), [](std::uint8_t byte) { return byte != 0; })) {
      operand_ = {};
    }
  }

  void compare(const nftnl_expr* expression) {
    const auto operation = nftnl_expr_get_u32(expression, NFTNL_EXPR_CMP_OP);
    const Bytes value = bytes_of(expression, NFTNL_EXPR_CMP_DATA);
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

  void take_port_range(const nftnl_expr* expression) {
    const Bytes from = bytes_of(expression, NFTNL_EXPR_RANGE_FROM_DATA);
    const Bytes to = bytes_of(expression, NFTNL_EXPR_RANGE_TO_DATA);
    const Operand operand = std::exchange(operand_, {});
    std::uint16_t first = 0;
    std::uint16_t last = 0;
    if (nftnl_expr_get_u32(expression, NFTNL_EXPR_RANGE_OP) != NFT_RANGE_EQ ||
        !is_destination_port(operand) || from.size() < sizeof first || to.size() < sizeof last) {
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

  void take_verdict(const nftnl_expr* expression) {
    if (!nftnl_expr_is_set(expression, NFTNL_EXPR_IMM_VERDICT)) {
      return add_unknown("immediate");
    }
    // A verdict is signed, though libnftnl has it unsigned.
    const int verdict = static_cast<int>(nftnl_expr_get_u32(expression, NFTNL_EXPR_IMM_VERDICT));
    const std::string_view chain = text_of(expression, NFTNL_EXPR_IMM_CHAIN);
    switch (verdict) {
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
        rule_.target = unknown_verdict(verdict, chain);
        break;
      case NFT_GOTO:
        rule_.target = OtherTarget{fmt::format("-g {}", chain)};
        break;
      default:
        rule_.target = unknown_verdict(verdict, chain);
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

NftRule parse_nft_rule(const nlmsghdr* message) {
  if (!is_sound_rule(message)) {
    errno = EBADMSG;
    throw_errno("cannot read a rule of nftables");
  }
  std::unique_ptr<nftnl_rule, void (*)(const nftnl_rule*)> rule(nftnl_rule_alloc(),
                                                                &nftnl_rule_free);
  if (!rule || nftnl_rule_nlmsg_parse(message, rule.get()) < 0) {
    throw_errno("cannot read a rule of nftables");
  }
  return rule;
}

std::uint64_t handle_of(const nftnl_rule& rule) {
  return nftnl_rule_get_u64(&rule, NFTNL_RULE_HANDLE);
}

Counter counter_of(const nftnl_rule& rule) {
  Counter counter;
  for_each_expression(rule, [&](const nftnl_expr* expression) {
    if (name_of(expression) == "counter") {
      counter = {.packets = nftnl_expr_get_u64(expression, NFTNL_EXPR_CTR_PACKETS),
                 .bytes = nftnl_expr_get_u64(expression, NFTNL_EXPR_CTR_BYTES)};
    }
  });
  return counter;
}

std::optional<rules::ChainName> chain_after(const nftnl_rule& rule) {
  std::optional<rules::ChainName> next;
  for_each_expression(rule, [&](const nftnl_expr* expression) {
    if (name_of(expression) == "immediate" && nftnl_expr_is_set(expression, NFTNL_EXPR_IMM_CHAIN)) {
      next = rules::ChainName(text_of(expression, NFTNL_EXPR_IMM_CHAIN));
    }
  });
  return next;
}

Rule read_nft_rule(const nftnl_rule& rule, rules::Family family) {
  ExpressionReader reader(family);
  for_each_expression(rule, [&](const nftnl_expr* expression) { reader.read(expression); });
  return std::move(reader).finish();
}

}  // namespace proxy
