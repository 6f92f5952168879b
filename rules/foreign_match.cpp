#include "rules/foreign_match.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "rules/connection_states.h"

namespace rules {
namespace {

Answer negated_if(bool negated, Answer holds) {
  if (!negated || holds == Answer::kUnknown) {
    return holds;
  }
  return answer(holds == Answer::kNo);
}

Answer both(Answer left, Answer right) {
  if (left == Answer::kNo || right == Answer::kNo) {
    return Answer::kNo;
  }
  return left == Answer::kUnknown || right == Answer::kUnknown ? Answer::kUnknown : Answer::kYes;
}

Answer either(Answer left, Answer right) {
  return negated_if(true, both(negated_if(true, left), negated_if(true, right)));
}

/// One option of an extension: "! --dport 1:2".
struct Option {
  bool negated = false;
  std::string_view name;
  std::vector<std::string_view> values;

  std::string_view value() const { return values.empty() ? std::string_view() : values.front(); }
};

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(separator));
    text.remove_prefix(std::min(part.size() + 1, text.size()));
    if (!part.empty()) {
      parts.push_back(part);
    }
  }
  return parts;
}

std::vector<Option> options_of(std::span<const std::string_view> words) {
  std::vector<Option> options;
  bool negated = false;
  for (const std::string_view word : words) {
    if (word == "!") {
      negated = true;
    } else if (word.starts_with("--") || options.empty()) {
      options.push_back({.negated = std::exchange(negated, false), .name = word, .values = {}});
    } else {
      options.back().values.push_back(word);
    }
  }
  return options;
}

std::optional<unsigned> number(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value)
                                                                  : std::nullopt;
}

/// A port in a list of ports and ranges ("80,8000:8010"); `port` 0 is not known.
Answer is_in_ports(std::string_view list, std::uint16_t port) {
  Answer found = Answer::kNo;
  for (const std::string_view item : split(list, ',')) {
    const std::size_t colon = item.find(':');
    const auto first = number(item.substr(0, colon));
    const auto last = colon == std::string_view::npos ? first : number(item.substr(colon + 1));
    if (!first || !last) {
      return Answer::kUnknown;
    }
    const bool is_any = *first <= 1 && *last == 65535;
    found = either(found,
                   is_any      ? Answer::kYes
                   : port == 0 ? Answer::kUnknown
                               : answer(port >= *first && port <= *last));
  }
  return found;
}

std::optional<std::uint8_t> flags_in(std::string_view list) {
  constexpr std::array<std::pair<std::string_view, std::uint8_t>, 8> kNames = {
      {{"FIN", TcpFlags::kFin},
       {"SYN", TcpFlags::kSyn},
       {"RST", TcpFlags::kRst},
       {"PSH", TcpFlags::kPsh},
       {"ACK", TcpFlags::kAck},
       {"URG", TcpFlags::kUrg},
       {"ALL", TcpFlags::kAll},
       {"NONE", 0}}};
  std::uint8_t flags = 0;
  for (const std::string_view name : split(list, ',')) {
    const auto found =
        std::ranges::find(kNames, name, [](const auto& entry) { return entry.first; });
    if (found == kNames.end()) {
      return std::nullopt;
    }
    flags = static_cast<std::uint8_t>(flags | found->second);
  }
  return flags;
}

Answer has_flags(const TcpFlags& packet, std::uint8_t mask, std::uint8_t wanted) {
  const auto known = static_cast<std::uint8_t>(packet.known & mask);
  if ((packet.set & known) != (wanted & known) || (wanted & ~mask) != 0) {
    return Answer::kNo;
  }
  return known == mask ? Answer::kYes : Answer::kUnknown;
}

