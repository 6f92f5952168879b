#include "rules/judge.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "rules/foreign_match.h"

namespace rules {
namespace {

constexpr double kProbabilityUnit = 1.0 / 2147483648.0;

bool contains(const std::optional<Negatable<Cidr>>& condition, const IpAddress& address) {
  return !condition || condition->value.contains(address) != condition->negated;
}

/// Whether a packet came in as the rule says. One whose interface is not known came from another
/// host, and so not through lo.
Answer names(const Negatable<std::string>& condition, const PacketView& packet) {
  if (packet.interface_is_unknown && condition.value != "lo") {
    return Answer::kUnknown;
  }
  return answer(fits_interface(condition.value, packet.in_interface) != condition.negated);
}

std::string_view next_word(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  const std::size_t length = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, length);
  text.remove_prefix(length);
  return word;
}

/// The word after `option`, or empty.
std::string_view value_of(std::string_view text, std::string_view option) {
  for (std::string_view word = next_word(text); !word.empty(); word = next_word(text)) {
    if (word == option) {
      return next_word(text);
    }
  }
  return {};
}

/// Everything but probability.
class Condition {
 public:
  explicit Condition(const PacketView& packet) : packet_(packet) {}

  Answer operator()(const Comment&) const { return Answer::kYes; }

  Answer operator()(const TransportPort& match) const {
    return answer(match.protocol == packet_.protocol &&
                  (!match.destination || *match.destination == packet_.destination.port));
  }

  Answer operator()(const PortRange& match) const {
    const std::uint16_t port = packet_.destination.port;
    return answer(match.protocol == packet_.protocol && match.first <= port && port <= match.last);
  }

  Answer operator()(const SourceIsDestination&) const {
    return answer(packet_.source == packet_.destination.address);
  }

  Answer operator()(const ConnectionState& match) const {
    return answer(((match.states & packet_.states) != 0) != match.negated);
  }

  Answer operator()(const MarkMatch& match) const {
    return answer(((packet_.mark & match.mask) == match.value) != match.negated);
  }

  Answer operator()(const LocalAddress& match) const {
    const bool source = match.side == LocalAddress::Side::kSource;
    return answer(
        is_local(source ? packet_.source : packet_.destination.address, packet_.local_addresses));
  }

  Answer operator()(const Probability&) const { return Answer::kYes; }

  Answer operator()(const Recent& match) const {
    return match.action == Recent::Action::kSet ? Answer::kYes : Answer::kUnknown;
  }

  Answer operator()(const AccountingObject&) const { return Answer::kYes; }

  Answer operator()(const OtherMatch& match) const { return judge_foreign(match.text, packet_); }

 private:
  const PacketView& packet_;
};

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0) {
    return std::nullopt;
  }
  return port;
}

ForeignEffect partial_nat(std::string_view options) {
  if (const auto port = parse_port(value_of(options, "--to-ports"))) {
    return PartialNat{std::nullopt, *port};
  }
  if (const auto address = IpAddress::parse(value_of(options, "--to-destination"))) {
    return PartialNat{*address, 0};
  }
  return UnknownEffect{};
}

}  // namespace

Judgement judge(const Rule& rule, const PacketView& packet) {
  const bool addressed = contains(rule.destination, packet.destination.address) &&
                         (!rule.protocol || *rule.protocol == packet.protocol) &&
                         contains(rule.source, packet.source) &&
                         (!rule.in_interface || names(*rule.in_interface, packet) != Answer::kNo);
  if (!addressed) {
    return {};
  }
  Judgement judgement{.chance = 1, .doubts = {}, .notes = {}};
  for (const Match& match : rule.matches) {
    const Answer holds = std::visit(Condition(packet), match);
    if (holds == Answer::kNo) {
      return {};
    }
    const auto* other = std::get_if<OtherMatch>(&match);
    if (holds == Answer::kUnknown && other != nullptr) {
      judgement.doubts.push_back(other->text);
    } else if (holds == Answer::kUnknown) {
      judgement.chance = 0;
      judgement.notes.emplace_back("recent lists are taken as empty: no session affinity yet");
    } else if (const auto* probability = std::get_if<Probability>(&match)) {
      judgement.chance *= std::min(1.0, probability->threshold * kProbabilityUnit);
    }
  }
  if (rule.in_interface && names(*rule.in_interface, packet) == Answer::kUnknown) {
    judgement.doubts.push_back(
        fmt::format("{}-i {}", rule.in_interface->negated ? "! " : "", rule.in_interface->value));
  }
  return judgement;
}

ForeignEffect effect_of(const OtherTarget& target) {
  // Targets of xtables that let the packet go on and change nothing that our walk looks at.
  constexpr std::array<std::string_view, 22> kHarmless = {
      "LOG",    "NFLOG",       "ULOG", "AUDIT", "TRACE",   "CONNMARK", "CONNSECMARK", "SECMARK",
      "TCPMSS", "TCPOPTSTRIP", "DSCP", "TOS",   "TTL",     "CHECKSUM", "CLASSIFY",    "SET",
      "TEE",    "LED",         "HL",   "ECN",   "RATEEST", "IDLETIMER"};

  std::string_view options = target.text;
  const std::string_view verb = next_word(options);
  const std::string_view name = next_word(options);
  if (verb == "-g" && !name.empty()) {
    return Goto{ChainName(name)};
  }
  if (name == "NOTRACK" || name == "CT") {
    return target.text.ends_with("--notrack") || name == "NOTRACK" ? ForeignEffect(Untrack{})
                                                                   : ForeignEffect(NoEffect{});
  }
  if (name == "SNAT" || name == "MASQUERADE") {
    return SourceNat{};
  }
  if (name == "DNAT" || name == "REDIRECT") {
    return partial_nat(options);
  }
  if (name == "REJECT") {
    return Reject{};
  }
  if (std::find(kHarmless.begin(), kHarmless.end(), name) != kHarmless.end()) {
    return NoEffect{};
  }
  return UnknownEffect{};
}

bool has_effect(const Target& target) {
  const auto* other = std::get_if<OtherTarget>(&target);
  return !std::holds_alternative<FallThrough>(target) &&
         (other == nullptr || !std::holds_alternative<NoEffect>(effect_of(*other)));
}

}  // namespace rules
