#include <map>
#include <set>

#include <fmt/format.h>

#include "proxy/explain/explain.h"
#include "proxy/text/json.h"

namespace proxy {
namespace {

/// Graphviz reads the escapes of a JSON string that names of ours can contain.
std::string quoted(std::string_view text) {
  return to_json(text);
}

std::string percent(double share) {
  return fmt::format("{:.2f} %", share * 100);
}

/// Collects the edges of a digraph and prints each once.
class Digraph {
 public:
  explicit Digraph(std::string_view title) : title_(title) {}

  void endpoint(const std::string& name, std::string_view label) {
    statement(fmt::format("{} [shape=ellipse, label={}]", quoted(name), quoted(label)));
  }

  void edge(const std::string& from,
            const std::string& to,
            std::string_view label,
            std::string_view style = "solid") {
    statement(fmt::format(
        "{} -> {} [label={}, style={}]", quoted(from), quoted(to), quoted(label), style));
  }

  std::string str() const {
    return fmt::format(
               "digraph {} {{\n  rankdir=LR;\n  node [shape=box, fontname=\"monospace\"];\n",
               quoted(title_)) +
           statements_ + "}\n";
  }

 private:
  void statement(const std::string& text) {
    if (seen_.insert(text).second) {
      statements_ += "  " + text + ";\n";
    }
  }

  std::string title_;
  std::string statements_;
  std::set<std::string> seen_;
};

/// What a rule asks for, in few words; the reader of a picture does not need match modules.
class Conditions {
 public:
  void operator()(const rules::Comment&) {}

  void operator()(const rules::TransportPort& match) {
    if (match.destination) {
      add(fmt::format("port {}", *match.destination));
    }
  }

  void operator()(const rules::ConnectionState&) {}

  void operator()(const rules::MarkMatch& match) { add(match.negated ? "not marked" : "marked"); }

  void operator()(const rules::LocalAddress& match) {
    add(match.side == rules::LocalAddress::Side::kSource ? "from this node" : "to this node");
  }

  void operator()(const rules::Probability&) {}

  void operator()(const rules::Recent& match) {
    if (match.action == rules::Recent::Action::kCheck) {
      add("seen before");
    }
  }

  void operator()(const rules::PortRange& match) {
    add(fmt::format("{} {}-{}", rules::to_string(match.protocol), match.first, match.last));
  }

  void operator()(const rules::SourceIsDestination&) { add("from itself"); }

  void operator()(const rules::AccountingObject&) {}

  void operator()(const rules::OtherMatch& match) { add(match.text); }

