#include <algorithm>
#include <utility>

#include "rules/compile_facts.h"

namespace rules {

namespace {

const Cidr kLoopback = *Cidr::parse("127.0.0.0/8");

/// Makes the rules of one service port in shared chains.
class EntryCompiler : public ServiceFacts {
 public:
  explicit EntryCompiler(const ServiceFacts& facts) : ServiceFacts(facts) {}

  std::vector<Section> compile() && {
    cluster_ip_entries();
    external_ip_entries();
    load_balancer_entries();
    node_port_entries();
    health_check_entry();
    return std::move(entries_);
  }

 private:
  const ChainName& internal_target() const {
    return internal_is_local_ ? local_chain_ : cluster_chain_;
  }

  const ChainName& load_balancer_target() const {
    return uses_firewall_ ? firewall_chain_ : external_chain_;
  }

  void entry(Table table, std::string_view chain, Rule rule, Rank rank = Rank::kFirst) {
    const ChainId id{table, ChainName(chain)};
    auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Section& section) {
      return section.chain == id && section.rank == rank;
    });
    if (found == entries_.end()) {
      found = entries_.insert(found, Section{id, {}, rank});
    }
    found->rules.push_back(std::move(rule));
  }

  /// What happens to traffic without a usable endpoint: refused if there is none anywhere, dropped
  /// if just not here.
  std::pair<std::string, Target> refusal() const {
    return has_ ? std::pair<std::string, Target>{labelled(" has no local endpoints"), Drop{}}
                : std::pair<std::string, Target>{labelled(" has no endpoints"), Reject{}};
  }

  Rule refused(const IpAddress& address) const {
    auto [comment, target] = refusal();
    return destination_rule(std::move(comment), address, port_.port, std::move(target));
  }

  void cluster_ip_entries() {  // A1
    if (has_internal_) {
      entry(Table::kNat,
            kServicesChain,
            destination_rule(
                labelled(" cluster IP"), port_.cluster_ip, port_.port, Jump{internal_target()}));
    } else {
      entry(Table::kFilter, kServicesChain, refused(port_.cluster_ip));
    }
  }

  void external_ip_entries() {  // A2
    for (const IpAddress& ip : port_.external_ips) {
      if (has_) {
        entry(Table::kNat,
              kServicesChain,
              destination_rule(labelled(" external IP"), ip, port_.port, Jump{external_chain_}),
              Rank::kSecond);
      }
      if (!has_external_) {
        entry(Table::kFilter, kExternalServicesChain, refused(ip));
      }
    }
  }

  void load_balancer_entries() {  // A3, A4
    for (const IpAddress& ip : port_.load_balancer_vips) {
      if (has_) {
        entry(Table::kNat,
              kServicesChain,
              destination_rule(
                  labelled(" loadbalancer IP"), ip, port_.port, Jump{load_balancer_target()}),
              Rank::kSecond);
      }
      if (uses_firewall_) {
        const std::string comment =
            labelled(" traffic not accepted by ") + std::string(firewall_chain_.view());
        entry(
            Table::kFilter, kProxyFirewallChain, destination_rule(comment, ip, port_.port, Drop{}));
      }
      if (!has_external_) {
        entry(Table::kFilter, kExternalServicesChain, refused(ip));
      }
    }
  }

  void node_port_entries() {  // A5
    if (port_.node_port == 0) {
      return;
    }
    if (has_) {
      Rule rule = destination_rule(label_, std::nullopt, port_.node_port, Jump{external_chain_});
      if (context_.localhost_node_ports && context_.counts_localhost_node_ports &&
          context_.family == Family::kIpv4) {
        Rule counted = rule;
        counted.destination = Negatable<Cidr>{kLoopback};
        counted.matches.emplace_back(AccountingObject{"localhost_nps_accepted_pkts"});
        entry(Table::kNat, kNodePortsChain, std::move(counted));
      }
      entry(Table::kNat, kNodePortsChain, std::move(rule));
    }
    if (!has_external_) {
      auto [comment, target] = refusal();
      Rule rule =
          destination_rule(std::move(comment), std::nullopt, port_.node_port, std::move(target));
      rule.matches.insert(rule.matches.begin() + 1, LocalAddress{LocalAddress::Side::kDestination});
      entry(Table::kFilter, kExternalServicesChain, std::move(rule));
    }
  }

  void health_check_entry() {  // A6
    if (port_.health_check_node_port == 0) {
      return;
    }
    entry(Table::kFilter,
          kNodePortsChain,
          Rule{.protocol = Protocol::kTcp,
               .matches = {Comment{labelled(" health check node port")},
                           TransportPort{Protocol::kTcp, port_.health_check_node_port}},
               .target = Accept{}});
  }

  std::vector<Section> entries_;
};

}  // namespace

std::vector<Section> compile_entries(const ServicePortName& name,
                                     const ServicePort& port,
                                     const Context& context) {
  return compile_entries(ServiceFacts(name, port, context));
}

std::vector<Section> compile_entries(const ServiceFacts& facts) {
  return EntryCompiler(facts).compile();
}

}  // namespace rules
