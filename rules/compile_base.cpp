#include <utility>

#include "rules/compile.h"
#include "rules/names.h"

namespace rules {

namespace {

constexpr std::string_view kNodePortsComment =
    "kubernetes service nodeports; NOTE: this must be the last rule in this chain";

ChainId nat(std::string_view name) {
  return {Table::kNat, ChainName(name)};
}

ChainId filter(std::string_view name) {
  return {Table::kFilter, ChainName(name)};
}

/// spec §2.1, in its order.
std::vector<Base::Hook> hooks() {
  struct Row {
    Table table;
    std::string_view target;
    std::string_view source;
    bool only_new;
    std::string_view comment;
  };

  constexpr std::string_view kExternal = "kubernetes externally-visible service portals";
  constexpr std::string_view kPortals = "kubernetes service portals";
  constexpr std::string_view kFirewall = "kubernetes load balancer firewall";
  constexpr Row kRows[] = {
      {Table::kFilter, kExternalServicesChain, "INPUT", true, kExternal},
      {Table::kFilter, kExternalServicesChain, "FORWARD", true, kExternal},
      {Table::kFilter, kNodePortsChain, "INPUT", false, "kubernetes health check service ports"},
      {Table::kFilter, kServicesChain, "FORWARD", true, kPortals},
      {Table::kFilter, kServicesChain, "OUTPUT", true, kPortals},
      {Table::kFilter, kForwardChain, "FORWARD", false, "kubernetes forwarding rules"},
      {Table::kFilter, kProxyFirewallChain, "INPUT", true, kFirewall},
      {Table::kFilter, kProxyFirewallChain, "OUTPUT", true, kFirewall},
      {Table::kFilter, kProxyFirewallChain, "FORWARD", true, kFirewall},
      {Table::kNat, kServicesChain, "OUTPUT", false, kPortals},
      {Table::kNat, kServicesChain, "PREROUTING", false, kPortals},
      {Table::kNat, kPostroutingChain, "POSTROUTING", false, "kubernetes postrouting rules"},
      {Table::kFilter, kKubeletFirewallChain, "INPUT", false, ""},
      {Table::kFilter, kKubeletFirewallChain, "OUTPUT", false, ""},
  };
  std::vector<Base::Hook> all;
  for (const Row& row : kRows) {
    Rule rule{.target = Jump{ChainName(row.target)}};
    if (row.only_new) {
      rule.matches.emplace_back(ConnectionState{ConnectionState::kNew});
    }
    if (!row.comment.empty()) {
      rule.matches.emplace_back(Comment{std::string(row.comment)});
    }
    all.push_back({{row.table, ChainName(row.source)}, std::move(rule)});
  }
  return all;
}

/// Connections that were given to the very pod that opens them. In kube-proxy's layout the chain of
/// each endpoint marks them.
Rule hairpin_rule(Target target) {
  return Rule{.matches = {Comment{"kubernetes hairpin traffic"},
                          ConnectionState{ConnectionState::kDnat},
                          SourceIsDestination{}},
              .target = std::move(target)};
}

std::vector<Rule> postrouting_rules(const Context& context) {
  const std::uint32_t mark = context.masquerade_mark;
  std::vector<Rule> rules{Rule{.matches = {MarkMatch{mark, mark, true}}, .target = Return{}},
                          Rule{.target = SetMark{mark, 0}},
                          Rule{.matches = {Comment{"kubernetes service traffic requiring SNAT"}},
                               .target = Masquerade{context.random_fully}}};
  if (context.layout == Layout::kCompact) {
    rules.insert(rules.begin(), hairpin_rule(Masquerade{context.random_fully}));
  }
  return rules;
}

std::vector<Rule> forward_rules(const Context& context) {
  std::vector<Rule> rules;
  if (!context.tcp_be_liberal) {
    Rule& invalid = rules.emplace_back(
        Rule{.matches = {ConnectionState{ConnectionState::kInvalid}}, .target = Drop{}});
    if (context.counts_invalid_drops) {
      invalid.matches.emplace_back(AccountingObject{"ct_state_invalid_dropped_pkts"});
    }
  }
  const std::uint32_t mark = context.masquerade_mark;
  rules.push_back(Rule{.matches = {Comment{"kubernetes forwarding rules"}, MarkMatch{mark, mark}},
                       .target = Accept{}});
  constexpr std::uint16_t kKnown = ConnectionState::kRelated | ConnectionState::kEstablished;
  rules.push_back(
      Rule{.matches = {Comment{"kubernetes forwarding conntrack rule"}, ConnectionState{kKnown}},
           .target = Accept{}});
  if (context.layout == Layout::kCompact) {
    rules.push_back(hairpin_rule(Accept{}));  // which have no mark
  }
  return rules;
}

/// Packets for 127/8 that did not start here: what route_localnet would otherwise let in
/// (CVE-2020-8558).
Rule localnet_rule() {
  const Cidr loopback = *Cidr::parse("127.0.0.0/8");
  constexpr std::uint16_t kStates =
      ConnectionState::kRelated | ConnectionState::kEstablished | ConnectionState::kDnat;
  return Rule{
      .source = Negatable<Cidr>{loopback, true},
      .destination = Negatable<Cidr>{loopback},
      .matches = {Comment{"block incoming localnet connections"}, ConnectionState{kStates, true}},
      .target = Drop{}};
}

/// The way to KUBE-NODEPORTS, last in nat KUBE-SERVICES (spec §3.4.5, T1).
std::vector<Rule> node_port_rules(const Context& context) {
  const Rule jump{.matches = {Comment{std::string(kNodePortsComment)}},
                  .target = Jump{ChainName(kNodePortsChain)}};
  std::vector<Rule> rules;
  if (!context.node_port_addresses) {
    Rule& rule = rules.emplace_back(jump);
    rule.matches.emplace_back(LocalAddress{LocalAddress::Side::kDestination});
    if (context.family == Family::kIpv6) {
      rule.destination = Negatable<Cidr>{*Cidr::parse("::1/128"), true};
    } else if (!context.localhost_node_ports) {
      rule.destination = Negatable<Cidr>{*Cidr::parse("127.0.0.0/8"), true};
    }
    return rules;
  }
  for (const IpAddress& address : *context.node_port_addresses) {
    if (address.is_loopback() && !context.localhost_node_ports) {
      continue;
    }
    Rule& rule = rules.emplace_back(jump);
    rule.destination = Negatable<Cidr>{Cidr::host(address)};
  }
  return rules;
}

}  // namespace

Base compile_base(const Context& context) {
  const std::uint32_t mark = context.masquerade_mark;
  Base base;
  base.chains = {{filter(kForwardChain), forward_rules(context)},
                 {nat(kPostroutingChain), postrouting_rules(context)},
                 {nat(kMarkMasqChain), {Rule{.target = SetMark{mark, mark}}}}};
  if (context.localhost_node_ports && context.family == Family::kIpv4) {
    base.chains.push_back({filter(kKubeletFirewallChain), {localnet_rule()}});
  } else {
    base.present.push_back(filter(kKubeletFirewallChain));
  }
  base.shared = {{filter(kServicesChain), {}},
                 {filter(kExternalServicesChain), {}},
                 {filter(kNodePortsChain), {}},
                 {filter(kProxyFirewallChain), {}},
                 {nat(kServicesChain), node_port_rules(context)},
                 {nat(kNodePortsChain), {}}};
  for (const Table table : {Table::kMangle, Table::kNat, Table::kFilter}) {
    base.present.push_back({table, ChainName(kCanaryChain)});
  }
  base.hooks = hooks();
  return base;
}

}  // namespace rules