  void add(std::string_view text) {
    text_ += text_.empty() ? "" : "\n";
    text_ += text;
  }

  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

template <typename T>
std::string negatable(const rules::Negatable<T>& condition, std::string_view value) {
  return (condition.negated ? "not " : "") + std::string(value);
}

std::string conditions(const rules::Rule& rule) {
  Conditions conditions;
  if (rule.source) {
    conditions.add("from " + negatable(*rule.source, rules::to_string(rule.source->value)));
  }
  if (rule.in_interface) {
    conditions.add("in by " + negatable(*rule.in_interface, rule.in_interface->value));
  }
  if (rule.destination) {
    conditions.add("to " + negatable(*rule.destination, rules::to_string(rule.destination->value)));
  }
  for (const rules::Match& match : rule.matches) {
    std::visit(conditions, match);
  }
  return conditions.text();
}

/// Name of the node to which a rule leads; empty if it leads nowhere.
std::string destination_of(const rules::ChainId& chain, const rules::Rule& rule) {
  if (const rules::ChainName* target = rules::jump_target(rule)) {
    return rules::to_string(rules::ChainId{chain.table, *target});
  }
  if (const auto* dnat = std::get_if<rules::Dnat>(&rule.target)) {
    return rules::to_string(dnat->destination);
  }
  if (std::holds_alternative<rules::Accept>(rule.target)) {
    return "ACCEPT";
  }
  if (std::holds_alternative<rules::Drop>(rule.target)) {
    return "DROP";
  }
  if (std::holds_alternative<rules::Reject>(rule.target)) {
    return "REJECT";
  }
  return std::holds_alternative<rules::Masquerade>(rule.target) ? "MASQUERADE" : "";
}

void add_section(Digraph& graph,
                 const rules::Section& section,
                 const std::map<rules::ChainName, std::string>& shares) {
  for (const rules::Rule& rule : section.rules) {
    const std::string to = destination_of(section.chain, rule);
    if (to.empty()) {
      continue;
    }
    const rules::ChainName* target = rules::jump_target(rule);
    const auto share = target ? shares.find(*target) : shares.end();
    std::string label = conditions(rule);
    const bool by_affinity = label == "seen before";
    if (share != shares.end() && !by_affinity) {
      label = share->second;
    }
    graph.edge(rules::to_string(section.chain), to, label, by_affinity ? "dashed" : "solid");
  }
}

bool is_built_in(const rules::ChainId& chain) {
  static const rules::Tables kBuiltIn = rules::empty_tables(rules::Family::kIpv4);
  return kBuiltIn.chains.contains(chain);
}

/// Built-in chains follow each other by dotted edges; what a rule leads to hangs on its chain.
void add_way(Digraph& graph, const std::string& start, const rules::Outcome& outcome) {
  std::string hook = start;
  for (const rules::Step& step : outcome.path) {
    const std::string chain = rules::to_string(step.chain);
    if (is_built_in(step.chain) && chain != hook) {
      graph.edge(hook, chain, "", "dotted");
      hook = chain;
    }
    const std::string to = step.number == 0 ? "" : destination_of(step.chain, step.rule);
    if (!to.empty()) {
      const std::string chance = step.is_doubtful  ? "\nif its condition holds"
                                 : step.chance < 1 ? "\ntaken by " + percent(step.chance)
                                                   : "";
      graph.edge(chain, to, fmt::format("rule {}{}", step.number, chance));
    }
  }
  const std::string end =
      fmt::format("{}{}{}",
                  rules::to_string(outcome.verdict),
                  outcome.endpoint ? " " + rules::to_string(*outcome.endpoint) : "",
                  outcome.masqueraded ? ", masqueraded" : "");
  graph.endpoint(
      end, fmt::format("{}\n{}", end, rules::is_certain(outcome) ? percent(outcome.at_most) : "?"));
  graph.edge(hook, end, "", "dotted");
}

}  // namespace

std::string to_dot(const ServiceExplanation& explanation) {
  Digraph graph(rules::to_string(explanation.name));
  std::map<rules::ChainName, std::string> cluster_shares;
  std::map<rules::ChainName, std::string> local_shares;
  for (const EndpointUse& use : explanation.endpoints) {
    if (use.cluster_share) {
      cluster_shares[use.chain] = percent(*use.cluster_share);
    }
    if (use.local_share) {
      local_shares[use.chain] = percent(*use.local_share);
    }
    if (use.cluster_share || use.local_share) {
      const std::string address = rules::to_string(use.endpoint.address);
      graph.endpoint(address, address + (use.endpoint.local ? "\nthis node" : "\nanother node"));
    }
  }
  for (const auto* sections : {&explanation.block.entries, &explanation.block.chains}) {
    for (const rules::Section& section : *sections) {
      const bool local = section.chain.name.view().starts_with("KUBE-SVL-");
      add_section(graph, section, local ? local_shares : cluster_shares);
    }
  }
  return graph.str();
}

std::string to_dot(const PacketExplanation& explanation) {
  const rules::Packet& packet = explanation.packet;
  const std::string start = rules::to_string(packet.source);
  Digraph graph(start + " to " + rules::to_string(packet.destination));
  graph.endpoint(start, start);
  for (const rules::Outcome& outcome : explanation.trace.outcomes) {
    add_way(graph, start, outcome);
  }
  return graph.str();
}

}  // namespace proxy
