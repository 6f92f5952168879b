#include "rules/foreign_match.h"

#include <array>
#include <string_view>

#include <catch2/catch.hpp>

#include "test/support/packets.h"

using namespace rules;
using namespace test;

namespace {

const std::array<IpAddress, 1> kHere = {ip("192.0.2.1")};

/// The first packet of 10.0.0.9 to 192.0.2.1:80/tcp; its source port is not known.
PacketView syn() {
  return {.source = ip("10.0.0.9"),
          .source_port = 0,
          .destination = {ip("192.0.2.1"), 80},
          .protocol = Protocol::kTcp,
          .in_interface = "eth0",
          .interface_is_unknown = false,
          .out_interface = {},
          .states = ConnectionState::kNew,
          .tcp_flags = {.set = TcpFlags::kSyn, .known = TcpFlags::kAll},
          .mark = 0,
          .local_addresses = kHere};
}

struct Row {
  std::string_view text;
  Answer answer;
};

TEST_CASE("foreign_match: conditions of others are judged as the kernel does", "[rules][judge]") {
  using enum Answer;
  const auto row = GENERATE(values<Row>({
      {"-p tcp", kYes},
      {"-p 6", kYes},
      {"-p all", kYes},
      {"! -p icmp", kYes},
      {"! -p tcp", kNo},
      {"-p 47", kNo},
      {"-f", kNo},
      {"! -f", kYes},
      {"-o eth0", kUnknown},
      {"-s 10.0.0.9/255.0.255.0", kUnknown},
      {"-m state --state NEW", kYes},
      {"-m state --state RELATED,ESTABLISHED", kNo},
      {"-m state ! --state INVALID", kYes},
      {"-m state --state WRONG", kUnknown},
      {"-m conntrack --ctstate NEW --ctdir ORIGINAL", kYes},
      {"-m conntrack --ctstate NEW --ctorigdst 10.96.0.1/32", kUnknown},
      {"-m conntrack --ctstate ESTABLISHED --ctorigdst 10.96.0.1/32", kNo},
      {"-m multiport --dports 22,80,443", kYes},
      {"-m multiport --dports 22,8000:8010", kNo},
      {"-m multiport --dports 79:81", kYes},
      {"-m multiport ! --dports 22,443", kYes},
      {"-m multiport ! --dports 80", kNo},
      {"-m multiport --sports 53", kUnknown},
      {"-m multiport --ports 53,80", kYes},
      {"-m multiport --ports 53", kUnknown},
      {"-m tcp --dport 80:90", kYes},
      {"-m tcp --dport 81:90", kNo},
      {"-m tcp ! --dport 22", kYes},
      {"-m tcp --sport 1:65535", kYes},
      {"-m tcp --sport 0:65535 --dport 81", kNo},
      {"-m tcp --sport 1024:65535", kUnknown},
      {"-m tcp --sport 53 --dport 81", kNo},
      {"-m udp --dport 80:90", kNo},
      {"-m tcp --tcp-flags FIN,SYN,RST,ACK SYN", kYes},
      {"-m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN", kNo},
      {"-m tcp --tcp-flags ALL NONE", kNo},
      {"-m tcp --tcp-flags SYN,RST SYN,RST", kNo},
      {"-m tcp --tcp-flags SYN SYN,RST", kNo},
      {"-m tcp --syn", kYes},
      {"-m tcp --dport 80 ! --syn", kNo},
      {"-m tcp --tcp-option 5", kUnknown},
      {"-m addrtype ! --dst-type LOCAL", kNo},
      {"-m addrtype --src-type LOCAL", kNo},
      {"-m addrtype --dst-type LOCAL,MULTICAST", kYes},
      {"-m addrtype --dst-type MULTICAST", kNo},
      {"-m addrtype --dst-type UNICAST", kNo},
      {"-m addrtype --src-type UNICAST", kUnknown},
      {"-m iprange --src-range 10.0.0.1-10.0.0.9", kYes},
      {"-m iprange ! --dst-range 192.0.2.2-192.0.2.9", kYes},
      {"-m limit --limit 1/sec", kUnknown},
      {"-m set --match-set x src", kUnknown},
      {"-m owner --uid-owner 0", kUnknown},
      {"-s 10.0.0.0/8 -m what -j DROP", kUnknown},
      {"", kUnknown},
  }));
  CAPTURE(row.text);

  CHECK(judge_foreign(row.text, syn()) == row.answer);
}

TEST_CASE("foreign_match: in IPv6 a list of address types asks for all that the address tells",
          "[rules][judge]") {
  using enum Answer;
  const std::array<IpAddress, 1> here = {ip("2001:db8::1")};
  PacketView packet = syn();
  packet.source = ip("fd00::9");
  packet.destination.address = here[0];
  packet.local_addresses = here;
  const auto row = GENERATE(values<Row>({
      {"-m addrtype --dst-type LOCAL,MULTICAST", kNo},
      {"-m addrtype ! --dst-type LOCAL,MULTICAST", kYes},
      {"-m addrtype --dst-type LOCAL,UNICAST", kYes},
      {"-m addrtype --dst-type UNICAST", kYes},
      {"-m addrtype --dst-type UNICAST,MULTICAST", kNo},
      {"-m addrtype --dst-type LOCAL,ANYCAST", kYes},
      {"-m addrtype --src-type UNICAST", kYes},
      {"-m addrtype --src-type LOCAL,UNICAST", kNo},
      {"-m addrtype --src-type UNSPEC", kNo},
      {"-m addrtype --src-type ANYCAST", kUnknown},
  }));
  CAPTURE(row.text);

  CHECK(judge_foreign(row.text, packet) == row.answer);
}

TEST_CASE("foreign_match: what the packet tells decides", "[rules][judge]") {
  PacketView packet = syn();
  packet.source_port = 40000;
  packet.out_interface = "lo";

  CHECK(judge_foreign("-m tcp --sport 1024:65535", packet) == Answer::kYes);
  CHECK(judge_foreign("-m tcp ! --sport 53", packet) == Answer::kYes);
  CHECK(judge_foreign("-m multiport --sports 53,54", packet) == Answer::kNo);
  CHECK(judge_foreign("-o l+", packet) == Answer::kYes);
  CHECK(judge_foreign("! -o lo", packet) == Answer::kNo);

  packet.states = ConnectionState::kEstablished;
  packet.tcp_flags = {.set = TcpFlags::kAck, .known = TcpFlags::kAck | TcpFlags::kSyn};
  CHECK(judge_foreign("-m tcp --tcp-flags SYN,ACK ACK", packet) == Answer::kYes);
  CHECK(judge_foreign("-m tcp --tcp-flags FIN,SYN,RST,ACK SYN", packet) == Answer::kNo);
  CHECK(judge_foreign("-m tcp --tcp-flags FIN,ACK ACK", packet) == Answer::kUnknown);
  CHECK(judge_foreign("-m conntrack --ctdir ORIGINAL", packet) == Answer::kUnknown);
}

}  // namespace
