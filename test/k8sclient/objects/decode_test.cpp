#include "k8sclient/objects/decode.h"

#include <catch2/catch.hpp>

using k8sclient::decode_endpoint_slice;
using k8sclient::decode_list;
using k8sclient::decode_node;
using k8sclient::decode_service;
using k8sclient::decode_watch_line;
using k8sclient::DecodeError;
using k8sclient::EndpointSlice;
using k8sclient::Node;
using k8sclient::Service;
using k8sclient::WatchType;

namespace {

std::string service_json(const std::string& spec, const std::string& metadata = {}) {
  return R"({"apiVersion":"v1","kind":"Service","metadata":{"namespace":"default","name":"web")" +
         (metadata.empty() ? "" : "," + metadata) + R"(},"spec":{)" + spec + "}}";
}

std::string slice_json(const std::string& fields) {
  return R"({"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{)"
         R"("namespace":"default","name":"web-abc"},)" +
         fields + "}";
}

// The message with which a text is refused, or "" if it is not.
template <typename Decode>
std::string refusal(Decode decode, const std::string& json) {
  try {
    decode(json);
    return {};
  } catch (const DecodeError& error) {
    return error.what();
  }
}

struct BadInput {
  std::string json;
  std::string message;
};

}  // namespace

TEST_CASE("decode: a service keeps the fields that are used", "[k8sclient][decode]") {
  const Service service = decode_service(R"({
    "apiVersion": "v1", "kind": "Service",
    "metadata": {"name": "web", "namespace": "shop", "uid": "7", "managedFields": [{"a": [1]}],
                 "labels": {"service.kubernetes.io/service-proxy-name": ""}},
    "spec": {
      "type": "LoadBalancer", "clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1", "fd00::1"],
      "ipFamilies": ["IPv4", "IPv6"], "externalIPs": ["192.0.2.9"], "selector": {"app": "web"},
      "loadBalancerSourceRanges": ["203.0.113.000/025"], "sessionAffinity": "ClientIP",
      "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}},
      "externalTrafficPolicy": "Local", "internalTrafficPolicy": "Cluster",
      "healthCheckNodePort": 30999,
      "ports": [{"name": "p80", "port": 80, "nodePort": 30080, "targetPort": "http"},
                {"name": "dns", "port": 53, "protocol": "UDP"}]},
    "status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.1", "ipMode": "VIP"}, {}]}}})");

  CHECK(service.name == k8sclient::ObjectName{"shop", "web"});
  CHECK(service.type == "LoadBalancer");
  CHECK(service.cluster_ip == "10.96.0.1");
  CHECK(service.cluster_ips == std::vector<std::string>{"10.96.0.1", "fd00::1"});
  CHECK(service.ip_families == std::vector<std::string>{"IPv4", "IPv6"});
  CHECK(service.external_ips == std::vector<std::string>{"192.0.2.9"});
  CHECK(service.load_balancer_source_ranges == std::vector<std::string>{"203.0.113.000/025"});
  CHECK(service.session_affinity == "ClientIP");
  CHECK(service.client_ip_timeout_seconds == 60);
  CHECK(service.external_traffic_policy == "Local");
  CHECK(service.internal_traffic_policy == "Cluster");
  CHECK(service.health_check_node_port == 30999);
  CHECK(service.has_service_proxy_name);
  CHECK(service.ports ==
        std::vector<k8sclient::ServicePort>{{"p80", "TCP", 80, 30080}, {"dns", "UDP", 53, 0}});
  CHECK(service.ingress ==
        std::vector<k8sclient::LoadBalancerIngress>{{"198.51.100.1", "VIP"}, {"", std::nullopt}});
}

