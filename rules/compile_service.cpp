#include <algorithm>
#include <iterator>
#include <utility>

#include "rules/compile.h"
#include "rules/endpoint_tree.h"
#include "rules/names.h"
#include "rules/topology.h"

namespace rules {

namespace {

const Cidr kLoopback = *Cidr::parse("127.0.0.0/8");

/// Builds the block of one service port; part letters and numbers are those of spec §3.4.2.
class ServiceCompiler {
 public:
  ServiceCompiler(const ServicePortName& name, const ServicePort& port, const Context& context)
      : name_(name),
        port_(port),
        context_(context),
        label_(to_string(name)),
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
  }

  Block entries() && {
    make_entries();
    return std::move(block_);
  }

  Block compile() && {
    make_entries();
    if (!is_compact() || port_.client_ip_affinity) {
      endpoint_chains();
    }
    policy_chains();
    if (uses_external_chain_) {
      external_chain_rules();
    }
    if (uses_firewall_) {
      firewall_chain_rules();
    }
    return std::move(block_);
  }

 private:
  bool is_compact() const { return context_.layout == Layout::kCompact; }

  bool comments_endpoints() const { return !is_compact() && !context_.large_cluster; }

  void make_entries() {
    name_chains();
    cluster_ip_entries();
    external_ip_entries();
    load_balancer_entries();
    node_port_entries();
    health_check_entry();
  }

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

  const ChainName& internal_target() const {
    return internal_is_local_ ? local_chain_ : cluster_chain_;
  }

  const ChainName& external_policy_target() const {
    return external_is_local_ ? local_chain_ : cluster_chain_;
  }

  const ChainName& load_balancer_target() const {
    return uses_firewall_ ? firewall_chain_ : external_chain_;
  }

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

  /// A jump whose only condition, besides what the caller adds, is a comment.
  static Rule commented_jump(std::string comment, const ChainName& target) {
    return Rule{.matches = {Comment{std::move(comment)}}, .target = Jump{target}};
  }

  void entry(Table table, std::string_view chain, Rule rule, Rank rank = Rank::kFirst) {
    const ChainId id{table, ChainName(chain)};
    auto found =
        std::find_if(block_.entries.begin(), block_.entries.end(), [&](const Section& section) {
          return section.chain == id && section.rank == rank;
        });
    if (found == block_.entries.end()) {
      found = block_.entries.insert(found, Section{id, {}, rank});
    }
    found->rules.push_back(std::move(rule));
  }

