#include "rules/trace.h"

#include <array>
#include <cmath>
#include <string>
#include <string_view>

#include <catch2/catch.hpp>

#include "rules/text.h"
#include "test/support/packets.h"
#include "test/support/parity_files.h"

using namespace rules;
using namespace test;

namespace {

/// A node with one Service of three endpoints at 10.96.0.10:80, in kube-proxy's shape.
constexpr std::string_view kThreeEndpoints = R"(*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-SERVICES - [0:0]
-A FORWARD -j KUBE-FORWARD
-A OUTPUT -m conntrack --ctstate NEW -j KUBE-SERVICES
-A FORWARD -m conntrack --ctstate NEW -j KUBE-SERVICES
-A FORWARD -s 10.0.0.0/8 -j ACCEPT
-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT
-A KUBE-SERVICES -d 10.96.0.99/32 -p tcp -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-SEP-1 - [0:0]
:KUBE-SEP-2 - [0:0]
:KUBE-SEP-3 - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-SVC-A - [0:0]
-A PREROUTING -j KUBE-SERVICES
-A OUTPUT -j KUBE-SERVICES
-A POSTROUTING -j KUBE-POSTROUTING
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -j MASQUERADE --random-fully
-A KUBE-SEP-1 -s 10.0.0.1/32 -j KUBE-MARK-MASQ
-A KUBE-SEP-1 -p tcp -m tcp -j DNAT --to-destination 10.0.0.1:8080
-A KUBE-SEP-2 -s 10.0.0.2/32 -j KUBE-MARK-MASQ
-A KUBE-SEP-2 -p tcp -m tcp -j DNAT --to-destination 10.0.0.2:8080
-A KUBE-SEP-3 -s 10.0.0.3/32 -j KUBE-MARK-MASQ
-A KUBE-SEP-3 -p tcp -m tcp -j DNAT --to-destination 10.0.0.3:8080
-A KUBE-SERVICES -d 10.96.0.10/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-A
-A KUBE-SVC-A ! -s 10.0.0.0/8 -d 10.96.0.10/32 -p tcp -m tcp --dport 80 -j KUBE-MARK-MASQ
-A KUBE-SVC-A -m statistic --mode random --probability 0.33333333349 -j KUBE-SEP-1
-A KUBE-SVC-A -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-2
-A KUBE-SVC-A -j KUBE-SEP-3
COMMIT
)";

Trace send(std::string_view save_text, std::string_view source, std::string_view destination) {
  return trace(parse_tables(save_text, Family::kIpv4),
               packet({"", source, destination, ""}),
               common_local_addresses());
}

std::string fate_in(std::string_view nat_rules,
                    std::string_view source = "10.0.0.9",
                    std::string_view destination = "10.96.0.10:80") {
  return fate(send("*nat\n" + std::string(nat_rules) + "COMMIT\n", source, destination));
}

}  // namespace

TEST_CASE("trace: endpoints get their effective shares", "[rules][trace]") {
  const Trace result = send(kThreeEndpoints, "10.0.0.9", "10.96.0.10:80");

  REQUIRE(fate(result) == "10.0.0.1:8080, 10.0.0.2:8080, 10.0.0.3:8080");
  for (const Outcome& outcome : result.outcomes) {
    CHECK(outcome.at_most == Approx(1.0 / 3).margin(1e-9));
    CHECK_FALSE(outcome.delivered_here);
  }
  CHECK(result.notes.empty());
}

TEST_CASE("trace: the path names every rule that took the packet, and the policies",
          "[rules][trace]") {
  const Trace result = send(kThreeEndpoints, "203.0.113.2", "10.96.0.10:80");

  std::string path;
  for (const Step& step : result.outcomes.at(1).path) {
    path += to_string(step.chain) + " " + std::to_string(step.number) + "\n";
  }
  CHECK(path ==
        "mangle PREROUTING 0\n"
        "nat PREROUTING 1\n"
        "nat KUBE-SERVICES 1\n"
        "nat KUBE-SVC-A 1\n"
        "nat KUBE-MARK-MASQ 1\n"
        "nat KUBE-SVC-A 3\n"
        "nat KUBE-SEP-2 2\n"
        "mangle FORWARD 0\n"
        "filter FORWARD 1\n"
        "filter KUBE-FORWARD 1\n"
        "mangle POSTROUTING 0\n"
        "nat POSTROUTING 1\n"
        "nat KUBE-POSTROUTING 2\n"
        "nat KUBE-POSTROUTING 3\n");
  CHECK(result.outcomes[1].masqueraded);
  CHECK(result.outcomes[1].path[5].chance == 0.5);
}