TEST_CASE("decode: an endpoint slice keeps the fields that are used", "[k8sclient][decode]") {
  const EndpointSlice slice = decode_endpoint_slice(R"({
    "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
    "metadata": {"name": "web-abc", "namespace": "shop",
      "labels": {"kubernetes.io/service-name": "web", "service.kubernetes.io/headless": "false"},
      "annotations": {
        "endpoints.kubernetes.io/last-change-trigger-time": "2024-01-02T03:04:05Z"}},
    "addressType": "IPv4",
    "endpoints": [
      {"addresses": ["10.1.0.1", "10.1.0.2"], "nodeName": "n1", "zone": "a",
       "conditions": {"ready": true, "serving": false, "terminating": null},
       "hints": {"forZones": [{"name": "a"}, {"name": "b"}], "forNodes": [{"name": "n1"}]},
       "targetRef": {"kind": "Pod", "name": "x"}},
      {"addresses": []}],
    "ports": [{"name": "p80", "port": 8080, "protocol": "SCTP"}, {"name": "", "port": null}, {}]})");

  REQUIRE(slice.endpoints.size() == 2);
  CHECK(slice.name == k8sclient::ObjectName{"shop", "web-abc"});
  CHECK(slice.service.view() == "web");
  CHECK(slice.is_headless);
  CHECK(slice.last_change_trigger_time == "2024-01-02T03:04:05Z");
  CHECK(slice.address_type == "IPv4");
  CHECK(slice.endpoints[0].address == "10.1.0.1");
  CHECK(slice.endpoints[0].node_name.view() == "n1");
  CHECK(slice.endpoints[0].ready == true);
  CHECK(slice.endpoints[0].serving == false);
  CHECK(slice.endpoints[0].terminating == std::nullopt);
  CHECK(slice.endpoints[0].zone_hints.size() == 2);
  CHECK(slice.endpoints[0].node_hints.size() == 1);
  CHECK(slice.endpoints[1] == k8sclient::Endpoint{});
  CHECK(slice.ports == std::vector<k8sclient::EndpointPort>{{"p80", "SCTP", 8080},
                                                            {"", "TCP", std::nullopt},
                                                            {std::nullopt, "TCP", std::nullopt}});
}

TEST_CASE("decode: a line break in an annotation spoils that annotation only",
          "[k8sclient][decode]") {
  const auto slice = decode_endpoint_slice(
      R"({"kind": "EndpointSlice", "metadata": {"name": "web-1", "namespace": "shop", "annotations": {
        "endpoints.kubernetes.io/last-change-trigger-time": "2024-01-02T03:04:05Z\nlevel=error"}},
        "endpoints": [{"addresses": ["10.1.0.1"]}]})");

  CHECK(slice.endpoints.size() == 1);
  CHECK(slice.last_change_trigger_time == "2024-01-02T03:04:05Z\\x0alevel=error");
}

TEST_CASE("decode: a node keeps the fields that are used", "[k8sclient][decode]") {
  const Node node = decode_node(R"({
    "apiVersion": "v1", "kind": "Node",
    "metadata": {"name": "n1.example", "uid": "u1", "deletionTimestamp": "2024-01-02T03:04:05Z",
                 "labels": {"topology.kubernetes.io/zone": "a"}},
    "spec": {"podCIDR": "10.1.0.0/24", "podCIDRs": ["10.1.0.0/24"],
             "taints": [{"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}]},
    "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.1"}]}})");

  CHECK(node.name == k8sclient::ObjectName{"", "n1.example"});
  CHECK(node.uid == "u1");
  CHECK(node.zone == "a");
  CHECK(node.addresses == std::vector<k8sclient::NodeAddress>{{"InternalIP", "192.0.2.1"}});
  CHECK(node.pod_cidrs == std::vector<std::string>{"10.1.0.0/24"});
  CHECK(node.taint_keys == std::vector<std::string>{"ToBeDeletedByClusterAutoscaler"});
  CHECK(node.is_being_deleted);
}

