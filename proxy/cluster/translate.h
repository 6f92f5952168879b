#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "k8sclient/objects/types.h"
#include "proxy/host/per_family.h"
#include "rules/service.h"

// API objects → the compiler's input (spec §3.1, §6). Pure and total: a bad leaf is dropped and
// noted, as kube-proxy does, and never spoils the rest of its object.

namespace proxy {

/// What a translation depends on besides the object; fixed for the life of the process.
struct TranslateOptions {
  std::string node_name;                          // endpoints of this node are local
  bool allow_service_external_ips = true;         // feature gate AllowServiceExternalIPs
  std::uint64_t max_rules_per_service = 200'000;  // in each family; 0: no limit
};

/// One line for each dropped leaf: object, field, value and reason; without line breaks.
using Warnings = std::vector<std::string>;

using NamedServicePort = std::pair<rules::ServicePortName, rules::ServicePort>;

struct ServiceTranslation {
  // Sorted by name, names unique, endpoints empty. A family in which the Service does not exist has
  // none.
  PerFamily<std::vector<NamedServicePort>> ports;
  // Rules that the ports would take without any endpoint, if that is more than a Service may; then
  // they are not there, so that they take no memory either.
  PerFamily<std::uint64_t> too_many{};
  Warnings warnings;
};

/// The Service's ports in each family (spec §3.1). Headless and ExternalName Services, and those of
/// another proxy (label service.kubernetes.io/service-proxy-name), have none.
ServiceTranslation translate(const k8sclient::Service& service, const TranslateOptions& options);

/// The part of an EndpointSlice that rules depend on, a fifth of the size of the typed object.
/// Equal slices have equal consequences.
struct Slice {
  struct Port {
    k8sclient::SharedString name;
    rules::Protocol protocol = rules::Protocol::kTcp;
    std::uint16_t number = 0;

    bool operator==(const Port&) const = default;
  };

  struct Hints {
    std::vector<k8sclient::SharedString> zones;
    std::vector<k8sclient::SharedString> nodes;

    auto operator<=>(const Hints&) const = default;
  };

  struct Endpoint {
    rules::IpAddress address;
    bool local : 1 = false;
    bool ready : 1 = true;
    bool serving : 1 = true;
    bool terminating : 1 = false;
    std::uint32_t hints = 0;  // 0: none; n: Slice::hints[n - 1]

    bool operator==(const Endpoint&) const = default;
  };

  k8sclient::SharedString service;  // in the slice's own namespace
  rules::Family family = rules::Family::kIpv4;
  std::vector<Port> ports;
  std::vector<Endpoint> endpoints;  // in the order of the object
  std::vector<Hints> hints;         // without duplicates
  // Annotation endpoints.kubernetes.io/last-change-trigger-time (spec §6.6).
  std::optional<std::chrono::system_clock::time_point> trigger_time;

  bool operator==(const Slice&) const = default;
};

struct SliceTranslation {
  std::optional<Slice> slice;  // nothing: the object is not for this proxy
  Warnings warnings;
};

/// Headless slices, those without an owner, and those of an address type other than IPv4 and IPv6
/// are not for this proxy (spec §6.1, §6.3).
SliceTranslation translate(const k8sclient::EndpointSlice& slice, const TranslateOptions& options);

/// Endpoints of one port of the Service that owns these slices, sorted by the bytes of their text.
/// Slices of the other family are skipped. Of several with one address the last that is not
/// terminating wins, or else the first; so the order of the slices matters: pass them by name
/// (spec §6.4).
std::vector<rules::Endpoint> endpoints_of(std::span<const Slice* const> slices,
                                          rules::Family family,
                                          std::string_view port,
                                          rules::Protocol protocol);

/// What rules depend on of the node that this process runs on (spec §8).
struct NodeFacts {
  std::string zone;  // empty: unknown
  // The primary address, then the first one of the other family (spec §8.2). May be empty.
  std::vector<rules::IpAddress> addresses;
  std::vector<rules::Cidr> pod_cidrs;
  // Load balancers should send traffic to it: it is not being deleted, and the cluster autoscaler
  // has not marked it for deletion (KEP-3836; spec §9.1).
  bool eligible = false;

  bool operator==(const NodeFacts&) const = default;
};

struct NodeTranslation {
  NodeFacts node;
  Warnings warnings;
};

NodeTranslation translate(const k8sclient::Node& node);

}  // namespace proxy
