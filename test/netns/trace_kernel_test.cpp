// The tracer against the kernel: real connections from every kind of sender to every kind of
// address end where the tracer says, having taken the rules that it names (by their counters).

#include <cmath>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "proxy/tables/iptables.h"
#include "rules/save_text.h"
#include "rules/trace.h"
#include "test/support/kernel_tables.h"
#include "test/support/network_namespace.h"
#include "test/support/node_lab.h"
#include "test/support/packets.h"

using namespace rules;
using namespace test;

namespace {

constexpr std::uint16_t kTargetPort = 8080;
constexpr std::uint16_t kHealthPort = 30100;

enum class PodsKnown { kByAddress, kByInterface, kNot };

struct Setup {
  Family family = Family::kIpv4;
  proxy::Variant variant = proxy::Variant::kLegacy;
  PodsKnown pods = PodsKnown::kByAddress;
  bool masquerade_all = false;
  Layout layout = Layout::kKubeProxy;
};

Context context_of(const Setup& setup) {
  const LabAddresses lab = lab_addresses(setup.family);
  Context context = common_context(setup.family);
  context.layout = setup.layout;
  context.node_ip = lab.node;
  context.masquerade_all = setup.masquerade_all;
  context.random_fully = true;
  context.counts_invalid_drops = false;  // accounting objects would have to be made first
  context.counts_localhost_node_ports = false;
  context.local_traffic = {};
  if (setup.pods == PodsKnown::kByInterface) {
    context.local_traffic = LocalInterface{"po+"};
  } else if (setup.pods == PodsKnown::kByAddress) {
    context.local_traffic = lab.pods;
  }
  return context;
}

std::string compile_text(const Setup& setup, const std::vector<ServicePortEntry>& services) {
  Compiler compiler;
  return to_save_text(compiler.compile(make_snapshot(setup.family, services), context_of(setup)));
}

/// Services of every kind, on addresses made from their position.
class Services {
 public:
  explicit Services(Family family) : family_(family), lab_(lab_addresses(family)) {
    const std::vector<Endpoint> here_and_there = {
        at(lab_.here, true), at(lab_.there_1, false), at(lab_.there_2, false)};
    const std::vector<Endpoint> only_there = {at(lab_.there_1, false)};
    using enum TrafficPolicy;
    add("plain/tcp", {.endpoints = here_and_there});
    add("external-local/tcp",
        {.health_check_node_port = kHealthPort,
         .external_policy = kLocal,
         .endpoints = here_and_there});
    add("internal-local/tcp", {.internal_policy = kLocal, .endpoints = here_and_there});
    add("not-here/tcp",
        {.internal_policy = kLocal, .external_policy = kLocal, .endpoints = only_there});
    // In IPv6 a refusal that comes back while connect() is still at work is only heard when the SYN
    // is repeated, a second later.
    add(family == Family::kIpv4 ? "empty/tcp" : "empty/udp", {});
    add("ranges/tcp", {.source_ranges = {lab_.client_network}, .endpoints = here_and_there});
    add("sticky/tcp", {.client_ip_affinity = 60, .endpoints = only_there});
    add("datagrams/udp", {.endpoints = here_and_there});
  }

  const std::vector<ServicePortEntry>& entries() const { return entries_; }

 private:
  Endpoint at(const IpAddress& address, bool local) const {
    return {.address = {address, kTargetPort}, .local = local};
  }

  void add(std::string_view name, ServicePort port) {
    const std::size_t number = entries_.size() + 1;
    const bool ipv4 = family_ == Family::kIpv4;
    port.cluster_ip = ip(fmt::format("{}{}", ipv4 ? "10.96.0." : "fd00:10:96::", number));
    port.port = 80;
    port.node_port = static_cast<std::uint16_t>(30000 + number);
    port.external_ips = {ip(fmt::format("{}{}", ipv4 ? "192.0.2." : "2001:db8:98::", number))};
    port.load_balancer_vips = {
        ip(fmt::format("{}{}", ipv4 ? "198.51.100." : "2001:db8:99::", number))};
    entries_.push_back(service("ns/" + std::string(name), std::move(port)));
  }