TEST_CASE("decode: a bad service is refused with its name, the field and the reason",
          "[k8sclient][decode]") {
  const auto& [json, message] = GENERATE(values<BadInput>({
      {"", "Service: invalid JSON: Empty: no JSON found"},
      {"{", "Service: invalid JSON: "},
      {R"({"a": tru})", "Service: invalid JSON: "},
      {R"({"a": 1} {"b": 2})", "Service: invalid JSON: "},
      {"<html>", "Service: invalid JSON: "},
      {"[]", "Service: must be an object, is a list"},
      {std::string(100, '[') + std::string(100, ']'), "Service: invalid JSON: "},
      {R"({"metadata": {"name": "a", "namespace": "b"}})", "Service b/a: kind is missing"},
      {R"({"kind": "Pod"})", R"(Service: kind: expected Service, found "Pod")"},
      {R"({"kind": "Service", "apiVersion": "v2"})", R"(Service: apiVersion: expected v1, found)"},
      {R"({"kind": "Service"})", "Service: metadata.name: is missing"},
      {R"({"kind": "Service", "metadata": {"name": "a"}})",
       "Service a: metadata.namespace: is missing"},
      {R"({"kind": "Service", "metadata": {"name": "a b"}})",
       R"(Service: metadata.name: "a b" is not a valid name)"},
      {R"({"kind": "Service", "metadata": {"name": "a\n-A INPUT"}})",
       R"(Service: metadata.name: "a\x0a-A INPUT" has control characters)"},
      {R"({"kind": "Service", "metadata": {"name": "a.b", "namespace": "c"}})",
       R"(Service c/a.b: metadata.name: "a.b" is not a valid name)"},
      {R"({"kind": "Service", "metadata": {"name": "a", "namespace": "%"}})",
       R"(Service a: metadata.namespace: "%" is not a valid name)"},
      {R"({"kind": "Service", "kind": "Service"})", "Service: kind: occurs twice"},
      {service_json("", R"("name": "other")"), "Service default/web: metadata.name: occurs twice"},
      {service_json(R"("clusterIP": 7)"),
       "Service default/web: spec.clusterIP: must be text, is a number"},
      {service_json(R"("clusterIPs": "10.0.0.1")"),
       "Service default/web: spec.clusterIPs: must be a list, is text"},
      {service_json(R"("externalIPs": ["10.0.0.1", null])"),
       "Service default/web: spec.externalIPs[1]: must be text, is null"},
      {service_json(R"("ports": [{"port": 80}, {"port": 70000}])"),
       "Service default/web: spec.ports[1].port: 70000 is not between 1 and 65535"},
      {service_json(R"("ports": [{"port": 0}])"),
       "Service default/web: spec.ports[0].port: 0 is not between 1 and 65535"},
      {service_json(R"("ports": [{"port": 18446744073709551615}])"),
       "Service default/web: spec.ports[0].port: is not between 1 and 65535"},
      {service_json(R"("ports": [{"port": 80.0}])"),
       "Service default/web: spec.ports[0].port: must be a whole number, is a fraction"},
      {service_json(R"("ports": [{"port": "80"}])"),
       "Service default/web: spec.ports[0].port: must be a whole number, is text"},
      {service_json(R"("ports": [{"name": "a"}])"),
       "Service default/web: spec.ports[0]: port is missing"},
      {service_json(R"("ports": [null])"),
       "Service default/web: spec.ports[0]: must be an object, is null"},
      {service_json(R"("ports": [{"name": "a:b", "port": 1}])"),
       R"(Service default/web: spec.ports[0].name: "a:b" is not a valid name)"},
      {service_json(R"("ports": [{"port": 1, "nodePort": -1}])"),
       "Service default/web: spec.ports[0].nodePort: -1 is not between 0 and 65535"},
      {service_json("", R"("labels": [])"),
       "Service default/web: metadata.labels: must be an object, is a list"},
      {service_json("", R"("labels": {"a.b/c": "1", "a.b/c": "2"})"),
       R"(Service default/web: metadata.labels["a.b/c"]: occurs twice)"},
  }));
  CAPTURE(json);

  CHECK_THAT(refusal(decode_service, json), Catch::StartsWith(message));
}

TEST_CASE("decode: a bad endpoint slice is refused with its name, the field and the reason",
          "[k8sclient][decode]") {
  const auto& [json, message] = GENERATE(values<BadInput>({
      {slice_json(R"("endpoints": {})"),
       "EndpointSlice default/web-abc: endpoints: must be a list, is an object"},
      {slice_json(R"("endpoints": [{"addresses": ["10.0.0.1", 2]}])"),
       "EndpointSlice default/web-abc: endpoints[0].addresses[1]: must be text, is a number"},
      {slice_json(R"("endpoints": [{}, {"conditions": {"ready": "true"}}])"),
       "EndpointSlice default/web-abc: endpoints[1].conditions.ready: must be true or false, is "
       "text"},
      {slice_json(R"("endpoints": [{"hints": {"forZones": [{"name": 1}]}}])"),
       "EndpointSlice default/web-abc: endpoints[0].hints.forZones[0].name: must be text"},
      {slice_json(R"("ports": [{"port": 65536}])"),
       "EndpointSlice default/web-abc: ports[0].port: 65536 is not between 0 and 65535"},
      {slice_json(R"("ports": [{"name": "\""}])"),
       R"(EndpointSlice default/web-abc: ports[0].name: "\x22" is not a valid name)"},
  }));
  CAPTURE(json);

  CHECK_THAT(refusal(decode_endpoint_slice, json), Catch::StartsWith(message));
}

