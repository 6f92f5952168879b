#include "proxy/host/node_addresses.h"

#include <algorithm>

#include <catch2/catch.hpp>

namespace {

using rules::IpAddress;

std::vector<IpAddress> ips(const std::vector<std::string>& texts) {
  std::vector<IpAddress> addresses;
  for (const std::string& text : texts) {
    const auto address = IpAddress::parse(text);
    REQUIRE(address);
    addresses.push_back(*address);
  }
  return addresses;
}

TEST_CASE("node_addresses: the interfaces' addresses are sorted and unique",
          "[proxy][node_addresses]") {
  const std::vector<IpAddress> addresses = proxy::interface_addresses();

  CHECK(std::ranges::is_sorted(addresses));
  CHECK(std::ranges::adjacent_find(addresses) == addresses.end());
}

TEST_CASE("node_addresses: the host has a name", "[proxy][node_addresses]") {
  CHECK_FALSE(proxy::host_name().empty());
}

TEST_CASE("node_addresses: on the node itself the live addresses count",
          "[proxy][node_addresses]") {
  const std::vector<IpAddress> live = ips({"172.17.0.1", "127.0.0.1", "10.0.0.5", "10.0.0.5"});

  CHECK(proxy::host_addresses(ips({"10.0.0.5"}), live) ==
        ips({"10.0.0.5", "127.0.0.1", "172.17.0.1"}));
  CHECK(proxy::host_addresses({}, live).size() == 3);
}

TEST_CASE("node_addresses: elsewhere the node's own addresses count", "[proxy][node_addresses]") {
  CHECK(proxy::host_addresses(ips({"192.168.205.145", "fd00:205::145"}), ips({"10.0.0.5"})) ==
        ips({"127.0.0.1", "192.168.205.145", "::1", "fd00:205::145"}));
}

}  // namespace