  Family family_;
  LabAddresses lab_;
  std::vector<ServicePortEntry> entries_;
};

void listen_everywhere(NodeLab& lab,
                       const LabAddresses& addresses,
                       const std::vector<ServicePortEntry>& services) {
  for (const Protocol protocol : {Protocol::kTcp, Protocol::kUdp}) {
    lab.listen(Site::kHere, {addresses.here, kTargetPort}, protocol);
    lab.listen(Site::kThere, {addresses.there_1, kTargetPort}, protocol);
    lab.listen(Site::kThere, {addresses.there_2, kTargetPort}, protocol);
  }
  lab.listen(Site::kNode, {addresses.node, kHealthPort}, Protocol::kTcp);
  for (const auto& [name, port] : services) {
    for (const IpAddress& address :
         {port->cluster_ip, port->external_ips[0], port->load_balancer_vips[0]}) {
      lab.listen(Site::kBeyond, {address, port->port}, name.protocol);
    }
  }
}

std::vector<NodeLab::Sending> all_sendings(Family family,
                                           const std::vector<ServicePortEntry>& services) {
  const LabAddresses lab = lab_addresses(family);
  const std::vector<std::pair<Site, IpAddress>> senders = {{Site::kPod, lab.pod},
                                                           {Site::kHere, lab.here},
                                                           {Site::kNode, lab.node},
                                                           {Site::kOutside, lab.client},
                                                           {Site::kOutside, lab.stranger}};
  std::vector<NodeLab::Sending> sendings;
  for (const auto& [name, port] : services) {
    std::vector<SocketAddress> destinations = {{port->cluster_ip, port->port}};
    if (!port->client_ip_affinity) {  // the tracer speaks of a client's first connection
      destinations.push_back({port->external_ips[0], port->port});
      destinations.push_back({port->load_balancer_vips[0], port->port});
      destinations.push_back({lab.node, port->node_port});
    }
    for (const auto& [site, source] : senders) {
      for (const SocketAddress& destination : destinations) {
        sendings.push_back({site, {source, 0}, destination, name.protocol});
      }
    }
    if (family == Family::kIpv4) {
      sendings.push_back(
          {Site::kNode, {lab.loopback, 0}, {lab.loopback, port->node_port}, name.protocol});
    }
  }
  sendings.push_back({Site::kOutside, {lab.client, 0}, {lab.node, kHealthPort}, Protocol::kTcp});
  return sendings;
}

/// `node` is the address that masqueraded packets get. A packet of the node itself has it anyway:
/// there only the counter of the MASQUERADE rule tells.
bool agrees(const Outcome& outcome,
            const Observation& seen,
            const NodeLab::Sending& sent,
            const IpAddress& node) {
  switch (seen.kind) {
    case Observation::Kind::kRefused:
      return outcome.verdict == Verdict::kReject;
    case Observation::Kind::kDropped:
      return outcome.verdict == Verdict::kDrop;
    case Observation::Kind::kArrived:
      return outcome.verdict == Verdict::kAccept &&
             outcome.endpoint.value_or(sent.destination) == seen.at &&
             seen.from == (outcome.masqueraded ? node : sent.source.address);
  }
  return false;
}

/// Rules of the table on the way.
std::set<std::string> rules_taken(const Outcome& outcome, Table table) {
  std::set<std::string> taken;
  for (const Step& step : outcome.path) {
    if (step.chain.table == table && step.number != 0) {
      taken.insert(rule_name(step.chain, step.number));
    }
  }
  return taken;
}

std::set<std::string> of_table(const std::set<std::string>& rules, Table table) {
  std::set<std::string> chosen;
  for (const std::string& rule : rules) {
    if (rule.starts_with(to_string(table))) {
      chosen.insert(rule);
    }
  }
  return chosen;
}

/// In the nat table nothing but the connection's first packet counts, so the rules that counted are
/// exactly those on its way. The filter table sees other packets, too.
void check_counters(const Outcome& outcome, const std::set<std::string>& counted) {
  CHECK(of_table(counted, Table::kNat) == rules_taken(outcome, Table::kNat));
  for (const std::string& rule : rules_taken(outcome, Table::kFilter)) {
    CAPTURE(rule);
    CHECK(counted.contains(rule));
  }
}

class FlowCheck {
 public:
  FlowCheck(NodeLab& lab,
            const KernelTables& kernel,
            const Tables& tables,
            const LabAddresses& addresses)
      : lab_(lab), kernel_(kernel), tables_(tables), addresses_(addresses) {}

