#include "rules/text.h"

#include <array>
#include <charconv>

#include <fmt/format.h>

#include "rules/bpf_program.h"

namespace rules {

namespace {

constexpr std::string_view kIpv4HostMask = "255.255.255.255";
constexpr std::string_view kIpv6HostMask = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";

struct StateName {
  std::uint16_t bit;
  std::string_view name;
};

// In the order in which iptables prints them.
constexpr std::array<StateName, 7> kStateNames{{{ConnectionState::kInvalid, "INVALID"},
                                                {ConnectionState::kNew, "NEW"},
                                                {ConnectionState::kRelated, "RELATED"},
                                                {ConnectionState::kEstablished, "ESTABLISHED"},
                                                {ConnectionState::kUntracked, "UNTRACKED"},
                                                {ConnectionState::kSnat, "SNAT"},
                                                {ConnectionState::kDnat, "DNAT"}}};

void append_hex(std::string& out, std::uint32_t number) {
  std::array<char, 8> buffer{};
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number, 16);
  out += "0x";
  out.append(buffer.data(), result.ptr);
}

/// iptables quotes a string unless it is made of letters, digits, "_" and "-", and escapes quotes
/// and backslashes.
void append_quoted(std::string& out, std::string_view text) {
  constexpr std::string_view kPlain =
      "_-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string_view::npos) {
    out += text;
    return;
  }
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\' || c == '\'') {
      out += '\\';
    }
    out += c;
  }
  out += '"';
}

/// The threshold in units of 2^-31 as a decimal fraction of 11 digits, rounded as printf does (half
/// to even).
void append_probability(std::string& out, std::uint32_t threshold) {
  constexpr std::uint64_t kMask = (std::uint64_t{1} << 31) - 1;
  const std::uint64_t high = std::uint64_t{threshold} * 100'000;  // five digits and the whole
  const std::uint64_t low = (high & kMask) * 1'000'000;           // six more
  std::uint64_t digits = (high >> 31) * 1'000'000 + (low >> 31);
  const std::uint64_t rest = low & kMask;
  constexpr std::uint64_t kHalf = std::uint64_t{1} << 30;
  if (rest > kHalf || (rest == kHalf && digits % 2 == 1)) {
    ++digits;
  }
  constexpr std::uint64_t kOne = 100'000'000'000;
  out += digits >= kOne ? "1." : "0.";
  std::array<char, 11> fraction{};
  digits %= kOne;
  for (auto digit = fraction.rbegin(); digit != fraction.rend(); ++digit) {
    *digit = static_cast<char>('0' + digits % 10);
    digits /= 10;
  }
  out.append(fraction.data(), fraction.size());
}

void append_states(std::string& out, std::uint16_t states) {
  bool first = true;
  for (const auto& [bit, name] : kStateNames) {
    if ((states & bit) != 0) {
      out += first ? "" : ",";
      out += name;
      first = false;
    }
  }
}

struct MatchPrinter {
  std::string& out;
  Family family;

  void operator()(const Comment& match) const {
    out += " -m comment --comment ";
    append_quoted(out, match.text);
  }

  void operator()(const TransportPort& match) const {
    out += " -m ";
    out += to_string(match.protocol);
    if (match.destination) {
      out += " --dport ";
      append(out, std::uint32_t{*match.destination});
    }
  }

  void operator()(const PortRange& match) const {
    fmt::format_to(std::back_inserter(out),
                   " -m {} --dport {}:{}",
                   to_string(match.protocol),
                   match.first,
                   match.last);
  }

  void operator()(const SourceIsDestination& /*match*/) const {
    out += " -m bpf --bytecode \"";
    out += bpf_text(source_is_destination(family));
    out += '"';
  }

  void operator()(const ConnectionState& match) const {
    out += match.negated ? " -m conntrack ! --ctstate " : " -m conntrack --ctstate ";
    append_states(out, match.states);
  }

  void operator()(const MarkMatch& match) const {
    out += match.negated ? " -m mark ! --mark " : " -m mark --mark ";
    append_hex(out, match.value);
    if (match.mask != 0xffffffff) {
      out += '/';
      append_hex(out, match.mask);
    }
  }

  void operator()(const LocalAddress& match) const {
    out += match.side == LocalAddress::Side::kSource ? " -m addrtype --src-type LOCAL"
                                                     : " -m addrtype --dst-type LOCAL";
  }

