#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "k8sclient/objects/types.h"
#include "rules/service.h"
#include "test/support/random.h"

namespace test {

/// The node on which a generated cluster is seen, with its addresses in both families.
inline constexpr const char* kNodeName = "k8s-worker1";
inline constexpr const char* kNodeIpv4 = "192.168.205.145";
inline constexpr const char* kNodeIpv6 = "fd00:205::145";

/// Every generated pod address lies in these, except those of the node itself.
inline constexpr const char* kPodNetworkIpv4 = "10.240.0.0/12";
inline constexpr const char* kPodNetworkIpv6 = "fd00:10:240::/48";

struct Cluster {
  std::vector<k8sclient::Service> services;
  std::vector<k8sclient::EndpointSlice> slices;
  k8sclient::Node node;

  bool operator==(const Cluster&) const = default;
};

struct ClusterSize {
  std::size_t services = 20;
  std::size_t endpoints = 4;  // of each Service
};

/// `services` plain ClusterIP Services of one TCP port with `endpoints` ready endpoints each, in
/// slices of at most 100: what benchmarks and rule counts are about.
Cluster uniform_cluster(ClusterSize size);

/// Makes random objects over every field that rules depend on: types, policies, affinity, source
/// ranges, external and load balancer addresses, families, protocols, unnamed ports; endpoints that
/// are unready, terminating, local, duplicate or hinted; objects that are not for this proxy. An
/// API server would accept all of them. Addresses and node ports of Services are unique.
class ClusterGenerator {
 public:
  explicit ClusterGenerator(std::uint64_t seed) : random_(seed) {}

  /// `size.endpoints` is the mean.
  Cluster cluster(ClusterSize size);

  /// One of its kind that was not there before.
  k8sclient::Service service();

  /// With that name.
  k8sclient::Service service(k8sclient::ObjectName name);

  /// The slices of a Service, in each of its families one or more; `endpoints` is the mean.
  std::vector<k8sclient::EndpointSlice> slices_of(const k8sclient::Service& service,
                                                  std::size_t endpoints);

  k8sclient::Node node();

  Random& random() { return random_; }

 private:
  void add_addresses(k8sclient::Service& service);
  void add_ports(k8sclient::Service& service);
  void add_external_access(k8sclient::Service& service);
  void add_policies(k8sclient::Service& service);
  k8sclient::EndpointSlice slice_of(const k8sclient::Service& service, std::string_view family);
  k8sclient::Endpoint endpoint(std::string_view family, unsigned hint_percent);
  std::string address(std::string_view family, const char* ipv4_base, const char* ipv6_base);
  std::uint16_t node_port();

  Random random_;
  std::uint32_t next_name_ = 0;
  std::uint32_t next_address_ = 1;
  std::uint32_t next_node_port_ = 30000;
};

/// Shorthand for ClusterGenerator(seed).cluster(size).
Cluster random_cluster(std::uint64_t seed, ClusterSize size = {});

/// The service ports of the cluster in that family, translated object by object without a Store;
/// sorted by name.
std::vector<rules::ServicePortEntry> service_ports_of(const Cluster& cluster, rules::Family family);

rules::Snapshot snapshot_of(const Cluster& cluster, rules::Family family);

}  // namespace test
