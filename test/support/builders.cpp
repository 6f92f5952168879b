#include "test/support/builders.h"

#include <utility>

namespace test {

namespace {

using k8sclient::SharedString;

std::vector<SharedString> interned(std::initializer_list<std::string_view> texts) {
  std::vector<SharedString> result;
  for (const auto text : texts) {
    result.push_back(SharedString::intern(text));
  }
  return result;
}

}  // namespace

k8sclient::ObjectName object_name(std::string_view text) {
  const auto slash = text.find('/');
  return {std::string(text.substr(0, slash)), std::string(text.substr(slash + 1))};
}

ServiceBuilder::ServiceBuilder(std::string_view name, std::vector<std::string> cluster_ips) {
  service_.name = object_name(name);
  service_.cluster_ip = cluster_ips.front();
  for (const auto& address : cluster_ips) {
    service_.ip_families.emplace_back(address.find(':') == std::string::npos ? "IPv4" : "IPv6");
  }
  service_.cluster_ips = std::move(cluster_ips);
}

ServiceBuilder& ServiceBuilder::type(std::string type) {
  service_.type = std::move(type);
  return *this;
}

ServiceBuilder& ServiceBuilder::port(std::string name, std::uint16_t number, std::string protocol) {
  service_.ports.push_back(
      {.name = std::move(name), .protocol = std::move(protocol), .port = number, .node_port = 0});
  return *this;
}

ServiceBuilder& ServiceBuilder::node_port(std::uint16_t number) {
  service_.ports.back().node_port = number;
  return *this;
}

ServiceBuilder& ServiceBuilder::external_ips(std::vector<std::string> addresses) {
  service_.external_ips = std::move(addresses);
  return *this;
}

ServiceBuilder& ServiceBuilder::source_ranges(std::vector<std::string> ranges) {
  service_.load_balancer_source_ranges = std::move(ranges);
  return *this;
}

ServiceBuilder& ServiceBuilder::ingress(std::string ip) {
  service_.ingress.push_back({.ip = std::move(ip), .ip_mode = {}});
  return *this;
}

ServiceBuilder& ServiceBuilder::ingress(std::string ip, std::string ip_mode) {
  service_.ingress.push_back({.ip = std::move(ip), .ip_mode = std::move(ip_mode)});
  return *this;
}

ServiceBuilder& ServiceBuilder::external_policy(std::string policy) {
  service_.external_traffic_policy = std::move(policy);
  return *this;
}

ServiceBuilder& ServiceBuilder::internal_policy(std::string policy) {
  service_.internal_traffic_policy = std::move(policy);
  return *this;
}

ServiceBuilder& ServiceBuilder::health_check_node_port(std::uint16_t number) {
  service_.health_check_node_port = number;
  return *this;
}

ServiceBuilder& ServiceBuilder::client_ip_affinity(std::int32_t timeout_seconds) {
  service_.session_affinity = "ClientIP";
  service_.client_ip_timeout_seconds = timeout_seconds;
  return *this;
}

ServiceBuilder service(std::string_view name, std::vector<std::string> cluster_ips) {
  return {name, std::move(cluster_ips)};
}

EndpointBuilder::EndpointBuilder(std::string address) {
  endpoint_.address = std::move(address);
}

EndpointBuilder& EndpointBuilder::on_node(std::string_view name) {
  endpoint_.node_name = SharedString::intern(name);
  return *this;
}

EndpointBuilder& EndpointBuilder::ready(bool value) {
  endpoint_.ready = value;
  return *this;
}

EndpointBuilder& EndpointBuilder::serving(bool value) {
  endpoint_.serving = value;
  return *this;
}

EndpointBuilder& EndpointBuilder::terminating(bool value) {
  endpoint_.terminating = value;
  return *this;
}

EndpointBuilder& EndpointBuilder::for_zones(std::initializer_list<std::string_view> zones) {
  endpoint_.zone_hints = interned(zones);
  return *this;
}

EndpointBuilder& EndpointBuilder::for_nodes(std::initializer_list<std::string_view> nodes) {
  endpoint_.node_hints = interned(nodes);
  return *this;
}

EndpointBuilder endpoint(std::string address) {
  return EndpointBuilder(std::move(address));
}

SliceBuilder::SliceBuilder(std::string_view name, std::string_view service) {
  slice_.name = object_name(name);
  slice_.service = SharedString::intern(service);
  slice_.address_type = "IPv4";
}

SliceBuilder& SliceBuilder::ipv6() {
  slice_.address_type = "IPv6";
  return *this;
}

SliceBuilder& SliceBuilder::port(std::string name, std::uint16_t number, std::string protocol) {
  slice_.ports.push_back(
      {.name = std::move(name), .protocol = std::move(protocol), .port = number});
  return *this;
}

SliceBuilder& SliceBuilder::with(const EndpointBuilder& endpoint) {
  slice_.endpoints.push_back(endpoint.build());
  return *this;
}

SliceBuilder& SliceBuilder::addresses(std::initializer_list<const char*> addresses) {
  for (const char* address : addresses) {
    slice_.endpoints.push_back(endpoint(address).build());
  }
  return *this;
}

SliceBuilder& SliceBuilder::trigger_time(std::string text) {
  slice_.last_change_trigger_time = std::move(text);
  return *this;
}

SliceBuilder slice(std::string_view name, std::string_view service) {
  return {name, service};
}

}  // namespace test
