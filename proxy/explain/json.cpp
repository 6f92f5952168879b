#include "proxy/text/json.h"

#include <fmt/format.h>

#include "proxy/explain/explain.h"
#include "rules/text.h"

namespace proxy {
namespace {

template <typename T>
std::string printed(const T& value) {
  return to_json(rules::to_string(value));
}

std::string_view policy_name(rules::TrafficPolicy policy) {
  return policy == rules::TrafficPolicy::kLocal ? "Local" : "Cluster";
}

std::string reach_json(const Reach& reach) {
  return JsonObject()
      .text("from", to_string(reach.sender))
      .text("verdict", rules::to_string(reach.verdict))
      .number("endpoints", reach.endpoints)
      .flag("masqueraded", reach.masqueraded)
      .text("chain", reach.spread_by.view())
      .str();
}

std::string entrance_json(const Entrance& entrance) {
  return JsonObject()
      .text("kind", to_string(entrance.kind))
      .text("address", rules::to_string(entrance.address))
      .raw("reach", json_array(entrance.reach, reach_json))
      .str();
}

std::string endpoint_json(const EndpointUse& use) {
  const auto text = [](const std::string& hint) { return to_json(hint); };
  return JsonObject()
      .text("address", rules::to_string(use.endpoint.address))
      .flag("local", use.endpoint.local)
      .flag("ready", use.endpoint.ready)
      .flag("serving", use.endpoint.serving)
      .flag("terminating", use.endpoint.terminating)
      .raw("zoneHints", json_array(use.endpoint.zone_hints, text))
      .raw("nodeHints", json_array(use.endpoint.node_hints, text))
      .text("chain", use.chain.view())
      .number("clusterShare", use.cluster_share)
      .number("localShare", use.local_share)
      .text("whyNot", use.why_not)
      .str();
}

std::string chain_json(const ChainPurpose& chain) {
  return JsonObject()
      .text("table", rules::to_string(chain.chain.table))
      .text("name", chain.chain.name.view())
      .number("rules", chain.rules)
      .text("purpose", chain.purpose)
      .str();
}

std::string step_json(const rules::Step& step, rules::Family family) {
  JsonObject object;
  object.text("table", rules::to_string(step.chain.table)).text("chain", step.chain.name.view());
  if (step.number == 0) {
    object.flag("policy", true);
  } else {
    object.number("rule", step.number).text("text", rules::to_string(step.rule, family));
  }
  object.number("chance", step.chance);
  if (step.is_doubtful) {
    object.flag("ifConditionHolds", true);
  }
  return object.str();
}

std::string outcome_json(const rules::Outcome& outcome, rules::Family family) {
  return JsonObject()
      .text("verdict", rules::to_string(outcome.verdict))
      .raw("endpoint", outcome.endpoint ? printed(*outcome.endpoint) : "null")
      .number("share", rules::is_certain(outcome) ? std::optional(outcome.at_most) : std::nullopt)
      .number("atLeast", outcome.at_least)
      .number("atMost", outcome.at_most)
      .flag("masqueraded", outcome.masqueraded)
      .flag("deliveredHere", outcome.delivered_here)
      .flag("untracked", outcome.untracked)
      .flag("leftAlone", rules::is_left_alone(outcome))
      .raw("path",
           json_array(outcome.path,
                      [&](const rules::Step& step) { return step_json(step, family); }))
      .str();
}

}  // namespace

std::string to_json(const ServiceExplanation& explanation) {
  const rules::ServicePort& port = *explanation.port;
  JsonObject object;
  object.text("namespace", explanation.name.name_space)
      .text("service", explanation.name.service)
      .text("port", explanation.name.port)
      .text("protocol", rules::to_string(explanation.name.protocol))
      .text("family", rules::to_string(explanation.context->family))
      .text("node", explanation.context->node_name)
      .text("internalTrafficPolicy", policy_name(port.internal_policy))
      .text("externalTrafficPolicy", policy_name(port.external_policy))
      .number("nodePort", port.node_port)
      .number("healthCheckNodePort", port.health_check_node_port)
      .raw("clientIPAffinitySeconds",
           port.client_ip_affinity ? std::to_string(*port.client_ip_affinity) : "null")
      .raw("sourceRanges", json_array(port.source_ranges, printed<rules::Cidr>))
      .raw("entrances", json_array(explanation.entrances, entrance_json))
      .raw("endpoints", json_array(explanation.endpoints, endpoint_json))
      .raw("chains", json_array(explanation.chains, chain_json));
  return object.str() + "\n";
}

std::string to_json(const PacketExplanation& explanation) {
  const rules::Packet& packet = explanation.packet;
  JsonObject object;
  object.text("from", rules::to_string(packet.source))
      .text("to", rules::to_string(packet.destination))
      .text("protocol", rules::to_string(packet.protocol))
      .text("inInterface", packet.in_interface)
      .raw("outcomes",
           json_array(explanation.trace.outcomes,
                      [&](const rules::Outcome& outcome) {
                        return outcome_json(outcome, explanation.family);
                      }))
      .raw("notes", json_array(explanation.trace.notes, [](const std::string& note) {
             return to_json(note);
           }));
  return object.str() + "\n";
}

}  // namespace proxy
