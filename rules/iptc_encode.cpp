#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>

#include "rules/bpf_program.h"
#include "rules/iptc_entry.h"
#include "rules/iptc_layout.h"
#include "rules/protocol_number.h"

namespace rules {

namespace {

using iptc::store;
using Bytes = std::span<std::uint8_t>;

/// First and last.
using PortPair = std::array<std::uint16_t, 2>;

constexpr PortPair kAnyPort{0, 0xffff};

[[noreturn]] void reading_only() {
  throw std::logic_error("a rule that was only read cannot be written");
}

template <typename... Cases>
struct Overload : Cases... {
  using Cases::operator()...;
};

template <typename... Cases>
Overload(Cases...) -> Overload<Cases...>;

std::size_t size_of(Protocol protocol) {
  switch (protocol) {
    case Protocol::kTcp:
      return iptc::kTcp.size();
    case Protocol::kUdp:
      return iptc::kUdp.size();
    case Protocol::kSctp:
      return iptc::kSctp.size();
  }
  return 0;
}

std::size_t size_of(const Match& match) {
  return std::visit(Overload{[](const Comment&) { return iptc::kComment.size(); },
                             [](const TransportPort& port) { return size_of(port.protocol); },
                             [](const PortRange& ports) { return size_of(ports.protocol); },
                             [](const SourceIsDestination&) { return iptc::kBpf.size(); },
                             [](const ConnectionState&) { return iptc::kConntrack.size(); },
                             [](const MarkMatch&) { return iptc::kMark.size(); },
                             [](const LocalAddress&) { return iptc::kAddressType.size(); },
                             [](const Probability&) { return iptc::kStatistic.size(); },
                             [](const Recent&) { return iptc::kRecent.size(); },
                             [](const AccountingObject&) { return iptc::kAccounting.size(); },
                             [](const OtherMatch&) -> std::size_t { reading_only(); }},
                    match);
}

std::size_t size_of(const Target& target, Family family) {
  const bool ipv4 = family == Family::kIpv4;
  return std::visit(
      Overload{[](const auto&) { return iptc::kStandard.size(); },
               [&](const Reject&) { return ipv4 ? iptc::kReject.size() : iptc::kReject6.size(); },
               [](const SetMark&) { return iptc::kSetMark.size(); },
               [&](const Masquerade&) {
                 return ipv4 ? iptc::kMasquerade.size() : iptc::kMasquerade6.size();
               },
               [](const Dnat&) { return iptc::kDnat.size(); },
               [](const OtherTarget&) -> std::size_t { reading_only(); }},
      target);
}

std::size_t target_offset_of(const Rule& rule, Family family) {
  std::size_t offset = iptc::header_size(family);
  for (const Match& match : rule.matches) {
    offset += size_of(match);
  }
  return offset;
}

/// Copies at most the space that is there, without a terminating zero: the bytes are zero already.
template <std::size_t N>
void copy_name(char (&out)[N], std::string_view name) {
  std::copy_n(name.begin(), std::min(name.size(), N - 1), out);
}

template <typename Address>
void write_address(Address& out, const IpAddress& address) {
  std::memcpy(&out, address.bytes().data(), std::min(sizeof(out), address.bytes().size()));
}

template <typename Address>
void write_network(Address& address, Address& mask, const Cidr& cidr) {
  write_address(address, cidr.address);
  std::array<std::uint8_t, sizeof(Address)> bits{};
  for (std::size_t i = 0; i < cidr.prefix_length; ++i) {
    bits[i / 8] = static_cast<std::uint8_t>(bits[i / 8] | (0x80U >> (i % 8)));
  }
  std::memcpy(&mask, bits.data(), sizeof(mask));
}

/// A name with a trailing "+" matches its prefix, any other one also its terminating zero.
template <std::size_t N>
void write_interface(char (&name)[N], unsigned char (&mask)[N], std::string_view text) {
  copy_name(name, text);
  const std::size_t compared = text.ends_with('+') ? text.size() - 1 : text.size() + 1;
  std::fill_n(mask, std::min(compared, N), static_cast<unsigned char>(0xff));
}

/// The part that ipt_ip and ip6t_ip6 have in common.
template <typename Header>
void write_conditions(Header& header, const Rule& rule) {
  unsigned inverted = 0;
  if (rule.source) {
    write_network(header.src, header.smsk, rule.source->value);
    inverted |= rule.source->negated ? unsigned{IPT_INV_SRCIP} : 0U;
  }
  if (rule.destination) {
    write_network(header.dst, header.dmsk, rule.destination->value);
    inverted |= rule.destination->negated ? unsigned{IPT_INV_DSTIP} : 0U;
  }
  if (rule.in_interface) {
    write_interface(header.iniface, header.iniface_mask, rule.in_interface->value);
    inverted |= rule.in_interface->negated ? unsigned{IPT_INV_VIA_IN} : 0U;
  }
  header.invflags = static_cast<std::uint8_t>(inverted);
  if (rule.protocol) {
    header.proto = number_of(*rule.protocol);
  }
}

void write_header(Bytes out, const Rule& rule, Family family, std::size_t target_offset) {
  const auto target = static_cast<std::uint16_t>(target_offset);
  const auto next = static_cast<std::uint16_t>(out.size());
  if (family == Family::kIpv4) {
    ipt_entry entry{};
    write_conditions(entry.ip, rule);
    entry.target_offset = target;
    entry.next_offset = next;
    store(out, entry);
  } else {
    ip6t_entry entry{};
    write_conditions(entry.ipv6, rule);
    entry.ipv6.flags = rule.protocol ? IP6T_F_PROTO : 0;
    entry.target_offset = target;
    entry.next_offset = next;
    store(out, entry);
  }
}

/// Writes one extension after another.
class ExtensionWriter {
 public:
  ExtensionWriter(Bytes out, Family family) : out_(out), family_(family) {}