  /// Sends until every outcome was seen. With at most three of equal share, 60 attempts miss one
  /// with p < 3 (2/3)^60 < 1e-9.
  void check(const NodeLab::Sending& sending) const {
    const Packet packet{.source = sending.source.address,
                        .destination = sending.destination,
                        .protocol = sending.protocol,
                        .in_interface = link_name(sending.site)};
    const Trace traced = trace(tables_, packet, std::span(&addresses_.node, 1));
    REQUIRE(traced.outcomes.size() <= 3);
    std::set<std::size_t> seen;
    for (int attempt = 0; attempt < 60 && seen.size() < traced.outcomes.size(); ++attempt) {
      seen.insert(send_once(sending, traced, attempt == 0));
    }
    CHECK(seen.size() == traced.outcomes.size());
  }

 private:
  /// Position of the outcome that came true.
  std::size_t send_once(const NodeLab::Sending& sending, const Trace& traced, bool counts) const {
    const auto may_drop =
        std::find_if(traced.outcomes.begin(), traced.outcomes.end(), [](const Outcome& outcome) {
          return outcome.verdict == Verdict::kDrop;
        });
    if (counts) {
      kernel_.zero_counters();
    }
    const Observation seen = lab_.send(sending, [&] {
      return may_drop != traced.outcomes.end() &&
             kernel_.counted_rules().contains(
                 rule_name(may_drop->path.back().chain, may_drop->path.back().number));
    });
    const auto found =
        std::find_if(traced.outcomes.begin(), traced.outcomes.end(), [&](const Outcome& outcome) {
          return agrees(outcome, seen, sending, addresses_.node);
        });
    INFO("traced: " << fate(traced) << "; kind seen: " << static_cast<int>(seen.kind) << " at "
                    << to_string(seen.at) << " from " << to_string(seen.from));
    REQUIRE(found != traced.outcomes.end());
    if (counts) {
      check_counters(*found, kernel_.counted_rules());
    }
    return static_cast<std::size_t>(found - traced.outcomes.begin());
  }

  NodeLab& lab_;
  const KernelTables& kernel_;
  const Tables& tables_;
  const LabAddresses& addresses_;
};

/// A lab with the rules of all kinds of Services, and every packet that it can send.
void check_all_packets(const Setup& setup) {
  const NetworkNamespace node;
  NodeLab lab(setup.family);
  const LabAddresses addresses = lab_addresses(setup.family);
  const Services services(setup.family);
  listen_everywhere(lab, addresses, services.entries());
  const KernelTables kernel(setup.family, setup.variant);
  kernel.restore(compile_text(setup, services.entries()));
  const Tables tables = parse_tables(kernel.save(), setup.family);
  const FlowCheck flow(lab, kernel, tables, addresses);

  for (const NodeLab::Sending& sending : all_sendings(setup.family, services.entries())) {
    INFO(to_string(sending.source.address)
         << " to " << to_string(sending.destination) << "/" << to_string(sending.protocol));
    flow.check(sending);
  }
}

}  // namespace

