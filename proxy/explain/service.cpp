#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "proxy/explain/explain.h"
#include "proxy/explain/question.h"
#include "proxy/explain/reach.h"
#include "rules/names.h"
#include "rules/topology.h"

namespace proxy {
namespace {

using rules::ChainId;
using rules::ChainName;
using rules::Endpoint;
using rules::EndpointSelection;
using rules::Section;
using rules::ServicePort;
using rules::Table;

bool contains(const std::vector<std::uint32_t>& positions, std::size_t position) {
  return std::binary_search(positions.begin(), positions.end(), position);
}

/// `scope`: where a ready endpoint would have to be missing for a terminating one to be used.
std::string why_unusable(const Endpoint& endpoint, std::string_view scope) {
  if (endpoint.terminating) {
    return endpoint.serving
               ? fmt::format("terminating, used only while no endpoint {}is ready", scope)
               : "terminating and no longer serving";
  }
  return "not ready";
}

std::string why_not_hinted(const Endpoint& endpoint,
                           EndpointSelection::Topology topology,
                           const rules::Context& context) {
  const bool by_node = topology == EndpointSelection::Topology::kSameNode;
  return fmt::format("hinted for {} {}; this node is {}",
                     by_node ? "node" : "zone",
                     fmt::join(by_node ? endpoint.node_hints : endpoint.zone_hints, ", "),
                     by_node ? context.node_name : "in zone " + context.zone);
}

std::string why_not_cluster(const Endpoint& endpoint,
                            const EndpointSelection& selection,
                            const rules::Context& context) {
  return endpoint.ready ? why_not_hinted(endpoint, selection.topology, context)
                        : why_unusable(endpoint, "");
}

std::string why_not_local(const Endpoint& endpoint) {
  return endpoint.local ? why_unusable(endpoint, "on this node ") : "on another node";
}

/// Why the endpoint is left out of traffic that the service port has under one of the policies.
std::string why_not(const ServicePort& port,
                    std::size_t position,
                    const EndpointSelection& selection,
                    const rules::Context& context) {
  const Endpoint& endpoint = port.endpoints[position];
  const bool misses_cluster =
      rules::uses_cluster_endpoints(port) && !contains(selection.cluster, position);
  const bool misses_local =
      rules::uses_local_endpoints(port) && !contains(selection.local, position);
  if (!misses_cluster && !misses_local) {
    return {};
  }
  std::string cluster =
      misses_cluster ? why_not_cluster(endpoint, selection, context) : std::string();
  std::string local = misses_local ? why_not_local(endpoint) : std::string();
  if (cluster == local || !rules::uses_local_endpoints(port)) {
    return cluster;
  }
  if (!rules::uses_cluster_endpoints(port)) {
    return local;
  }
  return fmt::format("{}{}{}{}{}",
                     misses_cluster ? "Cluster: " : "",
                     cluster,
                     misses_cluster && misses_local ? "; " : "",
                     misses_local ? "Local: " : "",
                     local);
}

using Shares = std::map<rules::SocketAddress, double>;

Shares shares_in(const rules::Tables& tables, const ChainName& chain, rules::Protocol protocol) {
  const auto shares = rules::endpoint_shares(tables, chain, protocol);
  return {shares.begin(), shares.end()};
}

std::optional<double> share_of(const Shares& shares, const rules::SocketAddress& address) {
  const auto found = shares.find(address);
  return found == shares.end() ? std::nullopt : std::optional(found->second);
}

std::vector<EndpointUse> explain_endpoints(const ServiceExplanation& explanation,
                                           const rules::Tables& tables) {
  const ServicePort& port = *explanation.port;
  const rules::Context& context = *explanation.context;
  const EndpointSelection selection =
      rules::select_endpoints(port, context.node_name, context.zone);
  const rules::Protocol protocol = explanation.name.protocol;
  const Shares cluster = shares_in(tables, rules::cluster_policy_chain(explanation.name), protocol);
  const Shares local = shares_in(tables, rules::local_policy_chain(explanation.name), protocol);

  std::vector<EndpointUse> uses;
  for (std::size_t i = 0; i < port.endpoints.size(); ++i) {
    const rules::SocketAddress& address = port.endpoints[i].address;
    EndpointUse use{.endpoint = port.endpoints[i],
                    .chain = {},
                    .cluster_share = share_of(cluster, address),
                    .local_share = share_of(local, address),
                    .why_not = why_not(port, i, selection, context)};
    if (contains(selection.reachable, i) &&
        (context.layout == rules::Layout::kKubeProxy ||
         (port.client_ip_affinity && context.session_affinity))) {
      use.chain = rules::endpoint_chain(explanation.name, address);
    }
    uses.push_back(std::move(use));
  }
  return uses;
}

std::string shared_chain_purpose(const Section& section) {
  const std::string_view chain = section.chain.name.view();
  if (section.chain.table == Table::kNat) {
    return chain == rules::kNodePortsChain ? "takes what is addressed to its node port"
                                           : "takes what is addressed to its IP addresses";
  }
  if (chain == rules::kNodePortsChain) {
    return "accepts health checks of load balancers";
  }
  if (chain == rules::kProxyFirewallChain) {
    return "drops what the source ranges do not admit to its load balancer IPs";
  }
  const std::string_view addresses =
      chain == rules::kServicesChain ? "cluster IP" : "external addresses";
  return std::holds_alternative<rules::Reject>(section.rules.front().target)
             ? fmt::format("rejects what is sent to its {}: it has no endpoints", addresses)
             : fmt::format("drops what is sent to its {}: no endpoint is on this node", addresses);
}

std::string own_chain_purpose(const ServiceExplanation& explanation, const ChainName& chain) {
  const ServicePort& port = *explanation.port;
  const rules::ServicePortName& name = explanation.name;
  if (chain == rules::cluster_policy_chain(name)) {
    return "spreads traffic under policy Cluster over endpoints";
  }
  if (chain == rules::local_policy_chain(name)) {
    return "spreads traffic under policy Local over endpoints on this node";
  }
  if (chain == rules::firewall_chain(name)) {
    return "admits the source ranges to its load balancer IPs";
  }
  if (chain == rules::external_chain(name)) {
    return port.external_policy == rules::TrafficPolicy::kLocal
               ? "external addresses: from pods and this node to any endpoint, from others only to "
                 "endpoints on this node, with their source address kept"
               : "external addresses: masquerades, then as under policy Cluster";
  }
  for (const EndpointUse& use : explanation.endpoints) {
    if (chain == use.chain) {
      return "endpoint " + rules::to_string(use.endpoint.address);
    }
  }
  if (explanation.context->layout == rules::Layout::kCompact) {
    return "spreads traffic over some of the endpoints";
  }
  return {};
}

std::vector<ChainPurpose> explain_chains(const ServiceExplanation& explanation) {
  std::vector<ChainPurpose> purposes;
  for (const Section& section : explanation.block.entries) {
    if (!purposes.empty() && purposes.back().chain == section.chain) {
      purposes.back().rules += section.rules.size();  // of the other rank
    } else {
      purposes.push_back({section.chain, section.rules.size(), shared_chain_purpose(section)});
    }
  }
  const std::size_t shared = purposes.size();
  for (const Section& section : explanation.block.chains) {
    purposes.push_back(
        {section.chain, section.rules.size(), own_chain_purpose(explanation, section.chain.name)});
  }
  std::stable_partition(purposes.begin() + static_cast<std::ptrdiff_t>(shared),
                        purposes.end(),
                        [](const ChainPurpose& purpose) {
                          return !purpose.chain.name.view().starts_with("KUBE-SEP-");
                        });
  return purposes;
}

}  // namespace

std::vector<ServiceExplanation> explain_service(const rules::Ruleset& ruleset,
                                                std::string_view service) {
  const ServiceQuestion question = parse_question(service);
  std::vector<ServiceExplanation> explanations;
  for (const auto& compiled : ruleset.services()) {
    if (!is_asked_for(question, compiled->name, *compiled->port)) {
      continue;
    }
    const rules::Tables tables = rules::to_tables(ruleset, *compiled);
    ServiceExplanation explanation{.name = compiled->name,
                                   .port = compiled->port,
                                   .context = ruleset.context(),
                                   .entrances = {},
                                   .chains = {},
                                   .endpoints = {},
                                   .block = ruleset.block(*compiled)};
    explanation.entrances =
        trace_entrances(tables, compiled->name, *compiled->port, *ruleset.context());
    explanation.endpoints = explain_endpoints(explanation, tables);
    explanation.chains = explain_chains(explanation);
    explanations.push_back(std::move(explanation));
  }
  return explanations;
}

}  // namespace proxy
