#include "rules/text.h"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "proxy/explain/explain.h"
#include "rules/names.h"

namespace proxy {
namespace {

constexpr std::string_view kBold = "1";
constexpr std::string_view kRed = "31";
constexpr std::string_view kGreen = "32";
constexpr std::string_view kDim = "2";

/// More ways than this of a packet are only counted: they differ in the endpoint.
constexpr std::size_t kWaysShown = 3;

class Painter {
 public:
  explicit Painter(Colour colour) : colour_(colour) {}

  std::string operator()(std::string_view text, std::string_view style) const {
    return colour_ == Colour::kNever || text.empty()
               ? std::string(text)
               : fmt::format("\x1b[{}m{}\x1b[0m", style, text);
  }

 private:
  Colour colour_;
};

std::string percent(double share) {
  return share < 0.0001 ? fmt::format("{:.6f} %", share * 100)
                        : fmt::format("{:.2f} %", share * 100);
}

std::string percent(const std::optional<double>& share) {
  return share ? percent(*share) : "-";
}

std::string_view policy_name(rules::TrafficPolicy policy) {
  return policy == rules::TrafficPolicy::kLocal ? "Local" : "Cluster";
}

std::string state_of(const rules::Endpoint& endpoint) {
  if (endpoint.terminating) {
    return endpoint.serving ? "terminating, serving" : "terminating";
  }
  return endpoint.ready ? "ready" : "not ready";
}

std::string fate(const Reach& reach, const Painter& paint) {
  if (reach.verdict != rules::Verdict::kAccept) {
    return paint(rules::to_string(reach.verdict), kRed);
  }
  if (reach.endpoints == 0) {
    return "not translated";
  }
  return fmt::format("{} {}{}{}",
                     paint(std::to_string(reach.endpoints), kGreen),
                     reach.endpoints == 1 ? "endpoint" : "endpoints",
                     reach.masqueraded ? ", masqueraded" : "",
                     paint(fmt::format("  ({})", reach.spread_by.view()), kDim));
}

/// "name   value" lines, names padded to one width.
void append_fact(std::string& out, std::string_view name, std::string_view value) {
  out += fmt::format("  {:<18}{}\n", name, value);
}

std::string accepting_addresses(const rules::Context& context) {
  if (!context.node_port_addresses) {
    return "every local address";
  }
  std::vector<std::string> addresses;
  for (const rules::IpAddress& address : *context.node_port_addresses) {
    addresses.push_back(rules::to_string(address));
  }
  return addresses.empty() ? "no address" : fmt::format("{}", fmt::join(addresses, ", "));
}

std::size_t ready_here(const rules::ServicePort& port) {
  return static_cast<std::size_t>(
      std::count_if(port.endpoints.begin(), port.endpoints.end(), [](const auto& endpoint) {
        return endpoint.local && endpoint.ready && !endpoint.terminating;
      }));
}

void append_settings(std::string& out, const ServiceExplanation& explanation) {
  const rules::ServicePort& port = *explanation.port;
  append_fact(out,
              "traffic policy",
              fmt::format("internal {}, external {}",
                          policy_name(port.internal_policy),
                          policy_name(port.external_policy)));
  if (port.node_port != 0) {
    append_fact(out,
                "node port",
                fmt::format("{} on {}", port.node_port, accepting_addresses(*explanation.context)));
  }
  if (port.client_ip_affinity && !explanation.context->session_affinity) {
    append_fact(out, "session affinity", "wanted by client IP, but this node cannot do that");
  } else if (port.client_ip_affinity) {
    append_fact(out,
                "session affinity",
                fmt::format("by client IP, {} s: a client stays where its first connection went",
                            *port.client_ip_affinity));
  }
  if (!port.source_ranges.empty()) {
    std::vector<std::string> ranges;
    for (const rules::Cidr& range : port.source_ranges) {
      ranges.push_back(rules::to_string(range));
    }
    append_fact(
        out,
        "source ranges",
        fmt::format("{} (for load balancer IPs, not for the node port)", fmt::join(ranges, ", ")));
  }
  if (port.health_check_node_port != 0) {
    append_fact(
        out,
        "health check",
        fmt::format(
            "node port {}, {} ready on this node", port.health_check_node_port, ready_here(port)));
  }
}

void append_entrances(std::string& out,
                      const ServiceExplanation& explanation,
                      const Painter& paint) {
  out += paint("\nWho gets where\n", kBold);
  for (const Entrance& entrance : explanation.entrances) {
    out +=
        fmt::format("  {:<18}{}\n", to_string(entrance.kind), rules::to_string(entrance.address));
    for (const Reach& reach : entrance.reach) {
      out += fmt::format(
          "    {:<16}{}\n", fmt::format("{}:", to_string(reach.sender)), " " + fate(reach, paint));
    }
  }
}

void append_endpoints(std::string& out,
                      const ServiceExplanation& explanation,
                      const Painter& paint) {
  std::size_t width = 10;
  for (const EndpointUse& use : explanation.endpoints) {
    width = std::max(width, rules::to_string(use.endpoint.address).size() + 2);
  }
  out += paint(fmt::format("\n{:<{}}{:<11}{:<22}{:>10}{:>11}\n",
                           "Endpoints",
                           width + 2,
                           "node",
                           "state",
                           "Cluster",
                           "Local"),
               kBold);
  for (const EndpointUse& use : explanation.endpoints) {
    out += fmt::format("  {:<{}}{:<11}{:<22}{:>10}{:>11}{}\n",
                       rules::to_string(use.endpoint.address),
                       width,
                       use.endpoint.local ? "this" : "another",
                       state_of(use.endpoint),
                       percent(use.cluster_share),
                       percent(use.local_share),
                       use.why_not.empty() ? "" : "  " + paint(use.why_not, kDim));
  }
  if (explanation.endpoints.empty()) {
    out += "  none\n";
  }
}

void append_chains(std::string& out, const ServiceExplanation& explanation, const Painter& paint) {
  out += paint("\nChains\n", kBold);
  for (const ChainPurpose& chain : explanation.chains) {
    out += fmt::format("  {:<7}{:<26}{:>5} {:<6} {}\n",
                       rules::to_string(chain.chain.table),
                       chain.chain.name.view(),
                       chain.rules,
                       chain.rules == 1 ? "rule" : "rules",
                       chain.purpose);
  }
}

/// Where the packet ends: "10.0.0.1:80", "REJECT", "its own destination".
std::string destiny(const rules::Outcome& outcome) {
  if (outcome.verdict != rules::Verdict::kAccept) {
    return std::string(rules::to_string(outcome.verdict));
  }
  return outcome.endpoint ? rules::to_string(*outcome.endpoint) : "its own destination";
}

std::string outcome_line(const rules::Outcome& outcome, const Painter& paint) {
  const bool accepted = outcome.verdict == rules::Verdict::kAccept;
  std::string text = fmt::format("  {:>10}  {}",
                                 rules::is_certain(outcome) ? percent(outcome.at_most) : "?",
                                 paint(destiny(outcome), accepted ? kGreen : kRed));
  if (accepted) {
    text += outcome.masqueraded ? ", masqueraded" : ", source address kept";
    text += outcome.delivered_here ? ", on this node" : "";
    text += outcome.untracked ? ", untracked: no connection, so no nat" : "";
  }
  if (rules::is_left_alone(outcome) && !outcome.untracked) {
    text += ", no rule decides";
  }
  return text + "\n";
}

/// An empty chain of a table that did nothing says nothing.
bool is_idle(const rules::Step& step) {
  return step.number == 0 && step.chain.table != rules::Table::kFilter;
}

void append_way(std::string& out,
                const rules::Outcome& outcome,
                const PacketExplanation& explanation,
                const Painter& paint) {
  std::optional<rules::ChainId> chain;
  std::size_t jumps = 0;
  for (const rules::Step& step : outcome.path) {
    if (is_idle(step) && chain != step.chain) {
      continue;
    }
    if (step.number != 0 && rules::leads_on(step.rule)) {
      ++jumps;
      continue;
    }
    if (const std::size_t passed = std::exchange(jumps, 0); passed > 0) {
      out += fmt::format("  {}\n", paint(fmt::format("a tree of chains, {} down", passed), kDim));
    }
    if (chain != step.chain) {
      chain = step.chain;
      out += fmt::format("  {}\n", paint(rules::to_string(step.chain), kBold));
    }
    if (step.number == 0) {
      const bool stopped =
          outcome.verdict == rules::Verdict::kDrop && &step == &outcome.path.back();
      out += fmt::format("    {:>5}  policy {}\n", "", stopped ? "DROP" : "ACCEPT");
      continue;
    }
    out += fmt::format("    {:>5}  {}{}\n",
                       step.number,
                       rules::to_string(step.rule, explanation.family),
                       step.is_doubtful  ? paint("  [if its condition holds]", kDim)
                       : step.chance < 1 ? paint("  [taken by " + percent(step.chance) + "]", kDim)
                                         : "");
  }
}

}  // namespace

std::string to_text(const ServiceExplanation& explanation, Colour colour) {
  const Painter paint(colour);
  std::string out = paint(fmt::format("{} ({}, {})",
                                      rules::to_string(explanation.name),
                                      rules::to_string(explanation.name.protocol),
                                      rules::to_string(explanation.context->family)),
                          kBold);
  out += fmt::format(" on node {}\n", explanation.context->node_name);
  append_settings(out, explanation);
  append_entrances(out, explanation, paint);
  append_endpoints(out, explanation, paint);
  append_chains(out, explanation, paint);
  return out;
}

std::string to_text(const PacketExplanation& explanation, Colour colour) {
  const Painter paint(colour);
  const rules::Packet& packet = explanation.packet;
  std::string out =
      paint(fmt::format("{} to {}/{}{}",
                        rules::to_string(packet.source),
                        rules::to_string(packet.destination),
                        rules::to_string(packet.protocol),
                        packet.in_interface.empty() ? "" : " through " + packet.in_interface),
            kBold) +
      "\n";
  const std::vector<rules::Outcome>& outcomes = explanation.trace.outcomes;
  for (const rules::Outcome& outcome : outcomes) {
    out += outcome_line(outcome, paint);
  }
  for (std::size_t i = 0; i < std::min(outcomes.size(), kWaysShown); ++i) {
    out += paint(
        outcomes.size() == 1
            ? "\nHop by hop\n"
            : fmt::format(
                  "\nHop by hop, {} of {}: {}\n", i + 1, outcomes.size(), destiny(outcomes[i])),
        kBold);
    append_way(out, outcomes[i], explanation, paint);
  }
  if (outcomes.size() > kWaysShown) {
    out += fmt::format("\n{} more ways are in the JSON output.\n", outcomes.size() - kWaysShown);
  }
  for (const std::string& note : explanation.trace.notes) {
    out += fmt::format("note: {}\n", note);
  }
  return out;
}

}  // namespace proxy