Answer judge_flags(const Option& option, const TcpFlags& packet) {
  if (option.name == "--syn") {
    return has_flags(
        packet, TcpFlags::kFin | TcpFlags::kSyn | TcpFlags::kRst | TcpFlags::kAck, TcpFlags::kSyn);
  }
  const auto mask = flags_in(option.value());
  const auto wanted = option.values.size() == 2 ? flags_in(option.values[1]) : std::nullopt;
  return mask && wanted ? has_flags(packet, *mask, *wanted) : Answer::kUnknown;
}

Answer judge_transport(const Option& option, const PacketView& packet) {
  if (option.name == "--dport") {
    return is_in_ports(option.value(), packet.destination.port);
  }
  if (option.name == "--sport") {
    return is_in_ports(option.value(), packet.source_port);
  }
  if (option.name == "--tcp-flags" || option.name == "--syn") {
    return judge_flags(option, packet.tcp_flags);
  }
  return Answer::kUnknown;
}

Answer judge_multiport(const Option& option, const PacketView& packet) {
  const Answer destination = is_in_ports(option.value(), packet.destination.port);
  if (option.name == "--dports") {
    return destination;
  }
  const Answer source = is_in_ports(option.value(), packet.source_port);
  if (option.name == "--sports") {
    return source;
  }
  return option.name == "--ports" ? either(source, destination) : Answer::kUnknown;
}

Answer judge_state(const Option& option, const PacketView& packet) {
  if (option.name == "--ctdir") {
    const bool is_reply_possible = (packet.states & ConnectionState::kNew) == 0;
    return is_reply_possible ? Answer::kUnknown : answer(option.value() == "ORIGINAL");
  }
  if (option.name != "--state" && option.name != "--ctstate") {
    return Answer::kUnknown;
  }
  const auto states = parse_connection_states(option.value());
  return states ? answer((*states & packet.states) != 0) : Answer::kUnknown;
}

bool is_multicast(const IpAddress& address) {
  return address.family() == Family::kIpv4 ? Cidr::parse("224.0.0.0/4")->contains(address)
                                           : Cidr::parse("ff00::/8")->contains(address);
}

/// Types that a route to the address would tell.
Answer has_routed_type(const IpAddress& address, std::string_view type, const PacketView& packet) {
  const bool local = is_local(address, packet.local_addresses);
  if (type == "LOCAL") {
    return answer(local);
  }
  return local || is_multicast(address) ? Answer::kNo : Answer::kUnknown;
}

/// Any of the types, as the kernel has it in IPv4.
Answer has_any_type(const IpAddress& address, std::string_view types, const PacketView& packet) {
  Answer found = Answer::kNo;
  for (const std::string_view type : split(types, ',')) {
    found = either(found,
                   type == "MULTICAST" ? answer(is_multicast(address))
                                       : has_routed_type(address, type, packet));
  }
  return found;
}

/// In IPv6 the kernel wants all types that the address itself tells, and any of the others; and a
/// local address is a unicast address, too (xt_addrtype.c, match_type6()).
Answer has_types_of_ipv6(const IpAddress& address,
                         std::string_view types,
                         const PacketView& packet) {
  const bool is_unspecified = Cidr::parse("::/128")->contains(address);
  const bool is_unicast = !is_unspecified && !is_multicast(address) &&
                          !Cidr::parse("::ffff:0.0.0.0/96")->contains(address);
  Answer of_address = Answer::kYes;
  std::optional<Answer> of_route;
  for (const std::string_view type : split(types, ',')) {
    if (type == "MULTICAST") {
      of_address = both(of_address, answer(is_multicast(address)));
    } else if (type == "UNICAST") {
      of_address = both(of_address, answer(is_unicast));
    } else if (type == "UNSPEC") {
      of_address = both(of_address, answer(is_unspecified));
    } else {
      of_route = either(of_route.value_or(Answer::kNo), has_routed_type(address, type, packet));
    }
  }
  return both(of_address, of_route.value_or(Answer::kYes));
}

