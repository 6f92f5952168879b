// The tracer's words of others against the kernel: a rule that says them, and a packet.

#include <algorithm>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "rules/trace.h"
#include "test/support/kernel_tables.h"
#include "test/support/network_namespace.h"
#include "test/support/node_lab.h"

using namespace rules;
using namespace test;

namespace {

constexpr std::uint16_t kPort = 8080;
constexpr std::uint16_t kSourcePort = 40000;

/// Conditions on a datagram from port 40000 to port 8080.
std::vector<std::string> datagram_conditions(Family family) {
  std::vector<std::string> conditions = {
      "-p udp -m multiport --dports 22,8080,53",
      "-p udp -m multiport --dports 8000:8100,9",
      "-p udp -m multiport --dports 22,53",
      "-p udp -m multiport ! --dports 22,53",
      "-p udp -m multiport ! --dports 1:9000",
      "-p udp -m multiport --sports 40000",
      "-p udp -m multiport ! --sports 40000",
      "-p udp -m multiport --ports 7,40000",
      "-p udp -m multiport --ports 7,8",
      "-p udp -m udp --dport 8000:8100",
      "-p udp -m udp --dport 8081:",
      "-p udp -m udp ! --dport 22",
      "-p udp -m udp ! --dport 8080",
      "-p udp -m udp --sport 40000:40010",
      "-p udp -m udp --sport 53",
      "-p udp -m udp ! --sport 1:1023 --dport 8080",
      "-p udp -m udp --sport 1024:65535 ! --dport 8080",
      "! -p tcp",
      "! -p udp",
      "-m state --state NEW",
      "-m state --state RELATED,ESTABLISHED",
      "-m state ! --state NEW",
      "-m state ! --state INVALID",
      "-m conntrack --ctstate NEW --ctdir ORIGINAL",
      "-m conntrack --ctstate NEW --ctdir REPLY",
      "-m addrtype ! --dst-type LOCAL",
      "-m addrtype ! --src-type LOCAL",
      "-m addrtype --dst-type MULTICAST",
      "-m addrtype --dst-type LOCAL,MULTICAST",
      "-m addrtype ! --dst-type LOCAL,MULTICAST",
  };
  if (family == Family::kIpv6) {
    for (const char* types : {"UNICAST", "LOCAL,UNICAST", "UNICAST,MULTICAST", "UNSPEC"}) {
      conditions.push_back(fmt::format("-m addrtype --dst-type {}", types));
      conditions.push_back(fmt::format("-m addrtype ! --src-type {}", types));
    }
  } else {
    conditions.emplace_back("! -f");
    conditions.emplace_back("-m iprange --src-range 203.0.113.1-203.0.113.2");
    conditions.emplace_back("-m iprange ! --src-range 203.0.113.1-203.0.113.2");
    conditions.emplace_back("-m iprange --dst-range 192.168.205.146-192.168.205.150");
  }
  return conditions;
}

/// Conditions on the first packet of a connection that hold of no other one.
std::vector<std::string> connection_conditions() {
  return {"-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN",
          "-p tcp -m tcp --syn",
          "-p tcp -m tcp --tcp-flags SYN,RST SYN,RST",
          "-p tcp -m tcp --tcp-flags ALL NONE",
          "-p tcp -m tcp --dport 8000:8100 --tcp-flags ALL SYN",
          "-p tcp -m multiport --dports 80,8080:8090 -m state --state NEW",
          "-p tcp -m tcp --sport 1:1023"};
}

/// What becomes of one packet of the client to the node's port, in the kernel and in a trace of
/// what the kernel holds.
void check_condition(NodeLab& lab,
                     const KernelTables& kernel,
                     const NodeLab::Sending& sending,
                     const std::string& condition) {
  CAPTURE(condition);
  const Family family = sending.source.address.family();
  kernel.restore("*filter\n-F INPUT\n-A INPUT " + condition + " -j REJECT\nCOMMIT\n");
  const IpAddress node = lab_addresses(family).node;
  const Packet packet{.source = sending.source.address,
                      .destination = sending.destination,
                      .protocol = sending.protocol,
                      .source_port = sending.source.port,
                      .in_interface = link_name(sending.site)};

  const Trace traced = trace(parse_tables(kernel.save(), family), packet, std::span(&node, 1));
  const Observation seen = lab.send(sending, [] { return false; });

  REQUIRE(traced.outcomes.size() == 1);
  CHECK(is_certain(traced.outcomes[0]));
  CHECK((traced.outcomes[0].verdict == Verdict::kReject) ==
        (seen.kind == Observation::Kind::kRefused));
}

}  // namespace