TEST_CASE("decode: an object with thousands of labels, one of them twice, is refused at once",
          "[k8sclient][decode]") {
  std::string labels;
  for (int i = 0; i < 20'000; ++i) {
    labels += "\"l" + std::to_string(i) + "\":\"\",";
  }

  CHECK(refusal(decode_service, service_json("", "\"labels\":{" + labels + "\"l19000\":\"\"}")) ==
        "Service default/web: metadata.labels.l19000: occurs twice");
}

TEST_CASE("decode: one malformed object of a list is reported and the rest is delivered",
          "[k8sclient][decode]") {
  const auto list = decode_list<Service>(R"({
    "kind": "ServiceList", "apiVersion": "v1",
    "metadata": {"resourceVersion": "17", "continue": "abc"},
    "items": [{"metadata": {"name": "a", "namespace": "x"}},
              {"metadata": {"name": "b", "namespace": "x"}, "spec": {"ports": [{"port": 99999}]}},
              {"metadata": {"name": "", "namespace": "x"}},
              {"metadata": {"name": "c", "namespace": "x"}}]})");

  REQUIRE(list.objects.size() == 2);
  CHECK(list.objects[0].name.name == "a");
  CHECK(list.objects[1].name.name == "c");
  CHECK(list.resource_version == "17");
  CHECK(list.continue_token == "abc");
  REQUIRE(list.errors.size() == 2);
  CHECK(list.errors[0].object() == k8sclient::ObjectName{"x", "b"});
  CHECK(list.errors[0].path() == "spec.ports[0].port");
  CHECK(list.errors[1].what() ==
        std::string(R"(Service: items[2].metadata.name: "" is not a valid name)"));
}

TEST_CASE("decode: an answer that is not the list that was asked for is refused",
          "[k8sclient][decode]") {
  const auto& [json, message] = GENERATE(values<BadInput>({
      {"<!DOCTYPE html>", "ServiceList: invalid JSON"},
      {"{}", "ServiceList: kind is missing"},
      {R"({"kind": "PodList"})", R"(ServiceList: kind: expected ServiceList, found "PodList")"},
      {R"({"kind": "Status"})", R"(ServiceList: kind: expected ServiceList, found "Status")"},
      {R"({"kind": "ServiceList", "metadata": {"resourceVersion": "1"}})",
       "ServiceList: items is missing"},
      {R"({"kind": "ServiceList", "items": []})",
       "ServiceList: metadata.resourceVersion: is missing"},
      {R"({"kind": "ServiceList", "metadata": {"resourceVersion": "1"}, "items": [tru]})",
       "ServiceList: items[0]: invalid JSON"},
      {R"({"kind": "ServiceList", "metadata": {"resourceVersion": "1"}, "items": [{},]})",
       "ServiceList: items[1]: invalid JSON"},
      {R"({"kind": "ServiceList", "metadata": {"resourceVersion": "1"}, "items": [)",
       "ServiceList: invalid JSON"},
      {R"({"kind": "ServiceList", "metadata": {"resourceVersion": "1"}, "items": [], "items": []})",
       "ServiceList: items: occurs twice"},
      {R"({"kind": "ServiceList", "metadata": {"resourceVersion": "1"}, "items": {}})",
       "ServiceList: items: must be a list, is an object"},
  }));
  CAPTURE(json);

  const auto decode = [](const std::string& text) { return decode_list<Service>(text); };
  CHECK_THAT(refusal(decode, json), Catch::StartsWith(message));
}