Answer judge_addrtype(const Option& option, const PacketView& packet) {
  if (option.name != "--src-type" && option.name != "--dst-type") {
    return Answer::kUnknown;
  }
  const IpAddress& address =
      option.name == "--src-type" ? packet.source : packet.destination.address;
  return address.family() == Family::kIpv4 ? has_any_type(address, option.value(), packet)
                                           : has_types_of_ipv6(address, option.value(), packet);
}

Answer judge_range(const Option& option, const PacketView& packet) {
  const std::size_t dash = std::min(option.value().find('-'), option.value().size());
  const auto first = IpAddress::parse(option.value().substr(0, dash));
  const auto last =
      dash == option.value().size() ? first : IpAddress::parse(option.value().substr(dash + 1));
  const bool is_source = option.name == "--src-range";
  if (!first || !last || (!is_source && option.name != "--dst-range")) {
    return Answer::kUnknown;
  }
  const IpAddress& address = is_source ? packet.source : packet.destination.address;
  return answer(!(address < *first) && !(*last < address));
}

using JudgeOption = Answer (*)(const Option& option, const PacketView& packet);

/// Null for extensions that nothing is known of.
JudgeOption judge_of(std::string_view extension) {
  constexpr std::array<std::pair<std::string_view, JudgeOption>, 8> kExtensions = {
      {{"tcp", judge_transport},
       {"udp", judge_transport},
       {"sctp", judge_transport},
       {"multiport", judge_multiport},
       {"state", judge_state},
       {"conntrack", judge_state},
       {"addrtype", judge_addrtype},
       {"iprange", judge_range}}};
  const auto found =
      std::ranges::find(kExtensions, extension, [](const auto& entry) { return entry.first; });
  return found == kExtensions.end() ? nullptr : found->second;
}

Answer judge_extension(std::span<const std::string_view> words, const PacketView& packet) {
  const std::string_view extension = words.empty() ? std::string_view() : words.front();
  if (const auto protocol = parse_protocol(extension); protocol && *protocol != packet.protocol) {
    return Answer::kNo;
  }
  const JudgeOption judge = judge_of(extension);
  if (judge == nullptr) {
    return Answer::kUnknown;
  }
  Answer holds = Answer::kYes;
  for (const Option& option : options_of(words.subspan(1))) {
    holds = both(holds, negated_if(option.negated, judge(option, packet)));
  }
  return holds;
}

bool is_protocol(std::string_view name, Protocol protocol) {
  constexpr unsigned kTcp = 6;
  constexpr unsigned kUdp = 17;
  constexpr unsigned kSctp = 132;
  const unsigned own = protocol == Protocol::kTcp   ? kTcp
                       : protocol == Protocol::kUdp ? kUdp
                                                    : kSctp;
  return name == "all" || name == to_string(protocol) || number(name) == own || number(name) == 0;
}

Answer judge_rule_option(std::string_view option,
                         std::string_view value,
                         const PacketView& packet) {
  if (option == "-p") {
    return answer(is_protocol(value, packet.protocol));
  }
  if (option == "-f") {
    return Answer::kNo;  // connection tracking puts fragments together before any rule
  }
  if (option == "-o" && !packet.out_interface.empty()) {
    return answer(fits_interface(value, packet.out_interface));
  }
  return Answer::kUnknown;
}

}  // namespace

Answer judge_foreign(std::string_view text, const PacketView& packet) {
  const std::vector<std::string_view> words = split(text, ' ');
  std::span<const std::string_view> rest(words);
  const bool negated = !rest.empty() && rest.front() == "!";
  rest = rest.subspan(negated ? 1 : 0);
  if (rest.empty()) {
    return Answer::kUnknown;
  }
  if (rest.front() == "-m") {
    return judge_extension(rest.subspan(1), packet);
  }
  const std::string_view value = rest.size() > 1 ? rest[1] : std::string_view();
  const bool is_whole = rest.size() <= 2;  // else a rule that could not be read
  return is_whole ? negated_if(negated, judge_rule_option(rest.front(), value, packet))
                  : Answer::kUnknown;
}

}  // namespace rules
