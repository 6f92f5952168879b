#include "test/support/manifests.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "proxy/text/json.h"

namespace test {

namespace {

using k8sclient::SharedString;
using proxy::to_json;

// A JSON object in the making. Empty values are left out, unless they are arrays.
class Object {
 public:
  Object& text(std::string_view key, std::string_view value) {
    return value.empty() ? *this : json(key, to_json(value));
  }

  Object& number(std::string_view key, std::int64_t value) {
    return value == 0 ? *this : json(key, std::to_string(value));
  }

  Object& boolean(std::string_view key, std::optional<bool> value) {
    return value ? json(key, *value ? "true" : "false") : *this;
  }

  Object& object(std::string_view key, const Object& value) {
    return value.members_.empty() ? *this : json(key, value.str());
  }

  // Made by `render` of each element, in order.
  template <typename T, typename Render>
  Object& array(std::string_view key, const std::vector<T>& values, Render render) {
    return json(key, proxy::json_array(values, render));
  }

  Object& texts(std::string_view key, const std::vector<std::string>& values) {
    return array(key, values, [](const std::string& value) { return to_json(value); });
  }

  Object& json(std::string_view key, std::string_view value) {
    members_.raw(key, value);
    return *this;
  }

  std::string str() const { return members_.str(); }

 private:
  proxy::JsonObject members_;
};

std::string port_of(const k8sclient::ServicePort& port) {
  return Object()
      .text("name", port.name)
      .text("protocol", port.protocol)
      .number("port", port.port)
      .number("nodePort", port.node_port)
      .str();
}

std::string ingress_of(const k8sclient::LoadBalancerIngress& ingress) {
  return Object()
      .text("ip", ingress.ip)
      .text("ipMode", ingress.ip_mode.value_or(""))
      .text("hostname", ingress.ip.empty() ? "lb.example.com" : "")
      .str();
}

Object spec_of(const k8sclient::Service& service) {
  Object spec;
  spec.text("type", service.type)
      .text("externalName", service.type == "ExternalName" ? "example.com" : "")
      .text("clusterIP", service.cluster_ip)
      .texts("clusterIPs", service.cluster_ips)
      .texts("ipFamilies", service.ip_families)
      .text("ipFamilyPolicy", service.ip_families.size() > 1 ? "RequireDualStack" : "")
      .texts("externalIPs", service.external_ips)
      .texts("loadBalancerSourceRanges", service.load_balancer_source_ranges)
      .text("sessionAffinity", service.session_affinity)
      .text("externalTrafficPolicy", service.external_traffic_policy)
      .text("internalTrafficPolicy", service.internal_traffic_policy)
      .number("healthCheckNodePort", service.health_check_node_port)
      .array("ports", service.ports, port_of);
  if (service.client_ip_timeout_seconds) {
    const auto timeout = Object().number("timeoutSeconds", *service.client_ip_timeout_seconds);
    spec.object("sessionAffinityConfig", Object().object("clientIP", timeout));
  }
  if (service.type == "LoadBalancer") {
    spec.boolean(
        "allocateLoadBalancerNodePorts",
        std::ranges::all_of(service.ports, [](const auto& p) { return p.node_port != 0; }));
  }
  return spec;
}

Object metadata_of(const k8sclient::ObjectName& name) {
  return Object().text("name", name.name).text("namespace", name.name_space);
}

std::string to_manifest(const k8sclient::Service& service) {
  const auto labels = Object().text("service.kubernetes.io/service-proxy-name",
                                    service.has_service_proxy_name ? "other-proxy" : "");
  const auto balancer = Object().array("ingress", service.ingress, ingress_of);
  return Object()
      .text("apiVersion", "v1")
      .text("kind", "Service")
      .object("metadata", metadata_of(service.name).object("labels", labels))
      .object("spec", spec_of(service))
      .object("status", Object().object("loadBalancer", balancer))
      .str();
}

std::string hint_of(const SharedString& name) {
  return Object().text("name", name.view()).str();
}

std::string endpoint_of(const k8sclient::Endpoint& endpoint) {
  const auto conditions = Object()
                              .boolean("ready", endpoint.ready)
                              .boolean("serving", endpoint.serving)
                              .boolean("terminating", endpoint.terminating);
  const auto hints = Object()
                         .array("forZones", endpoint.zone_hints, hint_of)
                         .array("forNodes", endpoint.node_hints, hint_of);
  return Object()
      .texts("addresses", {endpoint.address})
      .object("conditions", conditions)
      .text("nodeName", endpoint.node_name.view())
      .object("hints", hints)
      .str();
}

std::string endpoint_port_of(const k8sclient::EndpointPort& port) {
  Object result;
  if (port.name) {
    result.json("name", to_json(*port.name));  // an empty name is not an absent one
  }
  return result.text("protocol", port.protocol).number("port", port.port.value_or(0)).str();
}

std::string to_manifest(const k8sclient::EndpointSlice& slice) {
  auto labels = Object().text("kubernetes.io/service-name", slice.service.view());
  if (slice.is_headless) {
    labels.json("service.kubernetes.io/headless", to_json(""));
  }
  const auto annotations = Object().text("endpoints.kubernetes.io/last-change-trigger-time",
                                         slice.last_change_trigger_time);
  return Object()
      .text("apiVersion", "discovery.k8s.io/v1")
      .text("kind", "EndpointSlice")
      .object("metadata",
              metadata_of(slice.name).object("labels", labels).object("annotations", annotations))
      .text("addressType", slice.address_type)
      .array("endpoints", slice.endpoints, endpoint_of)
      .array("ports", slice.ports, endpoint_port_of)
      .str();
}

std::string node_address_of(const k8sclient::NodeAddress& address) {
  return Object().text("type", address.type).text("address", address.address).str();
}

std::string to_manifest(const k8sclient::Node& node) {
  const auto labels = Object().text("topology.kubernetes.io/zone", node.zone.value_or(""));
  const auto taint_of = [](const std::string& key) {
    return Object().text("key", key).text("effect", "NoSchedule").str();
  };
  return Object()
      .text("apiVersion", "v1")
      .text("kind", "Node")
      .object("metadata", metadata_of(node.name).text("uid", node.uid).object("labels", labels))
      .object("spec",
              Object()
                  .text("podCIDR", node.pod_cidrs.empty() ? "" : node.pod_cidrs.front())
                  .texts("podCIDRs", node.pod_cidrs)
                  .array("taints", node.taint_keys, taint_of))
      .object("status", Object().array("addresses", node.addresses, node_address_of))
      .str();
}

}  // namespace

std::string to_manifests(const Cluster& cluster) {
  std::string result = R"({"apiVersion":"v1","kind":"List","items":[)"
                       "\n" +
                       to_manifest(cluster.node);
  for (const auto& service : cluster.services) {
    result += ",\n" + to_manifest(service);
  }
  for (const auto& slice : cluster.slices) {
    result += ",\n" + to_manifest(slice);
  }
  return result + "\n]}\n";
}

}  // namespace test