  void operator()(const Comment& match) {
    xt_comment_info data{};
    copy_name(data.comment, match.text);
    write(iptc::kComment, data);
  }

  void operator()(const TransportPort& match) {
    write_ports(match.protocol,
                match.destination ? PortPair{*match.destination, *match.destination} : kAnyPort);
  }

  void operator()(const PortRange& match) {
    write_ports(match.protocol, {match.first, match.last});
  }

  void operator()(const SourceIsDestination&) {
    const auto program = source_is_destination(family_);
    xt_bpf_info_v1 data{};
    data.mode = XT_BPF_MODE_BYTECODE;
    data.bpf_program_num_elem = static_cast<std::uint16_t>(program.size());
    std::transform(
        program.begin(), program.end(), data.bpf_program, [](const BpfInstruction& instruction) {
          return sock_filter{
              instruction.code, instruction.if_true, instruction.if_false, instruction.operand};
        });
    write(iptc::kBpf, data);
  }

  void operator()(const ConnectionState& match) {
    xt_conntrack_mtinfo3 data{};
    data.match_flags = XT_CONNTRACK_STATE;
    data.invert_flags = match.negated ? XT_CONNTRACK_STATE : 0;
    data.state_mask = match.states;
    write(iptc::kConntrack, data);
  }

  void operator()(const MarkMatch& match) {
    xt_mark_mtinfo1 data;
    std::memset(&data, 0, sizeof(data));  // its padding, too: the kernel keeps and shows every byte
    data.mark = match.value;
    data.mask = match.mask;
    data.invert = static_cast<std::uint8_t>(match.negated);
    write(iptc::kMark, data);
  }

  void operator()(const LocalAddress& match) {
    const bool source = match.side == LocalAddress::Side::kSource;
    const std::uint16_t local = XT_ADDRTYPE_LOCAL;
    write(iptc::kAddressType,
          xt_addrtype_info_v1{
              source ? local : std::uint16_t{0}, source ? std::uint16_t{0} : local, 0});
  }

  void operator()(const Probability& match) {
    xt_statistic_info data{};
    data.mode = XT_STATISTIC_MODE_RANDOM;
    data.u.random.probability = match.threshold;
    data.u.nth.count = match.threshold;  // iptables leaves this there; the kernel does not look
    write(iptc::kStatistic, data);
  }

  void operator()(const Recent& match) {
    xt_recent_mtinfo_v1 data{};
    data.seconds = match.seconds;
    data.check_set =
        match.action == Recent::Action::kSet ? XT_RECENT_SET : XT_RECENT_CHECK | XT_RECENT_REAP;
    copy_name(data.name, match.list.view());
    data.side = XT_RECENT_SOURCE;
    std::memset(&data.mask, 0xff, family_ == Family::kIpv4 ? 4 : 16);
    write(iptc::kRecent, data);
  }

