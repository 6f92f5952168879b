#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "rules/bpf_program.h"
#include "rules/connection_states.h"
#include "rules/rule_words.h"
#include "rules/text.h"

namespace rules {

namespace {

bool starts_group(std::string_view word) {
  constexpr std::array<std::string_view, 10> kOptions{
      "-m", "-j", "-g", "-s", "-d", "-i", "-o", "-p", "-f", "!"};
  return std::find(kOptions.begin(), kOptions.end(), word) != kOptions.end();
}

std::optional<std::uint32_t> parse_number(std::string_view text, int base = 10) {
  if (base == 16 && text.starts_with("0x")) {
    text.remove_prefix(2);
  }
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value)
                                                                  : std::nullopt;
}

/// "0x4000/0x4000" or "0x4000".
std::optional<std::pair<std::uint32_t, std::uint32_t>> parse_mark(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto value = parse_number(text.substr(0, slash), 16);
  const auto mask = slash == std::string_view::npos ? std::optional<std::uint32_t>(0xffffffff)
                                                    : parse_number(text.substr(slash + 1), 16);
  if (!value || !mask) {
    return std::nullopt;
  }
  return std::pair(*value, *mask);
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  const auto port = parse_number(text);
  return port && *port <= 65535 ? std::optional(static_cast<std::uint16_t>(*port)) : std::nullopt;
}

std::optional<Match> parse_transport(Words& words, Protocol protocol) {
  if (!words.take_if("--dport")) {
    return TransportPort{.protocol = protocol};
  }
  const std::string_view text = words.take_raw();
  const std::size_t colon = text.find(':');
  const auto first = parse_port(text.substr(0, colon));
  if (colon == std::string_view::npos) {
    return first ? std::optional<Match>(TransportPort{protocol, first}) : std::nullopt;
  }
  const auto last = parse_port(text.substr(colon + 1));
  return first && last && *first < *last ? std::optional<Match>(PortRange{protocol, *first, *last})
                                         : std::nullopt;
}

std::optional<Match> parse_bpf(Words& words, Family family) {
  return words.take_if("--bytecode") && words.take() == bpf_text(source_is_destination(family))
             ? std::optional<Match>(SourceIsDestination{})
             : std::nullopt;
}

std::optional<Match> parse_conntrack(Words& words) {
  const bool negated = words.take_if("!");
  if (!words.take_if("--ctstate")) {
    return std::nullopt;
  }
  const auto states = parse_connection_states(words.take_raw());
  return states ? std::optional<Match>(ConnectionState{*states, negated}) : std::nullopt;
}

std::optional<Match> parse_mark_match(Words& words) {
  const bool negated = words.take_if("!");
  if (!words.take_if("--mark")) {
    return std::nullopt;
  }
  const auto mark = parse_mark(words.take_raw());
  return mark ? std::optional<Match>(MarkMatch{mark->first, mark->second, negated}) : std::nullopt;
}

std::optional<Match> parse_addrtype(Words& words) {
  const bool source = words.take_if("--src-type");
  if ((!source && !words.take_if("--dst-type")) || !words.take_if("LOCAL")) {
    return std::nullopt;
  }
  return LocalAddress{source ? LocalAddress::Side::kSource : LocalAddress::Side::kDestination};
}

/// iptables multiplies with 2^31 and rounds; what it prints leads back to the same integer.
std::optional<Match> parse_statistic(Words& words) {
  if (!words.take_if("--mode") || !words.take_if("random") || !words.take_if("--probability")) {
    return std::nullopt;
  }
  const std::string_view text = words.take_raw();
  double probability = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), probability);
  if (error != std::errc() || end != text.data() + text.size() ||
      !(probability >= 0 && probability <= 1)) {
    return std::nullopt;
  }
  return Probability{static_cast<std::uint32_t>(std::llround(probability * 0x1p31))};
}

std::optional<Match> parse_recent(Words& words, Family family) {
  Recent match;
  if (!words.take_if("--set")) {
    match.action = Recent::Action::kCheck;
    if (!words.take_if("--rcheck") || !words.take_if("--seconds")) {
      return std::nullopt;
    }
    const auto seconds = parse_number(words.take_raw());
    if (!seconds || !words.take_if("--reap")) {
      return std::nullopt;
    }
    match.seconds = *seconds;
  }
  if (!words.take_if("--name") || words.raw().size() > ChainName::kMaxLength) {
    return std::nullopt;
  }
  match.list = ChainName(words.take_raw());
  const std::string_view mask =
      family == Family::kIpv4 ? "255.255.255.255" : "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  if (!words.take_if("--mask") || !words.take_if(mask) || !words.take_if("--rsource")) {
    return std::nullopt;
  }
  return match;
}

std::optional<Match> parse_known_match(Words& words, Family family) {
  const std::string_view name = words.take_raw();
  if (name == "comment") {
    if (!words.take_if("--comment") || words.done()) {
      return std::nullopt;
    }
    return Comment{words.take()};
  }
  if (const auto protocol = parse_protocol(name)) {
    return parse_transport(words, *protocol);
  }
  if (name == "bpf") {
    return parse_bpf(words, family);
  }
  if (name == "conntrack") {
    return parse_conntrack(words);
  }
  if (name == "mark") {
    return parse_mark_match(words);
  }
  if (name == "addrtype") {
    return parse_addrtype(words);
  }
  if (name == "statistic") {
    return parse_statistic(words);
  }
  if (name == "recent") {
    return parse_recent(words, family);
  }
  if (name == "nfacct" && words.take_if("--nfacct-name") && !words.done()) {
    return AccountingObject{words.take()};
  }
  return std::nullopt;
}