  void operator()(const Probability& match) const {
    out += " -m statistic --mode random --probability ";
    append_probability(out, match.threshold);
  }

  void operator()(const Recent& match) const {
    if (match.action == Recent::Action::kSet) {
      out += " -m recent --set";
    } else {
      out += " -m recent --rcheck --seconds ";
      append(out, match.seconds);
      out += " --reap";
    }
    out += " --name ";
    out += match.list.view();
    out += " --mask ";
    out += family == Family::kIpv4 ? kIpv4HostMask : kIpv6HostMask;
    out += " --rsource";
  }

  void operator()(const AccountingObject& match) const {
    out += " -m nfacct --nfacct-name  ";
    out += match.name;
  }

  void operator()(const OtherMatch& match) const {
    out += ' ';
    out += match.text;
  }
};

struct TargetPrinter {
  std::string& out;
  Family family;

  void operator()(const FallThrough& /*target*/) const {}

  void operator()(const Accept& /*target*/) const { out += " -j ACCEPT"; }

  void operator()(const Drop& /*target*/) const { out += " -j DROP"; }

  void operator()(const Return& /*target*/) const { out += " -j RETURN"; }

  void operator()(const Reject& /*target*/) const {
    out += family == Family::kIpv4 ? " -j REJECT --reject-with icmp-port-unreachable"
                                   : " -j REJECT --reject-with icmp6-port-unreachable";
  }

  void operator()(const Jump& target) const {
    out += " -j ";
    out += target.chain.view();
  }

  void operator()(const SetMark& target) const {
    out += " -j MARK --set-xmark ";
    append_hex(out, target.value);
    out += '/';
    append_hex(out, target.mask);
  }

  void operator()(const Masquerade& target) const {
    out += target.random_fully ? " -j MASQUERADE --random-fully" : " -j MASQUERADE";
  }

  void operator()(const Dnat& target) const {
    out += " -j DNAT --to-destination ";
    append(out, target.destination);
  }

  void operator()(const OtherTarget& target) const {
    out += ' ';
    out += target.text;
  }
};

void append_address(std::string& out,
                    std::string_view option,
                    const std::optional<Negatable<Cidr>>& address) {
  if (address) {
    out += address->negated ? " ! " : " ";
    out += option;
    out += ' ';
    append(out, address->value);
  }
}

}  // namespace

void append(std::string& out, const Rule& rule, Family family) {
  const std::size_t start = out.size();
  append_address(out, "-s", rule.source);
  append_address(out, "-d", rule.destination);
  if (rule.in_interface) {
    out += rule.in_interface->negated ? " ! -i " : " -i ";
    out += rule.in_interface->value;
  }
  if (rule.protocol) {
    out += " -p ";
    out += to_string(*rule.protocol);
  }
  for (const Match& match : rule.matches) {
    std::visit(MatchPrinter{out, family}, match);
  }
  std::visit(TargetPrinter{out, family}, rule.target);
  if (out.size() > start) {
    out.erase(start, 1);  // the blank that each part begins with
  }
}

std::string to_string(const Rule& rule, Family family) {
  std::string out;
  append(out, rule, family);
  return out;
}

SaveLine parse_save_line(std::string_view line) {
  if (!line.empty() && line.front() == '[') {
    const std::size_t end = line.find("] ");
    if (end == std::string_view::npos) {
      return {};
    }
    line.remove_prefix(end + 2);
  }
  const auto split = [](std::string_view text, SaveLine::Kind kind) {
    const std::size_t blank = text.find(' ');
    return SaveLine{kind,
                    text.substr(0, blank),
                    blank == std::string_view::npos ? std::string_view() : text.substr(blank + 1)};
  };
  if (line.starts_with("-A ")) {
    return split(line.substr(3), SaveLine::Kind::kRule);
  }
  if (line.starts_with(':')) {
    return split(line.substr(1), SaveLine::Kind::kChain);
  }
  if (line.starts_with('*')) {
    return split(line.substr(1), SaveLine::Kind::kTable);
  }
  return {line == "COMMIT" ? SaveLine::Kind::kCommit : SaveLine::Kind::kOther, {}, {}};
}

}  // namespace rules
