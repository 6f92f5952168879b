#include "rules/net.h"

#include <catch2/catch.hpp>

using namespace rules;

TEST_CASE("net: addresses are parsed as Kubernetes does and printed canonically", "[rules][net]") {
  struct Row {
    std::string_view text;
    std::string_view printed;  // empty: not an address
  };

  const auto row = GENERATE(values<Row>({
      {"10.0.0.1", "10.0.0.1"},
      {"172.30.0.041", "172.30.0.41"},
      {"010.00.000.08", "10.0.0.8"},
      {"::ffff:10.0.0.1", "10.0.0.1"},
      {"FD00:0:0:0:0:0:0:00A1", "fd00::a1"},
      {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
      {"1:2:3:4:5:6:0:8", "1:2:3:4:5:6:0:8"},
      {"::", "::"},
      {"::1", "::1"},
      {"1::", "1::"},
      {"64:ff9b::1.2.3.4", "64:ff9b::102:304"},
      {"", ""},
      {"10.0.0", ""},
      {"10.0.0.256", ""},
      {"10.0.0.1.2", ""},
      {"10.0.0.-1", ""},
      {" 10.0.0.1", ""},
      {"10.0.0.1/32", ""},
      {"fe80::1%eth0", ""},
      {"1:2:3:4:5:6:7:8:9", ""},
      {"1::2::3", ""},
      {"1:2:3:4:5:6:7:8::", ""},
      {":1", ""},
      {"1:", ""},
      {"12345::", ""},
      {"web", ""},
  }));
  CAPTURE(row.text);

  const auto address = IpAddress::parse(row.text);

  CHECK((address ? to_string(*address) : "") == row.printed);
}

TEST_CASE("net: networks are masked, and of one family", "[rules][net]") {
  CHECK(to_string(*Cidr::parse("10.1.2.3/8")) == "10.0.0.0/8");
  CHECK(to_string(*Cidr::parse("203.0.113.000/025")) == "203.0.113.0/25");
  CHECK(to_string(*Cidr::parse("fd00:10:244::1/48")) == "fd00:10:244::/48");
  CHECK(to_string(*Cidr::parse("0.0.0.0/0")) == "0.0.0.0/0");
  CHECK(to_string(*Cidr::parse("::ffff:10.1.2.3/104")) == "10.0.0.0/8");
  for (const auto* text : {"10.0.0.0",
                           "10.0.0.0/33",
                           "10.0.0.0/",
                           "10.0.0.0/-1",
                           "fd00::/129",
                           "/8",
                           "::ffff:1.2.3.4/95"}) {
    CAPTURE(text);
    CHECK(!Cidr::parse(text));
  }

  const Cidr network = *Cidr::parse("192.168.4.0/23");
  CHECK(network.contains(*IpAddress::parse("192.168.5.255")));
  CHECK(!network.contains(*IpAddress::parse("192.168.6.0")));
  CHECK(!network.contains(*IpAddress::parse("fd00::1")));
  CHECK(Cidr::parse("0.0.0.0/0")->contains(*IpAddress::parse("1.2.3.4")));
}

TEST_CASE("net: socket addresses carry IPv6 in brackets", "[rules][net]") {
  CHECK(to_string(*SocketAddress::parse("10.0.0.1:80")) == "10.0.0.1:80");
  CHECK(to_string(*SocketAddress::parse("[fd00::1]:8080")) == "[fd00::1]:8080");
  for (const auto* text :
       {"10.0.0.1", "10.0.0.1:0", "10.0.0.1:65536", "fd00::1:80", "[10.0.0.1]:80", ":80"}) {
    CAPTURE(text);
    CHECK(!SocketAddress::parse(text));
  }
}
