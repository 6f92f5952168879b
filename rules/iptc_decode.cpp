#include <algorithm>
#include <array>
#include <string>

#include <fmt/format.h>

#include "rules/bpf_program.h"
#include "rules/iptc_entry.h"
#include "rules/iptc_layout.h"
#include "rules/protocol_number.h"

namespace rules {

namespace {

using iptc::load;
using Bytes = std::span<const std::uint8_t>;

/// "-m limit rev 0 0a00..." or "-j LOG rev 0 ...".
std::string raw_text(std::string_view option, std::string_view name, int revision, Bytes data) {
  return fmt::format(
      "{} {} rev {} {:02x}", option, name, revision, fmt::join(data.begin(), data.end(), ""));
}

template <std::size_t N>
std::string_view name_in(const char (&text)[N]) {
  return {text, strnlen(text, N)};
}

std::string_view text_in(Bytes bytes) {
  const auto end = std::find(bytes.begin(), bytes.end(), 0);
  return {reinterpret_cast<const char*>(bytes.data()),
          static_cast<std::size_t>(end - bytes.begin())};
}

/// One match or target taken apart.
struct Part {
  std::string_view name;
  int revision = 0;
  Bytes data;

  template <typename T>
  bool is(const iptc::Extension<T>& extension) const {
    return name == extension.name && revision == extension.revision && data.size() >= sizeof(T);
  }
};

std::optional<Part> part_at(Bytes bytes) {
  if (bytes.size() < sizeof(xt_entry_match)) {
    return std::nullopt;
  }
  const auto header = load<xt_entry_match>(bytes);
  const std::size_t size = header.u.user.match_size;
  if (size < sizeof(header) || size > bytes.size()) {
    return std::nullopt;
  }
  return Part{
      text_in(bytes.subspan(offsetof(xt_entry_match, u.user.name), XT_EXTENSION_MAXNAMELEN)),
      header.u.user.revision,
      bytes.subspan(sizeof(header), size - sizeof(header))};
}

template <typename Address>
Bytes bytes_of(const Address& address) {
  return {reinterpret_cast<const std::uint8_t*>(&address), sizeof(address)};
}

bool is_zero(Bytes bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

/// The conditions of an entry's header, and whatever of it the vocabulary cannot express. Tells
/// whether it goes to a chain (-g) instead of jumping there.
template <typename Header>
bool read_conditions(const Header& header, Rule& rule) {
  std::uint8_t inverted = header.invflags;
  const auto take_inversion = [&](std::uint8_t bit) {
    const bool set = (inverted & bit) != 0;
    inverted = static_cast<std::uint8_t>(inverted & ~bit);
    return set;
  };
  const auto network = [&](const auto& address,
                           const auto& mask,
                           std::uint8_t inversion) -> std::optional<Negatable<Cidr>> {
    const auto length = prefix_length(bytes_of(mask));
    if (!length) {
      rule.matches.emplace_back(OtherMatch{raw_text("-m", "mask", 0, bytes_of(mask))});
    }
    if (is_zero(bytes_of(mask)) && (header.invflags & inversion) == 0) {
      return std::nullopt;
    }
    return Negatable<Cidr>{{IpAddress::from_bytes(bytes_of(address)), length.value_or(0)},
                           take_inversion(inversion)};
  };
  rule.source = network(header.src, header.smsk, IPT_INV_SRCIP);
  rule.destination = network(header.dst, header.dmsk, IPT_INV_DSTIP);
  if (!is_zero(bytes_of(header.iniface_mask))) {
    rule.in_interface = Negatable<std::string>{std::string(name_in(header.iniface)),
                                               take_inversion(IPT_INV_VIA_IN)};
  }
  if (!is_zero(bytes_of(header.outiface_mask))) {
    const bool negated = take_inversion(IPT_INV_VIA_OUT);
    rule.matches.emplace_back(
        OtherMatch{fmt::format("{}-o {}", negated ? "! " : "", name_in(header.outiface))});
  }
  rule.protocol = protocol_of(header.proto);
  if (header.proto != 0 && !rule.protocol) {
    rule.matches.emplace_back(OtherMatch{fmt::format("-p {}", header.proto)});
  }
  // Set by IPv6 whenever a protocol is given; the same bit of IPv4 is about fragments.
  const int implied = std::is_same_v<Header, ip6t_ip6> ? IP6T_F_PROTO : 0;
  const int goes = std::is_same_v<Header, ip6t_ip6> ? IP6T_F_GOTO : IPT_F_GOTO;
  const int flags = header.flags & ~(implied | goes);
  if (inverted != 0 || flags != 0) {
    rule.matches.emplace_back(
        OtherMatch{fmt::format("-m header rev 0 {:02x}{:02x}", inverted, flags)});
  }
  return (header.flags & goes) != 0;
}

std::optional<Match> destination_match(Protocol protocol, const std::uint16_t (&ports)[2]) {
  if (ports[0] == 0 && ports[1] == 0xffff) {
    return TransportPort{protocol, std::nullopt};
  }
  if (ports[0] == ports[1]) {
    return TransportPort{protocol, ports[0]};
  }
  return ports[0] < ports[1] ? std::optional<Match>(PortRange{protocol, ports[0], ports[1]})
                             : std::nullopt;
}

template <typename Ports>
std::optional<Match> ports_match(Protocol protocol, const Ports& ports, Bytes rest) {
  if (ports.spts[0] != 0 || ports.spts[1] != 0xffff || !is_zero(rest)) {
    return std::nullopt;
  }
  return destination_match(protocol, ports.dpts);
}

std::optional<Match> sctp_match(Bytes data) {
  const auto info = load<iptc::SctpInfo>(data);
  if (info.flags == 0 && info.inverted == 0) {
    return TransportPort{Protocol::kSctp, std::nullopt};
  }
  return info.flags == iptc::SctpInfo::kDestinationPorts && info.inverted == 0
             ? destination_match(Protocol::kSctp, info.destination)
             : std::nullopt;
}

std::optional<Match> bpf_match(Bytes data, Family family) {
  const auto info = load<xt_bpf_info_v1>(data);
  const auto program = source_is_destination(family);
  const auto is_same = [](const BpfInstruction& ours, const sock_filter& theirs) {
    return ours == BpfInstruction{theirs.code, theirs.jt, theirs.jf, theirs.k};
  };
  return info.mode == XT_BPF_MODE_BYTECODE && info.bpf_program_num_elem == program.size() &&
                 std::equal(program.begin(), program.end(), info.bpf_program, is_same)
             ? std::optional<Match>(SourceIsDestination{})
             : std::nullopt;
}

std::optional<Match> conntrack_match(Bytes data) {
  const auto info = load<xt_conntrack_mtinfo3>(data);
  if (info.match_flags != XT_CONNTRACK_STATE || (info.invert_flags & ~XT_CONNTRACK_STATE) != 0) {
    return std::nullopt;
  }
  return ConnectionState{info.state_mask, info.invert_flags != 0};
}

std::optional<Match> address_type_match(Bytes data) {
  const auto info = load<xt_addrtype_info_v1>(data);
  if (info.flags != 0 || info.source + info.dest != XT_ADDRTYPE_LOCAL) {
    return std::nullopt;
  }
  return LocalAddress{info.source != 0 ? LocalAddress::Side::kSource
                                       : LocalAddress::Side::kDestination};
}

std::optional<Match> recent_match(Bytes data, Family family) {
  const auto info = load<xt_recent_mtinfo_v1>(data);
  const std::string_view list = name_in(info.name);
  const std::size_t mask_bytes = family == Family::kIpv4 ? 4 : 16;
  const auto whole_mask = prefix_length(bytes_of(info.mask).first(mask_bytes));
  const bool sets = info.check_set == XT_RECENT_SET && info.seconds == 0;
  const bool checks = info.check_set == (XT_RECENT_CHECK | XT_RECENT_REAP);
  if (!(sets || checks) || info.hit_count != 0 || info.invert != 0 ||
      info.side != XT_RECENT_SOURCE || list.size() > ChainName::kMaxLength ||
      whole_mask != mask_bytes * 8) {
    return std::nullopt;
  }
  return Recent{
      sets ? Recent::Action::kSet : Recent::Action::kCheck, ChainName(list), info.seconds};
}

/// Nothing for a match outside of the vocabulary.
std::optional<Match> known_match(const Part& part, Family family) {
  if (part.is(iptc::kComment)) {
    return Comment{std::string(text_in(part.data.first(sizeof(xt_comment_info))))};
  }
  if (part.is(iptc::kTcp)) {
    const auto info = load<xt_tcp>(part.data);
    return ports_match(Protocol::kTcp, info, part.data.subspan(offsetof(xt_tcp, option), 4));
  }
  if (part.is(iptc::kUdp)) {
    const auto info = load<xt_udp>(part.data);
    return ports_match(Protocol::kUdp, info, part.data.subspan(offsetof(xt_udp, invflags), 1));
  }
  if (part.is(iptc::kSctp)) {
    return sctp_match(part.data);
  }
  if (part.is(iptc::kBpf)) {
    return bpf_match(part.data, family);
  }
  if (part.is(iptc::kConntrack)) {
    return conntrack_match(part.data);
  }
  if (part.is(iptc::kMark)) {
    const auto info = load<xt_mark_mtinfo1>(part.data);
    return MarkMatch{info.mark, info.mask, info.invert != 0};
  }
  if (part.is(iptc::kAddressType)) {
    return address_type_match(part.data);
  }
  if (part.is(iptc::kStatistic)) {
    const auto info = load<xt_statistic_info>(part.data);
    return info.mode == XT_STATISTIC_MODE_RANDOM && info.flags == 0
               ? std::optional<Match>(Probability{info.u.random.probability})
               : std::nullopt;
  }
  if (part.is(iptc::kRecent)) {
    return recent_match(part.data, family);
  }
  if (part.is(iptc::kAccounting)) {
    return AccountingObject{std::string(text_in(part.data.first(NFACCT_NAME_MAX)))};
  }
  return std::nullopt;
}

Target labelled_target(std::string_view label) {
  if (label.empty()) {
    return FallThrough{};
  }
  if (label == "ACCEPT") {
    return Accept{};
  }
  if (label == "DROP") {
    return Drop{};
  }
  if (label == "RETURN") {
    return Return{};
  }
  if (label.size() > ChainName::kMaxLength || label == "QUEUE") {
    return OtherTarget{fmt::format("-j {}", label)};
  }
  return Jump{ChainName(label)};
}

std::optional<Target> masquerade_target(unsigned flags, Bytes rest) {
  if ((flags & ~static_cast<unsigned>(NF_NAT_RANGE_PROTO_RANDOM_FULLY)) != 0 || !is_zero(rest)) {
    return std::nullopt;
  }
  return Masquerade{flags != 0};
}

std::optional<Target> dnat_target(Bytes data, Family family) {
  const auto info = load<nf_nat_range2>(data);
  if (info.flags != (NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED) ||
      !std::ranges::equal(bytes_of(info.min_addr), bytes_of(info.max_addr)) ||
      info.min_proto.all != info.max_proto.all) {
    return std::nullopt;
  }
  const std::size_t length = family == Family::kIpv4 ? 4 : 16;
  return Dnat{
      {IpAddress::from_bytes(bytes_of(info.min_addr).first(length)), ntohs(info.min_proto.all)}};
}

std::optional<Target> known_target(const Part& part, Family family) {
  const bool ipv4 = family == Family::kIpv4;
  if (part.is(iptc::kSetMark)) {
    const auto info = load<xt_mark_tginfo2>(part.data);
    return SetMark{info.mark, info.mask};
  }
  if (part.is(iptc::kDnat)) {
    return dnat_target(part.data, family);
  }
  if (part.is(iptc::kReject) &&
      load<int>(part.data) == (ipv4 ? static_cast<int>(IPT_ICMP_PORT_UNREACHABLE)
                                    : static_cast<int>(IP6T_ICMP6_PORT_UNREACH))) {
    return Reject{};
  }
  if (ipv4 && part.is(iptc::kMasquerade)) {
    const auto info = load<nf_nat_ipv4_multi_range_compat>(part.data);
    return masquerade_target(info.range[0].flags, part.data.subspan(2 * sizeof(int)));
  }
  if (!ipv4 && part.is(iptc::kMasquerade6)) {
    const auto info = load<nf_nat_range>(part.data);
    return masquerade_target(info.flags, part.data.subspan(sizeof(int)));
  }
  return std::nullopt;
}

}  // namespace

Match decode_match(std::string_view name, int revision, Bytes data, Family family) {
  auto match = known_match({name, revision, data}, family);
  return match ? std::move(*match) : OtherMatch{raw_text("-m", name, revision, data)};
}

Target decode_target(std::string_view name, int revision, Bytes data, Family family) {
  auto target = known_target({name, revision, data}, family);
  return target ? std::move(*target) : OtherTarget{raw_text("-j", name, revision, data)};
}

void for_each_extension(Bytes entry,
                        Family family,
                        const std::function<void(const ExtensionBytes& extension)>& visit) {
  for (Bytes rest = entry.subspan(std::min(entry.size(), iptc::header_size(family)));
       !rest.empty();) {
    const auto part = part_at(rest);
    if (!part) {
      return;
    }
    visit({part->name, part->revision, part->data});
    rest = rest.subspan(sizeof(xt_entry_match) + part->data.size());
  }
}

std::optional<Rule> decode(Bytes entry, std::string_view label, Family family) {
  const std::size_t header = iptc::header_size(family);
  if (entry.size() < header) {
    return std::nullopt;
  }
  Rule rule;
  std::size_t target_offset = 0;
  bool goes = false;
  if (family == Family::kIpv4) {
    const auto bytes = load<ipt_entry>(entry);
    goes = read_conditions(bytes.ip, rule);
    target_offset = bytes.target_offset;
  } else {
    const auto bytes = load<ip6t_entry>(entry);
    goes = read_conditions(bytes.ipv6, rule);
    target_offset = bytes.target_offset;
  }
  if (target_offset < header || target_offset > entry.size()) {
    return std::nullopt;
  }
  for (Bytes rest = entry.subspan(header, target_offset - header); !rest.empty();) {
    const auto part = part_at(rest);
    if (!part) {
      return std::nullopt;
    }
    rule.matches.push_back(decode_match(part->name, part->revision, part->data, family));
    rest = rest.subspan(sizeof(xt_entry_match) + part->data.size());
  }
  const auto part = part_at(entry.subspan(target_offset));
  if (!part) {
    return std::nullopt;
  }
  if (part->is(iptc::kStandard)) {
    rule.target = labelled_target(label);
    if (goes && jump_target(rule) != nullptr) {
      rule.target = OtherTarget{fmt::format("-g {}", label)};
    }
    return rule;
  }
  rule.target = decode_target(part->name, part->revision, part->data, family);
  return rule;
}

}  // namespace rules