/// Everything up to the next group as text: `begin` is where the group starts.
OtherMatch take_other(Words& words, std::size_t begin) {
  while (!words.done() && (!starts_group(words.raw()) || words.raw() == "!")) {
    // "!" belongs to this group if an option of the group's extension follows it.
    Words next = words;
    next.take_raw();
    if (words.raw() == "!" && starts_group(next.raw())) {
      break;
    }
    words = next;
  }
  return OtherMatch{std::string(words.text_from(begin))};
}

Match parse_match(Words& words, Family family, std::size_t begin) {
  const Words start = words;
  auto match = parse_known_match(words, family);
  if (match && (words.done() || starts_group(words.raw()))) {
    // A "!" that follows may still belong to this match ("-m tcp --dport 1 ! --syn").
    Words next = words;
    if (words.raw() != "!" || (next.take_raw(), starts_group(next.raw()))) {
      return *match;
    }
  }
  words = start;
  words.take_raw();  // the extension's name
  return take_other(words, begin);
}

/// Extensions that are printed without options, and hence could be taken for chains.
bool is_extension_target(std::string_view name) {
  constexpr std::array<std::string_view, 25> kTargets{
      "AUDIT",   "CHECKSUM", "CLASSIFY", "CONNMARK", "CONNSECMARK", "CT",    "DSCP",
      "ECN",     "HL",       "LED",      "LOG",      "NETMAP",      "NFLOG", "NFQUEUE",
      "NOTRACK", "QUEUE",    "REDIRECT", "SECMARK",  "SET",         "SNAT",  "SYNPROXY",
      "TCPMSS",  "TEE",      "TPROXY",   "TRACE"};
  return std::find(kTargets.begin(), kTargets.end(), name) != kTargets.end();
}

std::optional<Target> parse_known_target(Words& words, Family family) {
  const std::string_view name = words.take_raw();
  if (name == "REJECT") {
    words.take_if("--reject-with");
    return words.take_if(family == Family::kIpv4 ? "icmp-port-unreachable"
                                                 : "icmp6-port-unreachable")
               ? std::optional<Target>(Reject{})
               : std::nullopt;
  }
  if (name == "MARK") {
    const auto mark = words.take_if("--set-xmark") ? parse_mark(words.take_raw()) : std::nullopt;
    return mark ? std::optional<Target>(SetMark{mark->first, mark->second}) : std::nullopt;
  }
  if (name == "MASQUERADE") {
    return Masquerade{words.take_if("--random-fully")};
  }
  if (name == "DNAT") {
    const auto to =
        words.take_if("--to-destination") ? SocketAddress::parse(words.take_raw()) : std::nullopt;
    return to ? std::optional<Target>(Dnat{*to}) : std::nullopt;
  }
  if (name == "ACCEPT") {
    return Accept{};
  }
  if (name == "DROP") {
    return Drop{};
  }
  if (name == "RETURN") {
    return Return{};
  }
  if (name.empty() || name.size() > ChainName::kMaxLength || is_extension_target(name)) {
    return std::nullopt;
  }
  return Jump{ChainName(name)};
}

/// What follows -j, to the end of the rule.
Target parse_target(Words& words, Family family, std::size_t begin) {
  if (auto target = parse_known_target(words, family); target && words.done()) {
    return *target;
  }
  while (!words.done()) {
    words.take_raw();
  }
  return OtherTarget{std::string(words.text_from(begin))};
}

/// -s or -d; iptables-save prints at most one of each. A mask that is no prefix is left to
/// OtherMatch.
bool parse_address(Words& words,
                   bool negated,
                   Family family,
                   std::optional<Negatable<Cidr>>& address) {
  const std::string_view text = words.raw();
  auto cidr = Cidr::parse(text);
  if (!cidr) {
    const auto host = IpAddress::parse(text);
    cidr = host ? std::optional(Cidr::host(*host)) : std::nullopt;
  }
  if (!cidr || cidr->address.family() != family || address) {
    return false;
  }
  words.take_raw();
  address = Negatable<Cidr>{*cidr, negated};
  return true;
}

/// "! -s": what a condition begins with.
struct Option {
  std::string_view name;
  bool negated;
};

/// A condition that stands before the matches: addresses, interface, protocol.
bool parse_head(Words& words, const Option& option, Family family, Rule& rule) {
  const auto& [name, negated] = option;
  if (name == "-s") {
    return parse_address(words, negated, family, rule.source);
  }
  if (name == "-d") {
    return parse_address(words, negated, family, rule.destination);
  }
  if (name == "-i" && !rule.in_interface) {
    rule.in_interface = Negatable<std::string>{words.take(), negated};
    return true;
  }
  if (name == "-p" && !negated && !rule.protocol) {
    rule.protocol = parse_protocol(words.raw());
    if (rule.protocol) {
      words.take_raw();
    }
    return rule.protocol.has_value();
  }
  return false;
}

}  // namespace

std::optional<Rule> parse_rule(std::string_view text, Family family) {
  Rule rule;
  Words words(text);
  while (!words.done()) {
    const std::size_t begin = words.begin();
    const bool negated = words.take_if("!");
    const std::string_view option = words.take_raw();
    if (!option.starts_with('-') || (words.done() && option != "-f")) {
      return std::nullopt;
    }
    if (option == "-j") {
      rule.target = parse_target(words, family, begin);
    } else if (option == "-g") {
      while (!words.done()) {
        words.take_raw();
      }
      rule.target = OtherTarget{std::string(words.text_from(begin))};
    } else if (option == "-m") {
      rule.matches.push_back(parse_match(words, family, begin));
    } else if (!parse_head(words, {option, negated}, family, rule)) {
      rule.matches.emplace_back(take_other(words, begin));
    }
  }
  return words.is_malformed() ? std::nullopt : std::optional(std::move(rule));
}

}  // namespace rules