  std::vector<Rule>& chain(const ChainName& name) {
    return block_.chains.emplace_back(Section{{Table::kNat, name}, {}}).rules;
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

  void endpoint_chains() {  // B6
    endpoint_chains_.resize(port_.endpoints.size());
    for (const std::uint32_t i : selection_.reachable) {
      const SocketAddress& address = port_.endpoints[i].address;
      endpoint_chains_[i] = endpoint_chain(name_, address);
      auto& rules = chain(endpoint_chains_[i]);
      if (!is_compact()) {
        Rule& hairpin = rules.emplace_back();
        hairpin.source = Negatable<Cidr>{Cidr::host(address.address)};
        hairpin.target = Jump{ChainName(kMarkMasqChain)};
        comment_endpoint(hairpin, label_);
      }
      Rule& translate = rules.emplace_back(translation(address));
      comment_endpoint(translate, label_);
      if (port_.client_ip_affinity) {
        translate.matches.emplace_back(Recent{Recent::Action::kSet, endpoint_chains_[i], 0});
      }
      translate.matches.emplace_back(TransportPort{name_.protocol, std::nullopt});
    }
  }

  Rule translation(const SocketAddress& endpoint) const {
    return Rule{.protocol = name_.protocol, .target = Dnat{endpoint}};
  }

  void comment_endpoint(Rule& rule, std::string comment) const {
    if (comments_endpoints()) {
      rule.matches.emplace_back(Comment{std::move(comment)});
    }
  }

  void policy_chains() {  // B1, B4, B5
    if (uses_cluster_chain_) {
      policy_chain(cluster_chain_, selection_.cluster, !internal_is_local_);
    }
    if (uses_local_chain_) {
      policy_chain(local_chain_, selection_.local, internal_is_local_);
    }
  }

  void policy_chain(const ChainName& name,
                    const std::vector<std::uint32_t>& endpoints,
                    bool takes_cluster_ip) {
    std::vector<Rule> rules;
    if (has_internal_ && takes_cluster_ip) {
      append_cluster_ip_masquerade(rules);
    }
    append_affinity(rules, endpoints);
    if (is_compact()) {
      append_tree(rules, endpoints, name);
    } else {
      append_cascade(rules, endpoints);
    }
    chain(name) = std::move(rules);
  }

  /// Traffic to the cluster IP that did not come from a local pod (B1).
  void append_cluster_ip_masquerade(std::vector<Rule>& rules) const {
    Rule rule = destination_rule(
        labelled(" cluster IP"), port_.cluster_ip, port_.port, Jump{ChainName(kMarkMasqChain)});
    if (!context_.masquerade_all) {
      if (std::holds_alternative<std::monostate>(context_.local_traffic)) {
        return;
      }
      match_local_traffic(rule, true);
    }
    rules.push_back(std::move(rule));
  }

  /// Adds the local-traffic detector's condition, inverted for traffic that is not from a local
  /// pod. That any address is the source is no condition: the kernel does not keep it.
  void match_local_traffic(Rule& rule, bool negated) const {
    if (const auto* cidr = std::get_if<Cidr>(&context_.local_traffic)) {
      if (negated || cidr->prefix_length > 0) {
        rule.source = Negatable<Cidr>{*cidr, negated};
      }
    } else if (const auto* interface = std::get_if<LocalInterface>(&context_.local_traffic)) {
      rule.in_interface = Negatable<std::string>{interface->name, negated};
    }
  }

  /// spec §3.4.3: affinity first, then equal shares by cascaded probabilities.
  void append_affinity(std::vector<Rule>& rules,
                       const std::vector<std::uint32_t>& endpoints) const {
    if (!port_.client_ip_affinity) {
      return;
    }
    const auto seconds = static_cast<std::uint32_t>(port_.client_ip_affinity->count());
    for (const std::uint32_t i : endpoints) {
      Rule& rule = rules.emplace_back(dispatch_rule(i));
      rule.matches.emplace_back(Recent{Recent::Action::kCheck, endpoint_chains_[i], seconds});
    }
  }

  void append_cascade(std::vector<Rule>& rules, const std::vector<std::uint32_t>& endpoints) const {
    rules.reserve(rules.size() + endpoints.size());
    for (std::size_t position = 0; position < endpoints.size(); ++position) {
      Rule& rule = rules.emplace_back(dispatch_rule(endpoints[position]));
      if (position + 1 < endpoints.size()) {
        rule.matches.emplace_back(share(1, endpoints.size() - position));
      }
    }
  }

  void append_tree(std::vector<Rule>& rules,
                   const std::vector<std::uint32_t>& endpoints,
                   const ChainName& name) {
    std::vector<SocketAddress> addresses;
    for (const std::uint32_t i : endpoints) {
      addresses.push_back(port_.endpoints[i].address);
    }
    EndpointTree tree = spread(name, addresses, [&](const SocketAddress& address) {
      return port_.client_ip_affinity ? Rule{.target = Jump{endpoint_chain(name_, address)}}
                                      : translation(address);
    });
    std::ranges::move(tree.chains, std::back_inserter(block_.chains));
    std::ranges::move(tree.rules, std::back_inserter(rules));
  }

  Rule dispatch_rule(std::uint32_t endpoint) const {
    Rule rule{.target = Jump{endpoint_chains_[endpoint]}};
    if (comments_endpoints()) {
      std::string comment = labelled(" -> ");
      append(comment, port_.endpoints[endpoint].address);
      comment_endpoint(rule, std::move(comment));
    }
    return rule;
  }

  void external_chain_rules() {  // B2
    auto& rules = chain(external_chain_);
    const std::string destinations = " for " + label_ + " external destinations";
    if (!external_is_local_) {
      rules.push_back(
          commented_jump("masquerade traffic" + destinations, ChainName(kMarkMasqChain)));
    } else {
      if (!std::holds_alternative<std::monostate>(context_.local_traffic)) {
        Rule rule = commented_jump("pod traffic" + destinations, cluster_chain_);
        match_local_traffic(rule, false);
        rules.push_back(std::move(rule));
      }
      const LocalAddress from_node{LocalAddress::Side::kSource};
      Rule& masquerade = rules.emplace_back(
          commented_jump("masquerade LOCAL traffic" + destinations, ChainName(kMarkMasqChain)));
      masquerade.matches.emplace_back(from_node);
      Rule& route =
          rules.emplace_back(commented_jump("route LOCAL traffic" + destinations, cluster_chain_));
      route.matches.emplace_back(from_node);
    }
    if (has_external_) {
      rules.push_back(Rule{.target = Jump{external_policy_target()}});
    }
  }

  void firewall_chain_rules() {  // B3
    auto& rules = chain(firewall_chain_);
    const auto accept_from = [&](const Cidr& source) {
      Rule& rule =
          rules.emplace_back(commented_jump(labelled(" loadbalancer IP"), external_chain_));
      rule.source = Negatable<Cidr>{source};
    };
    bool node_is_in_range = false;
    for (const Cidr& range : port_.source_ranges) {
      accept_from(range);
      node_is_in_range = node_is_in_range || range.contains(context_.node_ip);
    }
    if (node_is_in_range) {
      for (const IpAddress& ip : port_.load_balancer_vips) {
        accept_from(Cidr::host(ip));
      }
    }
    rules.push_back(Rule{.matches = {Comment{"other traffic to " + label_ +
                                             " will be dropped by KUBE-PROXY-FIREWALL"}}});
  }

  const ServicePortName& name_;
  const ServicePort& port_;
  const Context& context_;
  const std::string label_;
  const EndpointSelection selection_;
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
  std::vector<ChainName>
      endpoint_chains_;  // by position in the port's endpoints; empty if it has none
  Block block_;
};

}  // namespace

Block compile_entries(const ServicePortName& name,
                      const ServicePort& port,
                      const Context& context) {
  return ServiceCompiler(name, port, context).entries();
}

Block compile_service(const ServicePortName& name,
                      const ServicePort& port,
                      const Context& context) {
  return ServiceCompiler(name, port, context).compile();
}

}  // namespace rules
