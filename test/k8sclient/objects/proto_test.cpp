#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "k8sclient/objects/decode.h"
#include "test/support/proto_text.h"

using k8sclient::decode_list;
using k8sclient::decode_status;
using k8sclient::decode_watch_line;
using k8sclient::DecodeError;
using k8sclient::Encoding;
using k8sclient::EndpointSlice;
using k8sclient::Service;
using k8sclient::WatchType;

namespace {

// Fields by hand, with the numbers of Kubernetes' generated.proto.

std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7U) {
    out += static_cast<char>((value & 0x7fU) | 0x80U);
  }
  return out + static_cast<char>(value);
}

std::string number(unsigned field, std::uint64_t value) {
  return varint(field << 3U) + varint(value);
}

std::string bytes(unsigned field, const std::string& content) {
  return varint(field << 3U | 2U) + varint(content.size()) + content;
}

std::string document(const std::string& kind, const std::string& message) {
  return std::string("k8s\0", 4) + bytes(1, bytes(1, "v1") + bytes(2, kind)) + bytes(2, message) +
         bytes(3, "") + bytes(4, "");
}

std::string event(const std::string& type, const std::string& object) {
  return bytes(1, type) + bytes(2, bytes(1, object));
}

std::string metadata(const std::string& more = {}) {
  return bytes(1, "web") + bytes(2, "") + bytes(3, "shop") + bytes(6, "42") + more;
}

auto service_event(const std::string& object) {
  return decode_watch_line<Service>(event("ADDED", document("Service", object)),
                                    Encoding::kProtobuf);
}

// What is wrong with a Service of that specification.
std::string fault_of(const std::string& spec) {
  const auto line = service_event(bytes(1, metadata()) + bytes(2, spec));
  return line.error ? line.error->what() : "nothing";
}