TEST_CASE("decode: each type of watch line is understood", "[k8sclient][decode]") {
  const std::string object = R"({"kind": "Node", "apiVersion": "v1",
                                 "metadata": {"name": "n1", "resourceVersion": "5"}})";
  SECTION("added") {
    const auto line = decode_watch_line<Node>(R"({"type": "ADDED", "object": )" + object + "}");

    CHECK(line.type == WatchType::kAdded);
    REQUIRE(line.object);
    CHECK(line.object->name.name == "n1");
    CHECK(line.resource_version == "5");
  }
  SECTION("deleted, the object before its type") {
    const auto line = decode_watch_line<Node>("{\"object\": " + object + R"(, "type": "DELETED"})");

    CHECK(line.type == WatchType::kDeleted);
    CHECK_FALSE(line.object);
    CHECK(line.name.name == "n1");
  }
  SECTION("bookmark that ends the streaming list") {
    const auto line = decode_watch_line<Node>(
        R"({"type": "BOOKMARK", "object": {"kind": "Node", "apiVersion": "v1", "metadata": {
            "resourceVersion": "9", "creationTimestamp": null,
            "annotations": {"k8s.io/initial-events-end": "true"}}}})");

    CHECK(line.type == WatchType::kBookmark);
    CHECK(line.initial_events_end);
    CHECK(line.resource_version == "9");
    CHECK_FALSE(line.error);
  }
  SECTION("plain bookmark") {
    const auto line = decode_watch_line<Node>(
        R"({"type":"BOOKMARK","object":{"kind":"Node","metadata":{"resourceVersion":"9"}}})");

    CHECK_FALSE(line.initial_events_end);
  }
  SECTION("error") {
    const auto line = decode_watch_line<Node>(
        R"({"type": "ERROR", "object": {"kind": "Status", "apiVersion": "v1", "metadata": {},
            "status": "Failure", "message": "too old\nresource version", "reason": "Expired",
            "code": 410}})");

    CHECK(line.type == WatchType::kError);
    CHECK(line.status ==
          k8sclient::ApiStatus{410, "Expired", "too old resource version", std::nullopt});
  }
  SECTION("malformed object of a known name: the watch can go on behind it") {
    const auto line = decode_watch_line<Service>(
        R"({"type": "MODIFIED", "object": {"kind": "Service", "metadata": {"name": "a",
            "namespace": "x", "resourceVersion": "6"}, "spec": {"ports": 1}}})");

    CHECK_FALSE(line.object);
    REQUIRE(line.error);
    CHECK(line.error->what() ==
          std::string("Service x/a: spec.ports: must be a list, is a number"));
    CHECK(line.name == k8sclient::ObjectName{"x", "a"});
    CHECK(line.resource_version == "6");
  }
}

TEST_CASE("decode: a watch line that makes no sense is refused", "[k8sclient][decode]") {
  const auto& [json, message] = GENERATE(values<BadInput>({
      {R"({"type": "ADDED", "object": {"kind": "Serv)", "Service event: invalid JSON"},
      {"<html>502 Bad Gateway</html>",
       "Service event: invalid JSON: The JSON document has an improper structure: missing or "
       "superfluous commas, braces, missing keys, etc. in \"<html>502 Bad"},
      {R"({"type": "RENAMED", "object": {}})",
       R"(Service event: type: unknown type of event "RENAMED")"},
      {R"({"object": {"kind": "Service"}})", "Service event: type is missing"},
      {R"({"type": "ADDED"})", "Service event: object is missing"},
      {R"({"type": "ADDED", "type": "DELETED", "object": {}})",
       "Service event: type: occurs twice"},
      {R"({"type": "ADDED", "object": {"kind": "Pod"}})",
       R"(Service event: kind: expected Service, found "Pod")"},
      {R"({"type": "ERROR", "object": {"kind": "Service"}})",
       R"(Service event: kind: expected Status, found "Service")"},
  }));
  CAPTURE(json);

  const auto decode = [](const std::string& text) { return decode_watch_line<Service>(text); };
  CHECK_THAT(refusal(decode, json), Catch::StartsWith(message));
}

TEST_CASE("decode: a Status is recognised, anything else is none", "[k8sclient][decode]") {
  const auto status = k8sclient::decode_status(
      R"({"kind": "Status", "code": 429, "reason": "TooManyRequests",
          "details": {"retryAfterSeconds": 3}})");

  CHECK(status == k8sclient::ApiStatus{429, "TooManyRequests", "", 3});
  CHECK_FALSE(k8sclient::decode_status("<html>"));
  CHECK_FALSE(k8sclient::decode_status(R"({"kind": "Service"})"));
}
