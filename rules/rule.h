#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "rules/net.h"

namespace rules {

/// The tables that kube-proxy writes. Commits go in this order: mangle holds only the canary, and
/// filter goes before nat as in kube-proxy's restore input.
enum class Table : std::uint8_t { kMangle, kFilter, kNat };

std::string_view to_string(Table table);
std::optional<Table> parse_table(std::string_view text);

/// A chain name of at most 28 characters (the kernel's limit), held in place: no allocation.
class ChainName {
 public:
  static constexpr std::size_t kMaxLength = 28;

  ChainName() = default;

  /// Longer names are cut at kMaxLength; the kernel has none, and parse() rejects them before.
  explicit ChainName(std::string_view text);

  std::string_view view() const { return {text_.data(), length_}; }

  auto operator<=>(const ChainName& other) const { return view() <=> other.view(); }

  bool operator==(const ChainName& other) const { return view() == other.view(); }

 private:
  std::array<char, kMaxLength> text_{};
  std::uint8_t length_ = 0;
};

struct ChainId {
  Table table = Table::kNat;
  ChainName name;

  auto operator<=>(const ChainId&) const = default;
};

/// "nat KUBE-SERVICES".
std::string to_string(const ChainId& chain);

/// A condition that can be inverted with "!".
template <typename T>
struct Negatable {
  T value;
  bool negated = false;

  bool operator==(const Negatable&) const = default;
};

// Matches, in the words of iptables-extensions(8).

struct Comment {
  std::string text;  // at most 255 bytes, no control characters
  bool operator==(const Comment&) const = default;
};

/// -m tcp|udp|sctp, with --dport if a destination port is given.
struct TransportPort {
  Protocol protocol = Protocol::kTcp;
  std::optional<std::uint16_t> destination;
  bool operator==(const TransportPort&) const = default;
};

/// -m tcp|udp|sctp --dport first:last. A range of one port is a TransportPort.
struct PortRange {
  Protocol protocol = Protocol::kTcp;
  std::uint16_t first = 0;
  std::uint16_t last = 0;  // greater than `first`
  bool operator==(const PortRange&) const = default;
};

/// -m bpf with the one program of ours, which takes packets whose source and destination addresses
/// are equal. No other match compares two fields of a packet.
struct SourceIsDestination {
  bool operator==(const SourceIsDestination&) const = default;
};

/// -m conntrack --ctstate. `states` is a union of the bits below, which are the kernel's
/// (XT_CONNTRACK_STATE_*).
struct ConnectionState {
  static constexpr std::uint16_t kInvalid = 1;
  static constexpr std::uint16_t kEstablished = 2;
  static constexpr std::uint16_t kRelated = 4;
  static constexpr std::uint16_t kNew = 8;
  static constexpr std::uint16_t kSnat = 64;
  static constexpr std::uint16_t kDnat = 128;
  static constexpr std::uint16_t kUntracked = 256;

  std::uint16_t states = 0;
  bool negated = false;
  bool operator==(const ConnectionState&) const = default;
};

/// -m mark --mark value/mask.
struct MarkMatch {
  std::uint32_t value = 0;
  std::uint32_t mask = 0xffffffff;
  bool negated = false;
  bool operator==(const MarkMatch&) const = default;
};

/// -m addrtype --src-type|--dst-type LOCAL.
struct LocalAddress {
  enum class Side : std::uint8_t { kSource, kDestination };
  Side side = Side::kDestination;
  bool operator==(const LocalAddress&) const = default;
};

/// -m statistic --mode random; `threshold` is the kernel's integer, the probability in units of
/// 2^-31.
struct Probability {
  std::uint32_t threshold = 0;
  bool operator==(const Probability&) const = default;
};

/// -m recent: kSet records the source address in the list, kCheck asks whether it was seen within
/// `seconds` (with --reap). Lists are named like the endpoint chain they remember.
struct Recent {
  enum class Action : std::uint8_t { kSet, kCheck };
  Action action = Action::kSet;
  ChainName list;
  std::uint32_t seconds = 0;  // 0 for kSet
  bool operator==(const Recent&) const = default;
};

/// -m nfacct --nfacct-name.
struct AccountingObject {
  std::string name;  // at most 31 bytes
  bool operator==(const AccountingObject&) const = default;
};

/// Any other condition, kept as iptables-save printed it ("-m multiport --dports 1,2", "-o eth0",
/// "-p icmp"). It lets us read every rule of a node; the compiler never makes one.
struct OtherMatch {
  std::string text;
  bool operator==(const OtherMatch&) const = default;
};

using Match = std::variant<Comment,
                           TransportPort,
                           PortRange,
                           SourceIsDestination,
                           ConnectionState,
                           MarkMatch,
                           LocalAddress,
                           Probability,
                           Recent,
                           AccountingObject,
                           OtherMatch>;

// Targets.

/// No -j: the rule only counts, and the packet goes on to the next rule.
struct FallThrough {
  bool operator==(const FallThrough&) const = default;
};

struct Accept {
  bool operator==(const Accept&) const = default;
};

struct Drop {
  bool operator==(const Drop&) const = default;
};

struct Return {
  bool operator==(const Return&) const = default;
};

/// REJECT with port-unreachable of the rule's family.
struct Reject {
  bool operator==(const Reject&) const = default;
};

/// To a user-defined chain of the same table.
struct Jump {
  ChainName chain;
  bool operator==(const Jump&) const = default;
};

/// MARK --set-xmark value/mask: mark = (mark & ~mask) ^ value.
struct SetMark {
  std::uint32_t value = 0;
  std::uint32_t mask = 0xffffffff;
  bool operator==(const SetMark&) const = default;
};

struct Masquerade {
  bool random_fully = false;
  bool operator==(const Masquerade&) const = default;
};

/// DNAT --to-destination.
struct Dnat {
  SocketAddress destination;
  bool operator==(const Dnat&) const = default;
};

/// Any other target with its options, as iptables-save printed it ("-j LOG --log-prefix x", "-g
/// CHAIN").
struct OtherTarget {
  std::string text;
  bool operator==(const OtherTarget&) const = default;
};

using Target = std::variant<FallThrough,
                            Accept,
                            Drop,
                            Return,
                            Reject,
                            Jump,
                            SetMark,
                            Masquerade,
                            Dnat,
                            OtherTarget>;

/// One rule, without the chain it stands in. The order of the matches is part of the value, as in
/// iptables.
struct Rule {
  std::optional<Negatable<Cidr>> source;
  std::optional<Negatable<Cidr>> destination;
  std::optional<Negatable<std::string>> in_interface;  // a trailing "+" matches any suffix
  std::optional<Protocol> protocol;
  std::vector<Match> matches;
  Target target;

  bool operator==(const Rule&) const = default;
};

/// The chain that the rule jumps to, or nullptr.
const ChainName* jump_target(const Rule& rule);

/// Whether all of the rule is in our words, without an OtherMatch or OtherTarget.
bool is_in_our_words(const Rule& rule);

/// The text of the rule's first comment, or empty.
std::string_view comment_of(const Rule& rule);

}  // namespace rules

template <>
struct std::hash<rules::ChainId> {
  std::size_t operator()(const rules::ChainId& chain) const noexcept {
    return std::hash<std::string_view>{}(chain.name.view()) * 4 +
           static_cast<std::size_t>(chain.table);
  }
};