TEST_CASE("trace: words of others mean to the tracer what they mean to the kernel",
          "[netns][trace]") {
  const Family family = GENERATE(Family::kIpv4, Family::kIpv6);
  const proxy::Variant variant = GENERATE(proxy::Variant::kLegacy, proxy::Variant::kNft);
  CAPTURE(to_string(family), proxy::to_string(variant));
  const NetworkNamespace space;
  NodeLab lab(family);
  const LabAddresses addresses = lab_addresses(family);
  const KernelTables kernel(family, variant);
  lab.listen(Site::kNode, {addresses.node, kPort}, Protocol::kUdp);
  lab.listen(Site::kNode, {addresses.node, kPort}, Protocol::kTcp);

  for (const std::string& condition : datagram_conditions(family)) {
    check_condition(
        lab,
        kernel,
        {Site::kOutside, {addresses.client, kSourcePort}, {addresses.node, kPort}, Protocol::kUdp},
        condition);
  }
  if (family == Family::kIpv4) {  // in IPv6 a refused connection is heard of late
    std::uint16_t source_port = kSourcePort;
    for (const std::string& condition : connection_conditions()) {
      check_condition(lab,
                      kernel,
                      {Site::kOutside,
                       {addresses.client, ++source_port},
                       {addresses.node, kPort},
                       Protocol::kTcp},
                      condition);
    }
  }
}

TEST_CASE("trace: a packet that raw takes out of connection tracking skips nat, as in the kernel",
          "[netns][trace]") {
  const Family family = GENERATE(Family::kIpv4, Family::kIpv6);
  const proxy::Variant variant = GENERATE(proxy::Variant::kLegacy, proxy::Variant::kNft);
  const std::string target = GENERATE(as<std::string>(), "", "NOTRACK", "CT --notrack", "DROP");
  const Site site = GENERATE(Site::kPod, Site::kNode);
  CAPTURE(to_string(family), proxy::to_string(variant), target, static_cast<int>(site));
  const NetworkNamespace space;
  NodeLab lab(family);
  const LabAddresses addresses = lab_addresses(family);
  const KernelTables kernel(family, variant);
  const SocketAddress service{family == Family::kIpv4 ? *IpAddress::parse("10.96.0.10")
                                                      : *IpAddress::parse("fd00:10:96::a"),
                              53};
  lab.listen(Site::kBeyond, service, Protocol::kUdp);
  lab.listen(Site::kHere, {addresses.here, 53}, Protocol::kUdp);
  const std::string to = to_string(Cidr::host(service.address));
  std::string text = "*raw\n";
  for (const char* chain : {"PREROUTING", "OUTPUT"}) {
    text += target.empty()
                ? ""
                : fmt::format("-A {} -d {} -p udp -m udp --dport 53 -j {}\n", chain, to, target);
  }
  text += "COMMIT\n*nat\n";
  for (const char* chain : {"PREROUTING", "OUTPUT"}) {
    text += fmt::format("-A {} -d {} -p udp -m udp --dport 53 -j DNAT --to-destination {}\n",
                        chain,
                        to,
                        to_string(SocketAddress{addresses.here, 53}));
  }
  kernel.restore(text + "COMMIT\n");
  const NodeLab::Sending sending{
      site, {site == Site::kPod ? addresses.pod : addresses.node, 0}, service, Protocol::kUdp};
  const Packet packet{.source = sending.source.address,
                      .destination = service,
                      .protocol = Protocol::kUdp,
                      .in_interface = link_name(site)};

  const Trace traced =
      trace(parse_tables(kernel.save(), family), packet, std::span(&addresses.node, 1));

  REQUIRE(traced.outcomes.size() == 1);
  const Outcome& outcome = traced.outcomes[0];
  if (outcome.verdict == Verdict::kDrop) {
    CHECK(target == "DROP");
    return;  // a local sender is told at once, and others never: nothing to wait for
  }
  const Observation seen = lab.send(sending, [] { return false; });
  CHECK(seen.kind == Observation::Kind::kArrived);
  CHECK(seen.at == outcome.endpoint.value_or(service));
  CHECK(outcome.untracked == (target == "NOTRACK" || target == "CT --notrack"));
}
