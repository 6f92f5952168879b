#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace k8sclient {

/// Namespace and name of an object; the namespace is empty for a Node.
struct ObjectName {
  std::string name_space;
  std::string name;

  auto operator<=>(const ObjectName&) const = default;
};

/// "namespace/name", or just the name without a namespace.
std::string to_string(const ObjectName& name);

/// An immutable string of which equal copies share one allocation (node names, zones and slice
/// owners repeat thousands of times). A null pointer is the empty string. intern() is thread-safe.
class SharedString {
 public:
  SharedString() = default;
  static SharedString intern(std::string_view text);

  std::string_view view() const { return text_ ? std::string_view(*text_) : std::string_view(); }

  bool empty() const { return !text_; }

  bool operator==(const SharedString& other) const { return view() == other.view(); }

  auto operator<=>(const SharedString& other) const { return view() <=> other.view(); }

 private:
  std::shared_ptr<const std::string> text_;
};

// The fields of each object that kube-proxy reads (spec §3.1, §6.4, §8), as the API wrote them:
// addresses and ranges are text here, and judged in proxy/translate.

struct ServicePort {
  std::string name;
  std::string protocol = "TCP";
  std::uint16_t port = 0;
  std::uint16_t node_port = 0;

  bool operator==(const ServicePort&) const = default;
};

struct LoadBalancerIngress {
  std::string ip;
  std::optional<std::string> ip_mode;

  bool operator==(const LoadBalancerIngress&) const = default;
};

struct Service {
  ObjectName name;
  std::string type = "ClusterIP";
  std::string cluster_ip;  // spec.clusterIP
  std::vector<std::string> cluster_ips;
  std::vector<std::string> ip_families;  // "IPv4", "IPv6"
  std::vector<std::string> external_ips;
  std::vector<std::string> load_balancer_source_ranges;
  std::string session_affinity = "None";
  std::optional<std::int32_t> client_ip_timeout_seconds;
  std::string external_traffic_policy;  // "", "Cluster", "Local"
  std::string internal_traffic_policy;
  std::uint16_t health_check_node_port = 0;
  bool has_service_proxy_name = false;  // label service.kubernetes.io/service-proxy-name, any value
  std::vector<ServicePort> ports;
  std::vector<LoadBalancerIngress> ingress;  // status.loadBalancer.ingress

  bool operator==(const Service&) const = default;
};

struct Endpoint {
  std::string address;  // addresses[0]; empty if there is none
  std::optional<bool> ready;
  std::optional<bool> serving;
  std::optional<bool> terminating;
  SharedString node_name;
  std::vector<SharedString> zone_hints;
  std::vector<SharedString> node_hints;

  bool operator==(const Endpoint&) const = default;
};

struct EndpointPort {
  std::optional<std::string> name;
  std::string protocol = "TCP";
  std::optional<std::uint16_t> port;

  bool operator==(const EndpointPort&) const = default;
};

struct EndpointSlice {
  ObjectName name;
  SharedString service;      // label kubernetes.io/service-name; empty: belongs to no Service
  bool is_headless = false;  // label service.kubernetes.io/headless, any value
  std::string address_type;  // "IPv4", "IPv6", "FQDN"
  std::vector<Endpoint> endpoints;
  std::vector<EndpointPort> ports;
  std::string last_change_trigger_time;  // annotation, RFC 3339; empty if absent

  bool operator==(const EndpointSlice&) const = default;
};

struct NodeAddress {
  std::string type;  // "InternalIP", "ExternalIP", "Hostname"
  std::string address;

  bool operator==(const NodeAddress&) const = default;
};

struct Node {
  ObjectName name;
  std::string uid;
  std::optional<std::string> zone;  // label topology.kubernetes.io/zone
  std::vector<NodeAddress> addresses;
  std::vector<std::string> pod_cidrs;
  std::vector<std::string> taint_keys;
  bool is_being_deleted = false;  // metadata.deletionTimestamp is set

  bool operator==(const Node&) const = default;
};

// What happens to one kind of object, in the order in which it happened.

/// The complete contents; whatever is not in it does not exist (any more).
template <typename T>
struct Listed {
  std::vector<T> objects;
};

/// Added or modified.
template <typename T>
struct Changed {
  T object;
};

struct Deleted {
  ObjectName name;
};

template <typename T>
using Event = std::variant<Listed<T>, Changed<T>, Deleted>;

}  // namespace k8sclient