std::string refusal(const std::string& bytes) {
  try {
    decode_watch_line<Service>(bytes, Encoding::kProtobuf);
    return "accepted";
  } catch (const DecodeError& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("proto: a Service is read by the numbers of its fields", "[k8sclient][proto]") {
  const std::string label = bytes(1, "service.kubernetes.io/service-proxy-name") + bytes(2, "");
  const std::string port = bytes(1, "http") + bytes(2, "UDP") + number(3, 80) +
                           bytes(4, number(1, 0)) + number(5, 30080);
  const std::string affinity = bytes(1, number(1, 10800));
  const std::string ingress = bytes(1, "192.0.2.1") + bytes(2, "") + bytes(3, "Proxy");
  const auto line = service_event(
      bytes(1, metadata(bytes(11, label))) +
      bytes(2,
            bytes(1, port) + bytes(2, bytes(1, "app") + bytes(2, "web")) + bytes(3, "10.0.0.1") +
                bytes(4, "LoadBalancer") + bytes(5, "203.0.113.1") + bytes(5, "203.0.113.2") +
                bytes(7, "ClientIP") + bytes(9, "198.51.100.0/24") + bytes(11, "Local") +
                number(12, 31000) + number(13, 1) + bytes(14, affinity) + bytes(18, "10.0.0.1") +
                bytes(19, "IPv4") + bytes(22, "Cluster")) +
      bytes(3, bytes(1, bytes(1, ingress))));

  REQUIRE(line.object);
  const Service& service = *line.object;
  CHECK(line.type == WatchType::kAdded);
  CHECK(line.resource_version == "42");
  CHECK(service.name == k8sclient::ObjectName{"shop", "web"});
  CHECK(service.type == "LoadBalancer");
  CHECK(service.cluster_ip == "10.0.0.1");
  CHECK(service.cluster_ips == std::vector<std::string>{"10.0.0.1"});
  CHECK(service.ip_families == std::vector<std::string>{"IPv4"});
  CHECK(service.external_ips == std::vector<std::string>{"203.0.113.1", "203.0.113.2"});
  CHECK(service.load_balancer_source_ranges == std::vector<std::string>{"198.51.100.0/24"});
  CHECK(service.session_affinity == "ClientIP");
  CHECK(service.client_ip_timeout_seconds == 10800);
  CHECK(service.external_traffic_policy == "Local");
  CHECK(service.internal_traffic_policy == "Cluster");
  CHECK(service.health_check_node_port == 31000);
  CHECK(service.has_service_proxy_name);
  CHECK(service.ports == std::vector<k8sclient::ServicePort>{
                             {.name = "http", .protocol = "UDP", .port = 80, .node_port = 30080}});
  CHECK(service.ingress ==
        std::vector<k8sclient::LoadBalancerIngress>{{.ip = "192.0.2.1", .ip_mode = "Proxy"}});
}

TEST_CASE("proto: an endpoint slice is read, and what is absent is told from what is empty",
          "[k8sclient][proto]") {
  const std::string endpoint = bytes(1, "10.1.0.1") + bytes(1, "10.1.0.2") +
                               bytes(2, number(1, 1) + number(2, 0)) + bytes(6, "n1") +
                               bytes(7, "a") + bytes(8, bytes(1, bytes(1, "a")));
  const auto line = decode_watch_line<EndpointSlice>(
      event("MODIFIED",
            document("EndpointSlice",
                     bytes(1,
                           metadata(bytes(
                               11, bytes(1, "kubernetes.io/service-name") + bytes(2, "web")))) +
                         bytes(2, endpoint) + bytes(2, bytes(2, "")) +
                         bytes(3, bytes(1, "") + bytes(2, "SCTP") + number(3, 8080)) +
                         bytes(3, "") + bytes(4, "IPv4"))),
      Encoding::kProtobuf);

  REQUIRE(line.object);
  const EndpointSlice& slice = *line.object;
  CHECK(slice.service.view() == "web");
  CHECK(slice.address_type == "IPv4");
  REQUIRE(slice.endpoints.size() == 2);
  CHECK(slice.endpoints[0].address == "10.1.0.1");
  CHECK(slice.endpoints[0].ready == true);
  CHECK(slice.endpoints[0].serving == false);
  CHECK(slice.endpoints[0].terminating == std::nullopt);
  CHECK(slice.endpoints[0].node_name.view() == "n1");
  CHECK(slice.endpoints[0].zone_hints.size() == 1);
  CHECK(slice.endpoints[1] == k8sclient::Endpoint{});
  CHECK(slice.ports ==
        std::vector<k8sclient::EndpointPort>{{.name = "", .protocol = "SCTP", .port = 8080}, {}});
}

TEST_CASE("proto: a malformed object is named with the field, as in JSON", "[k8sclient][proto]") {
  CHECK(fault_of(bytes(1, number(3, 80))) == "nothing");
  CHECK(fault_of(bytes(1, number(3, 70000))) ==
        "Service shop/web: spec.ports[0].port: 70000 is not between 1 and 65535");
  CHECK(fault_of(bytes(1, number(3, ~0ULL))) ==
        "Service shop/web: spec.ports[0].port: -1 is not between 1 and 65535");
  CHECK(fault_of(bytes(1, bytes(1, "a"))) == "Service shop/web: spec.ports[0]: port is missing");
  CHECK(fault_of(bytes(3, "10\n")) ==
        "Service shop/web: spec.clusterIP: \"10\\x0a\" has control characters");
  CHECK(fault_of(bytes(5, "\xff")) == "Service shop/web: spec.externalIPs[0]: is not UTF-8");
  CHECK(fault_of(number(3, 7)) ==
        "Service shop/web: spec.clusterIP: invalid protobuf: wire type mismatch");
  CHECK(fault_of(bytes(12, "7")) ==
        "Service shop/web: spec.healthCheckNodePort: invalid protobuf: wire type mismatch");
  CHECK(fault_of("\x0a\x7f") ==
        "Service shop/web: spec: invalid protobuf: end of buffer exception");
}

TEST_CASE("proto: an event that makes no sense is refused as a whole", "[k8sclient][proto]") {
  CHECK_THAT(refusal(""), Catch::Contains("unknown type of event \"\""));
  CHECK_THAT(refusal(bytes(1, "RENAMED")), Catch::Contains("unknown type of event \"RENAMED\""));
  CHECK_THAT(refusal(bytes(1, "ADDED")), Catch::Contains("does not start with the API's"));
  CHECK_THAT(refusal(event("ADDED", document("Pod", ""))),
             Catch::Contains("expected Service, found \"Pod\""));
  CHECK_THAT(refusal(event("ADDED", document("Service", "")).substr(0, 20)),
             Catch::Contains("invalid protobuf: end of buffer"));
  CHECK_THAT(refusal("{\"type\":\"ADDED\"}"), Catch::Contains("invalid protobuf"));
}

TEST_CASE("proto: bookmarks and errors of a watch are read", "[k8sclient][proto]") {
  const std::string end = bytes(12, bytes(1, "k8s.io/initial-events-end") + bytes(2, "true"));
  const auto bookmark = decode_watch_line<Service>(
      event("BOOKMARK", document("Service", bytes(1, bytes(6, "77") + end))), Encoding::kProtobuf);
  const auto error = decode_watch_line<Service>(
      event("ERROR",
            document("Status", bytes(3, "too old") + bytes(4, "Expired") + number(6, 410))),
      Encoding::kProtobuf);

  CHECK(bookmark.type == WatchType::kBookmark);
  CHECK(bookmark.resource_version == "77");
  CHECK(bookmark.initial_events_end);
  CHECK(error.type == WatchType::kError);
  CHECK(error.status == k8sclient::ApiStatus{410, "Expired", "too old", {}});
}

TEST_CASE("proto: a Status explains, anything else does not", "[k8sclient][proto]") {
  const auto status = decode_status(document("Status", bytes(5, number(5, 7)) + number(6, 429)),
                                    Encoding::kProtobuf);

  REQUIRE(status);
  CHECK(status->code == 429);
  CHECK(status->retry_after_seconds == 7);
  CHECK_FALSE(decode_status(document("Service", ""), Encoding::kProtobuf));
  CHECK_FALSE(decode_status("{}", Encoding::kProtobuf));
}

TEST_CASE("proto: a list is the same in whatever pieces it arrives", "[k8sclient][proto]") {
  const auto item = [](const std::string& name, std::uint64_t port) {
    return bytes(2,
                 bytes(1, bytes(1, name) + bytes(3, "shop")) + bytes(2, bytes(1, number(3, port))));
  };
  const std::string list = document(
      "ServiceList",
      bytes(1, bytes(2, "9") + bytes(3, "next")) + item("a", 1) + item("b", 70000) + item("c", 3));
  const auto piece = GENERATE(1UL, 2UL, 3UL, 11UL, 1000UL);
  k8sclient::ListDecoder<Service> decoder;

  for (std::size_t at = 0; at < list.size(); at += piece) {
    decoder.feed(std::string_view(list).substr(at, piece), Encoding::kProtobuf);
  }
  const auto result = decoder.finish();

  CHECK(result.resource_version == "9");
  CHECK(result.continue_token == "next");
  REQUIRE(result.objects.size() == 2);
  CHECK(result.objects[1].name.name == "c");
  REQUIRE(result.errors.size() == 1);
  CHECK_THAT(result.errors[0].what(), Catch::StartsWith("Service shop/b: spec.ports[0].port: "));
}

TEST_CASE("proto: a list that is cut, of another kind or too large around its items is refused",
          "[k8sclient][proto]") {
  const auto refused = [](const std::string& list) {
    try {
      decode_list<Service>(list, Encoding::kProtobuf);
      return std::string("accepted");
    } catch (const DecodeError& error) {
      return std::string(error.what());
    }
  };
  const std::string good = document("ServiceList", bytes(1, bytes(2, "9")) + bytes(2, ""));

  CHECK(refused(document("ServiceList", bytes(1, bytes(2, "9")))) == "accepted");
  for (std::size_t size = 0; size + 4 < good.size(); ++size) {  // the last two fields are empty
    CAPTURE(size);
    CHECK_THAT(refused(good.substr(0, size)), Catch::StartsWith("ServiceList: "));
  }
  CHECK_THAT(refused(document("PodList", bytes(1, bytes(2, "9")))),
             Catch::Contains("expected ServiceList, found \"PodList\""));
  CHECK_THAT(refused(document("ServiceList", bytes(1, ""))),
             Catch::Contains("metadata.resourceVersion: is missing"));
  CHECK_THAT(refused(document("ServiceList", bytes(1, std::string(2U << 20U, 'x')))),
             Catch::Contains("around the items is larger than 1 MiB"));
  CHECK_THAT(refused(std::string("k8s\0\x12\xff\xff\xff\x7f\x12\xff\xff\xff\x3f", 14)),
             Catch::Contains("items: an element is larger than 16 MiB"));
  CHECK_THAT(refused(std::string("k8s\0\x12\x04\x12\x05", 8)),
             Catch::Contains("longer than its list"));
  CHECK_THAT(refused("<html>"), Catch::Contains("does not start with the API's"));
}
