#include <algorithm>
#include <iterator>
#include <utility>

#include "rules/compile_facts.h"
#include "rules/endpoint_tree.h"

namespace rules {

namespace {

/// Makes the chains of one service port.
class ChainCompiler : public ServiceFacts {
 public:
  explicit ChainCompiler(ServiceFacts facts) : ServiceFacts(std::move(facts)) {}

  std::vector<Section> compile() && {
    if (!is_compact() || affinity_) {
      endpoint_chains();
    }
    policy_chains();
    if (uses_external_chain_) {
      external_chain_rules();
    }
    if (uses_firewall_) {
      firewall_chain_rules();
    }
    return std::move(chains_);
  }

 private:
  bool comments_endpoints() const { return !is_compact() && !context_.large_cluster; }

  const ChainName& external_policy_target() const {
    return external_is_local_ ? local_chain_ : cluster_chain_;
  }

  /// A jump whose only condition, besides what the caller adds, is a comment.
  static Rule commented_jump(std::string comment, const ChainName& target) {
    return Rule{.matches = {Comment{std::move(comment)}}, .target = Jump{target}};
  }

  std::vector<Rule>& chain(const ChainName& name) {
    return chains_.emplace_back(Section{{Table::kNat, name}, {}}).rules;
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
      if (affinity_) {
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
    if (!affinity_) {
      return;
    }
    for (const std::uint32_t i : endpoints) {
      Rule& rule = rules.emplace_back(dispatch_rule(i));
      rule.matches.emplace_back(Recent{Recent::Action::kCheck, endpoint_chains_[i], *affinity_});
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
    addresses.reserve(endpoints.size());
    for (const std::uint32_t i : endpoints) {
      addresses.push_back(port_.endpoints[i].address);
    }
    EndpointTree tree = spread(name, addresses, [&](const SocketAddress& address) {
      return affinity_ ? Rule{.target = Jump{endpoint_chain(name_, address)}}
                       : translation(address);
    });
    std::ranges::move(tree.chains, std::back_inserter(chains_));
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

  std::vector<ChainName>
      endpoint_chains_;  // by position in the port's endpoints; empty if it has none
  std::vector<Section> chains_;
};

}  // namespace

Block compile_service(const ServicePortName& name,
                      const ServicePort& port,
                      const Context& context) {
  ServiceFacts facts(name, port, context);
  Block block;
  block.entries = compile_entries(facts);
  block.chains = ChainCompiler(std::move(facts)).compile();
  return block;
}

}  // namespace rules