TEST_CASE("trace: one verdict for each kind of packet", "[rules][trace]") {
  const auto row = GENERATE(values<PacketRow>({
      {"another port", "10.0.0.9", "10.96.0.10:81", "ACCEPT"},
      {"another protocol", "10.0.0.9", "10.96.0.10:80/udp", "ACCEPT"},
      {"hairpin", "10.0.0.2", "10.96.0.10:80", "10.0.0.1:8080, 10.0.0.2:8080 masq, 10.0.0.3:8080"},
      {"the node itself",
       "192.168.0.2",
       "10.96.0.10:80",
       "10.0.0.1:8080 masq, 10.0.0.2:8080 masq, 10.0.0.3:8080 masq"},
      {"rejected when forwarded", "10.0.0.9", "10.96.0.99:80", "REJECT"},
      {"rejected when sent by the node", "192.168.0.2", "10.96.0.99:80", "REJECT"},
      {"to the node", "203.0.113.2", "192.168.0.2:22", "-"},
      {"dropped by the policy of FORWARD", "203.0.113.2", "198.51.100.1:80", "-"},
  }));
  INFO(row.name);

  CHECK(fate(trace(
            parse_tables(kThreeEndpoints, Family::kIpv4), packet(row), common_local_addresses())) ==
        row.fate);
}

TEST_CASE("trace: a policy decides when no rule does", "[rules][trace]") {
  const Trace result = send(kThreeEndpoints, "203.0.113.2", "198.51.100.1:80");

  REQUIRE(result.outcomes.size() == 1);
  CHECK(result.outcomes[0].verdict == Verdict::kDrop);
  CHECK(is_left_alone(result.outcomes[0]));
  CHECK(result.outcomes[0].path.back().number == 0);
}

TEST_CASE("trace: routing decides between INPUT and FORWARD after DNAT", "[rules][trace]") {
  const auto delivered = [](std::string_view destination) {
    return send(
               "*nat\n"
               "-A PREROUTING -d 10.96.0.10/32 -j DNAT --to-destination 192.168.1.2:53\n"
               "-A PREROUTING -d 192.168.0.2/32 -j DNAT --to-destination 10.0.0.1:53\n"
               "COMMIT\n",
               "10.0.0.9",
               destination)
        .outcomes.at(0)
        .delivered_here;
  };

  CHECK(delivered("10.96.0.10:53"));
  CHECK_FALSE(delivered("192.168.0.2:53"));
  CHECK(delivered("192.168.0.2:53") != delivered("127.0.0.1:53"));
}

TEST_CASE("trace: a node's packet to itself comes in again through lo", "[rules][trace]") {
  constexpr std::string_view kRules =
      "*filter\n"
      "-A INPUT -i lo -p tcp -m tcp --dport 9 -j DROP\n"
      "COMMIT\n"
      "*nat\n"
      "-A PREROUTING -p tcp -m tcp --dport 9 -j DNAT --to-destination 10.0.0.1:9\n"
      "COMMIT\n";

  CHECK(fate(send(kRules, "192.168.0.2", "192.168.1.2:9")) == "DROP");
  CHECK(fate(send(kRules, "203.0.113.2", "192.168.1.2:9")) == "10.0.0.1:9");
}

TEST_CASE("trace: only a packet that starts a connection sees the nat table", "[rules][trace]") {
  Packet later = packet({"", "10.0.0.9", "10.96.0.10:80", ""});
  later.state = GENERATE(ConnectionState::kEstablished, ConnectionState::kInvalid);

  const Trace result =
      trace(parse_tables(kThreeEndpoints, Family::kIpv4), later, common_local_addresses());

  CHECK(fate(result) == "ACCEPT");
}