  void operator()(const AccountingObject& match) {
    xt_nfacct_match_info_v1 data{};
    copy_name(data.name, match.name);
    write(iptc::kAccounting, data);
  }

  void operator()(const OtherMatch&) { reading_only(); }

  /// Verdicts, jumps and no target at all differ by their label only.
  template <typename Labelled>
  void operator()(const Labelled&) {
    write(iptc::kStandard, 0);
  }

  void operator()(const Reject&) {
    if (family_ == Family::kIpv4) {
      write(iptc::kReject, ipt_reject_info{IPT_ICMP_PORT_UNREACHABLE});
    } else {
      write(iptc::kReject6, ip6t_reject_info{IP6T_ICMP6_PORT_UNREACH});
    }
  }

  void operator()(const SetMark& target) {
    write(iptc::kSetMark, xt_mark_tginfo2{target.value, target.mask});
  }

  void operator()(const Masquerade& target) {
    const unsigned flags = target.random_fully ? NF_NAT_RANGE_PROTO_RANDOM_FULLY : 0;
    if (family_ == Family::kIpv4) {
      nf_nat_ipv4_multi_range_compat data{};
      data.rangesize = 1;
      data.range[0].flags = flags;
      write(iptc::kMasquerade, data);
    } else {
      nf_nat_range data{};
      data.flags = flags;
      write(iptc::kMasquerade6, data);
    }
  }

  void operator()(const Dnat& target) {
    nf_nat_range2 data{};
    data.flags = NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED;
    write_address(data.min_addr, target.destination.address);
    data.max_addr = data.min_addr;
    data.min_proto.all = htons(target.destination.port);
    data.max_proto = data.min_proto;
    write(iptc::kDnat, data);
  }

  void operator()(const OtherTarget&) { reading_only(); }

 private:
  void write_ports(Protocol protocol, const PortPair& ports) {
    switch (protocol) {
      case Protocol::kTcp:
        write_ports(iptc::kTcp, ports);
        return;
      case Protocol::kUdp:
        write_ports(iptc::kUdp, ports);
        return;
      case Protocol::kSctp:
        write_sctp(ports);
    }
  }

  template <typename T>
  void write_ports(const iptc::Extension<T>& extension, const PortPair& ports) {
    T data{};
    std::copy(kAnyPort.begin(), kAnyPort.end(), data.spts);
    std::copy(ports.begin(), ports.end(), data.dpts);
    write(extension, data);
  }

  void write_sctp(const PortPair& ports) {
    iptc::SctpInfo data{};
    if (ports != kAnyPort) {
      std::copy(ports.begin(), ports.end(), data.destination);
      data.flags = iptc::SctpInfo::kDestinationPorts;
    }
    for (auto& chunk : data.flag_info) {
      chunk.type = 0xff;
    }
    write(iptc::kSctp, data);
  }

  template <typename T>
  void write(const iptc::Extension<T>& extension, const T& data) {
    // Matches and targets have the same header.
    xt_entry_match header{};
    header.u.user.match_size = static_cast<std::uint16_t>(extension.size());
    header.u.user.revision = extension.revision;
    copy_name(header.u.user.name, extension.name);
    std::fill_n(out_.begin(), extension.size(), std::uint8_t{0});
    store(out_, header);
    store(out_.subspan(sizeof(header)), data);
    out_ = out_.subspan(extension.size());
  }

  Bytes out_;
  Family family_;
};

}  // namespace

std::size_t entry_size(const Rule& rule, Family family) {
  return target_offset_of(rule, family) + size_of(rule.target, family);
}

std::optional<std::string_view> target_label(const Rule& rule) {
  using Label = std::optional<std::string_view>;
  return std::visit(Overload{[](const auto&) { return Label(); },
                             [](const FallThrough&) { return Label(""); },
                             [](const Accept&) { return Label("ACCEPT"); },
                             [](const Drop&) { return Label("DROP"); },
                             [](const Return&) { return Label("RETURN"); },
                             [](const Jump& jump) { return Label(jump.chain.view()); }},
                    rule.target);
}

void encode(const Rule& rule, Family family, std::span<std::uint8_t> out) {
  write_header(out, rule, family, target_offset_of(rule, family));
  ExtensionWriter writer(out.subspan(iptc::header_size(family)), family);
  for (const Match& match : rule.matches) {
    std::visit(writer, match);
  }
  std::visit(writer, rule.target);
}

}  // namespace rules
