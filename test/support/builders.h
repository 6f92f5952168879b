#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "k8sclient/objects/types.h"

// API objects for tests, one line each: service("ns1/svc1", {"10.0.0.1"}).port("p80", 80).build().

namespace test {

/// "namespace/name" taken apart.
k8sclient::ObjectName object_name(std::string_view text);

class ServiceBuilder {
 public:
  ServiceBuilder(std::string_view name, std::vector<std::string> cluster_ips);

  ServiceBuilder& type(std::string type);
  ServiceBuilder& port(std::string name, std::uint16_t number, std::string protocol = "TCP");

  /// Of the port added last.
  ServiceBuilder& node_port(std::uint16_t number);

  ServiceBuilder& external_ips(std::vector<std::string> addresses);
  ServiceBuilder& source_ranges(std::vector<std::string> ranges);
  ServiceBuilder& ingress(std::string ip);
  ServiceBuilder& ingress(std::string ip, std::string ip_mode);
  ServiceBuilder& external_policy(std::string policy);
  ServiceBuilder& internal_policy(std::string policy);
  ServiceBuilder& health_check_node_port(std::uint16_t number);
  ServiceBuilder& client_ip_affinity(std::int32_t timeout_seconds);

  k8sclient::Service build() const { return service_; }

 private:
  k8sclient::Service service_;
};

/// The families follow from the cluster IPs, of which the first is the primary one.
ServiceBuilder service(std::string_view name, std::vector<std::string> cluster_ips);

class EndpointBuilder {
 public:
  explicit EndpointBuilder(std::string address);

  EndpointBuilder& on_node(std::string_view name);
  EndpointBuilder& ready(bool value);
  EndpointBuilder& serving(bool value);
  EndpointBuilder& terminating(bool value);
  EndpointBuilder& for_zones(std::initializer_list<std::string_view> zones);
  EndpointBuilder& for_nodes(std::initializer_list<std::string_view> nodes);

  k8sclient::Endpoint build() const { return endpoint_; }

 private:
  k8sclient::Endpoint endpoint_;
};

EndpointBuilder endpoint(std::string address);

class SliceBuilder {
 public:
  SliceBuilder(std::string_view name, std::string_view service);

  SliceBuilder& ipv6();
  SliceBuilder& port(std::string name, std::uint16_t number, std::string protocol = "TCP");
  SliceBuilder& with(const EndpointBuilder& endpoint);

  /// Endpoints that say nothing but their address.
  SliceBuilder& addresses(std::initializer_list<const char*> addresses);

  SliceBuilder& trigger_time(std::string text);

  k8sclient::EndpointSlice build() const { return slice_; }

 private:
  k8sclient::EndpointSlice slice_;
};

/// An IPv4 slice "namespace/name" that belongs to `service`, a name without namespace.
SliceBuilder slice(std::string_view name, std::string_view service);

}  // namespace test
