#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rules/compile.h"
#include "rules/names.h"
#include "rules/topology.h"

namespace rules {

/// What follows from a service port for all of its rules (spec §3.1, §3.2): who may reach it, and
/// the chains that it has. For rules/compile_*.cpp only; part letters and numbers there are those
/// of spec §3.4.2.
class ServiceFacts {
 public:
  ServiceFacts(const ServicePortName& name, const ServicePort& port, const Context& context)
      : name_(name),
        port_(port),
        context_(context),
        label_(to_string(name)),
        affinity_(context.session_affinity ? port.client_ip_affinity : std::nullopt),
        selection_(select_endpoints(port, context.node_name, context.zone)) {
    is_accessible_ = is_externally_accessible(port);
    internal_is_local_ = port.internal_policy == TrafficPolicy::kLocal;
    external_is_local_ = port.external_policy == TrafficPolicy::kLocal;
    has_ = selection_.any;
    has_internal_ = has_ && !(internal_is_local_ && selection_.local.empty());
    has_external_ = has_ && !(external_is_local_ && selection_.local.empty());
    uses_cluster_chain_ = !selection_.cluster.empty() && uses_cluster_endpoints(port);
    uses_local_chain_ = !selection_.local.empty() && uses_local_endpoints(port);
    uses_external_chain_ = has_ && is_accessible_;
    uses_firewall_ = has_ && !port.load_balancer_vips.empty() && !port.source_ranges.empty();
    name_chains();
  }

 protected:
  bool is_compact() const { return context_.layout == Layout::kCompact; }

  std::string labelled(std::string_view suffix) const { return label_ + std::string(suffix); }

  /// `[-d address] -p proto -m comment --comment ... -m proto --dport port -j target`
  Rule destination_rule(std::string comment,
                        std::optional<IpAddress> address,
                        std::uint16_t port,
                        Target target) const {
    Rule rule{.protocol = name_.protocol, .target = std::move(target)};
    if (address) {
      rule.destination = Negatable<Cidr>{Cidr::host(*address)};
    }
    rule.matches = {Comment{std::move(comment)}, TransportPort{name_.protocol, port}};
    return rule;
  }

  const ServicePortName& name_;
  const ServicePort& port_;
  const Context& context_;
  std::string label_;
  std::optional<std::uint32_t> affinity_;  // that there is
  EndpointSelection selection_;
  bool is_accessible_ = false;
  bool internal_is_local_ = false;
  bool external_is_local_ = false;
  bool has_ = false;
  bool has_internal_ = false;
  bool has_external_ = false;
  bool uses_cluster_chain_ = false;
  bool uses_local_chain_ = false;
  bool uses_external_chain_ = false;
  bool uses_firewall_ = false;
  ChainName cluster_chain_;
  ChainName local_chain_;
  ChainName external_chain_;
  ChainName firewall_chain_;

 private:
  void name_chains() {
    if (uses_cluster_chain_) {
      cluster_chain_ = cluster_policy_chain(name_);
    }
    if (uses_local_chain_) {
      local_chain_ = local_policy_chain(name_);
    }
    if (uses_external_chain_) {
      external_chain_ = external_chain(name_);
    }
    if (uses_firewall_) {
      firewall_chain_ = firewall_chain(name_);
    }
  }
};

std::vector<Section> compile_entries(const ServiceFacts& facts);

}  // namespace rules