TEST_CASE("trace: returns, gotos and rules without a target", "[rules][trace]") {
  CHECK(fate_in(":A - [0:0]\n"
                "-A PREROUTING -j A\n"
                "-A PREROUTING -j DNAT --to-destination 10.0.0.2:2\n"
                "-A A -m comment --comment counts\n"
                "-A A -s 10.0.0.9/32 -j RETURN\n"
                "-A A -j DNAT --to-destination 10.0.0.1:1\n") == "10.0.0.2:2");
  CHECK(fate_in(":A - [0:0]\n"
                ":B - [0:0]\n"
                "-A PREROUTING -j A\n"
                "-A PREROUTING -j DNAT --to-destination 10.0.0.2:2\n"
                "-A A -g B\n"
                "-A A -j DNAT --to-destination 10.0.0.1:1\n"
                "-A B -j RETURN\n") == "10.0.0.2:2");
}

TEST_CASE("trace: conditions and targets of others", "[rules][trace]") {
  CHECK(fate_in("-A PREROUTING -p icmp -j ACCEPT\n"
                "-A PREROUTING -j LOG --log-prefix x\n"
                "-A PREROUTING -j REDIRECT --to-ports 15001\n") == "192.168.0.2:15001");
  CHECK(fate_in("-A PREROUTING -j DNAT --to-destination 10.0.0.7\n") == "10.0.0.7:80");
  CHECK(fate_in("-A POSTROUTING -j SNAT --to-source 192.168.0.2\n"
                "-A PREROUTING -j DNAT --to-destination 10.0.0.7:1\n") == "10.0.0.7:1 masq");
}

TEST_CASE("trace: session affinity is taken as not begun, and noted", "[rules][trace]") {
  const Trace result = send(
      "*nat\n"
      "-A PREROUTING -m recent --rcheck --seconds 10800 --reap --name X --mask "
      "255.255.255.255 --rsource -j DNAT --to-destination 10.0.0.1:1\n"
      "-A PREROUTING -m recent --set --name X --mask 255.255.255.255 --rsource -j DNAT "
      "--to-destination 10.0.0.2:2\n"
      "COMMIT\n",
      "10.0.0.9",
      "10.96.0.10:80");

  CHECK(fate(result) == "10.0.0.2:2");
  CHECK(result.notes.size() == 1);
}

TEST_CASE("trace: interfaces decide when known", "[rules][trace]") {
  const Tables tables = parse_tables(
      "*nat\n"
      "-A PREROUTING -i cali+ -j DNAT --to-destination 10.0.0.1:1\n"
      "-A PREROUTING ! -i cali+ -j DNAT --to-destination 10.0.0.2:2\n"
      "COMMIT\n",
      Family::kIpv4);
  Packet sent = packet({"", "10.0.0.9", "10.96.0.10:80", ""});
  const auto send_through = [&](std::string_view interface) {
    sent.in_interface = interface;
    return trace(tables, sent, common_local_addresses());
  };

  CHECK(fate(send_through("cali12")) == "10.0.0.1:1");
  CHECK(fate(send_through("eth0")) == "10.0.0.2:2");
  CHECK(send_through("eth0").notes.empty());
}

TEST_CASE("trace: both ways are gone where the interface is not known", "[rules][trace]") {
  const Tables tables = parse_tables(
      "*nat\n"
      "-A PREROUTING -i eth1 -j DNAT --to-destination 10.0.0.1:1\n"
      "-A PREROUTING ! -i lo -j DNAT --to-destination 10.0.0.2:2\n"  // another host's, so surely
      "COMMIT\n",
      Family::kIpv4);

  const Trace result =
      trace(tables, packet({"", "10.0.0.9", "10.96.0.10:80", ""}), common_local_addresses());

  REQUIRE(result.outcomes.size() == 2);
  for (const Outcome& outcome : result.outcomes) {
    CHECK_FALSE(is_certain(outcome));
  }
  REQUIRE(result.notes.size() == 1);
  CHECK(result.notes[0] == "condition \"-i eth1\" cannot be judged: both ways are shown");
}

TEST_CASE("trace: broken tables are noted and end", "[rules][trace]") {
  const Trace result = send(
      "*nat\n"
      ":A - [0:0]\n"
      "-A PREROUTING -j A\n"
      "-A PREROUTING -j MISSING\n"
      "-A A -j A\n"
      "COMMIT\n",
      "10.0.0.9",
      "10.96.0.10:80");

  CHECK(fate(result) == "-");
  CHECK(result.notes.size() == 2);
}