TEST_CASE("trace: connections end where the tracer says (IPv4, legacy)", "[netns][trace]") {
  check_all_packets({Family::kIpv4, proxy::Variant::kLegacy});
}

TEST_CASE("trace: connections end where the tracer says (IPv4, nft)", "[netns][trace]") {
  check_all_packets({Family::kIpv4, proxy::Variant::kNft});
}

TEST_CASE("trace: connections end where the tracer says (IPv6, legacy)", "[netns][trace]") {
  check_all_packets({Family::kIpv6, proxy::Variant::kLegacy});
}

TEST_CASE("trace: connections end where the tracer says (IPv6, nft)", "[netns][trace]") {
  check_all_packets({Family::kIpv6, proxy::Variant::kNft});
}

TEST_CASE("trace: connections end where the tracer says (masquerade all)", "[netns][trace]") {
  check_all_packets({Family::kIpv4, proxy::Variant::kNft, PodsKnown::kByAddress, true});
}

TEST_CASE("trace: connections end where the tracer says (pods known by interface)",
          "[netns][trace]") {
  check_all_packets({Family::kIpv4, proxy::Variant::kLegacy, PodsKnown::kByInterface});
}

TEST_CASE("trace: connections end where the tracer says (pods not known)", "[netns][trace]") {
  check_all_packets({Family::kIpv4, proxy::Variant::kLegacy, PodsKnown::kNot});
}

TEST_CASE("trace: connections end where the tracer says, in the compact layout",
          "[netns][trace][layout]") {
  const Family family = GENERATE(Family::kIpv4, Family::kIpv6);
  const auto variant = GENERATE(proxy::Variant::kLegacy, proxy::Variant::kNft);
  CAPTURE(to_string(family), proxy::to_string(variant));
  check_all_packets({.family = family, .variant = variant, .layout = Layout::kCompact});
}

TEST_CASE("trace: shares are those of the kernel", "[netns][trace]") {
  const Setup setup{Family::kIpv4, GENERATE(proxy::Variant::kLegacy, proxy::Variant::kNft)};
  CAPTURE(proxy::to_string(setup.variant));
  const NetworkNamespace node;
  NodeLab lab(setup.family);
  const LabAddresses addresses = lab_addresses(setup.family);
  const Services services(setup.family);
  listen_everywhere(lab, addresses, services.entries());
  const ServicePortEntry& datagrams = services.entries().back();
  const KernelTables kernel(setup.family, setup.variant);
  kernel.restore(compile_text(setup, {datagrams}));
  const Tables tables = parse_tables(kernel.save(), setup.family);
  const SocketAddress cluster_ip{datagrams.second->cluster_ip, datagrams.second->port};
  const Trace traced = trace(tables,
                             {.source = addresses.pod,
                              .destination = cluster_ip,
                              .protocol = Protocol::kUdp,
                              .in_interface = "pod"},
                             std::span(&addresses.node, 1));
  REQUIRE(traced.outcomes.size() == 3);

  // A source port each: a port used twice would be the same connection, with the same endpoint.
  constexpr std::uint16_t kDatagrams = 10000;
  std::map<SocketAddress, int> arrived;
  for (std::uint16_t i = 0; i < kDatagrams; ++i) {
    const std::uint16_t port = static_cast<std::uint16_t>(20000 + i);
    ++arrived[lab.send({Site::kPod, {addresses.pod, port}, cluster_ip, Protocol::kUdp},
                       [] { return false; })
                  .at];
  }

  // Hoeffding: one of three frequencies is off by more than t with p < 6 exp(-2 n t^2), here 1e-10.
  const double tolerance = std::sqrt(std::log(6e10) / (2.0 * kDatagrams));
  CHECK(arrived.size() == 3);
  for (const Outcome& outcome : traced.outcomes) {
    CAPTURE(to_string(*outcome.endpoint));
    CHECK(arrived[*outcome.endpoint] / double{kDatagrams} ==
          Approx(outcome.at_most).margin(tolerance).epsilon(0));
  }
}