TEST_CASE("trace: random rules do not double the work", "[rules][trace]") {
  std::string rules = "*mangle\n";
  for (int i = 0; i < 200; ++i) {
    rules +=
        "-A PREROUTING -m statistic --mode random --probability 0.50000000000 -j MARK "
        "--set-xmark 0x1/0x1\n";
  }
  rules += "-A FORWARD -m mark ! --mark 0x1/0x1 -j DROP\nCOMMIT\n";

  const Trace result = send(rules, "10.0.0.9", "10.96.0.10:80");

  REQUIRE(result.outcomes.size() == 2);
  CHECK(result.outcomes[0].at_most + result.outcomes[1].at_most == Approx(1));
  CHECK(result.outcomes[1].verdict == Verdict::kDrop);
  CHECK(result.outcomes[1].at_most == Approx(std::pow(0.5, 200)));
}

TEST_CASE("trace: a real node, with the rules of flannel and kubelet", "[rules][trace]") {
  const Tables tables =
      parse_tables(content(parity_folder() / "seed/k8s-worker1.iptables-save"), Family::kIpv4);
  const std::array local_addresses = {ip("192.168.205.145"), ip("10.244.1.1")};
  const auto row = GENERATE(values<PacketRow>({
      {"pod to DNS", "10.244.1.7", "10.96.0.10:53/udp", "10.244.0.8:53, 10.244.0.9:53"},
      {"node to DNS",
       "192.168.205.145",
       "10.96.0.10:53/udp",
       "10.244.0.8:53 masq, 10.244.0.9:53 masq"},
      {"outside to a node port",
       "203.0.113.2",
       "192.168.205.145:31455",
       "10.244.1.19:8080 masq, 10.244.2.17:8080 masq"},
      {"pod to the internet, masqueraded by flannel",
       "10.244.1.7",
       "203.0.113.2:443",
       "ACCEPT masq"},
      {"outside to a port of the node", "203.0.113.2", "192.168.205.145:22", "-"},
  }));
  INFO(row.name);

  const Trace result = trace(tables, packet(row), local_addresses);

  CHECK(fate(result) == row.fate);
  CHECK(result.notes == std::vector<std::string>{});
}

TEST_CASE("trace: a range of ports takes its ends and what lies between, of its protocol",
          "[rules][trace]") {
  const Tables tables = parse_tables(
      "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --dport 80:90 -j DROP\nCOMMIT\n",
      Family::kIpv4);
  const std::vector<IpAddress> here{*IpAddress::parse("192.168.0.2")};
  const auto verdict = [&](std::uint16_t port, Protocol protocol) {
    const Trace traced = trace(tables,
                               {.source = *IpAddress::parse("192.168.0.9"),
                                .destination = {here[0], port},
                                .protocol = protocol},
                               here);
    return traced.outcomes.at(0).verdict;
  };

  CHECK(verdict(79, Protocol::kTcp) == Verdict::kAccept);
  CHECK(verdict(80, Protocol::kTcp) == Verdict::kDrop);
  CHECK(verdict(85, Protocol::kTcp) == Verdict::kDrop);
  CHECK(verdict(90, Protocol::kTcp) == Verdict::kDrop);
  CHECK(verdict(91, Protocol::kTcp) == Verdict::kAccept);
  CHECK(verdict(85, Protocol::kUdp) == Verdict::kAccept);
}

TEST_CASE("trace: the program of a hairpin rule takes what is sent to its own sender",
          "[rules][trace]") {
  const Family family = GENERATE(Family::kIpv4, Family::kIpv6);
  const std::string rule =
      to_string(Rule{.matches = {SourceIsDestination{}}, .target = Drop{}}, family);
  const Tables tables =
      parse_tables("*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD " + rule + "\nCOMMIT\n", family);
  const char* pod = family == Family::kIpv4 ? "10.244.1.1" : "fd00:1::1";
  const char* other = family == Family::kIpv4 ? "10.244.1.2" : "fd00:1::2";
  const auto verdict = [&](const char* to) {
    return trace(tables,
                 {.source = *IpAddress::parse(pod),
                  .destination = {*IpAddress::parse(to), 80},
                  .in_interface = "cali1"},
                 {})
        .outcomes.at(0)
        .verdict;
  };

  CHECK(verdict(pod) == Verdict::kDrop);
  CHECK(verdict(other) == Verdict::kAccept);
}
