#include "proxy/host/address_watch.h"

#include <catch2/catch.hpp>

#include "test/support/eventually.h"
#include "test/support/network_namespace.h"

using proxy::AddressWatch;
using rules::Family;
using test::shell;

TEST_CASE("address watch: addresses that come and go are announced, each in its family",
          "[netns][addresses]") {
  const test::NetworkNamespace space;
  AddressWatch ipv4(Family::kIpv4);
  AddressWatch ipv6(Family::kIpv6);
  CHECK(!ipv4.have_changed());

  shell("ip addr add 192.0.2.7/24 dev lo");
  CHECK(ipv4.have_changed());
  CHECK(!ipv4.have_changed());
  CHECK(!ipv6.have_changed());

  shell("ip addr add 2001:db8::7/64 dev lo nodad");
  CHECK(test::eventually([&] { return ipv6.have_changed(); }));  // the kernel tells it later
  CHECK(!ipv4.have_changed());

  shell("ip addr del 192.0.2.7/24 dev lo");
  CHECK(ipv4.have_changed());
}

TEST_CASE("address watch: what comes with a pod is no news", "[netns][addresses]") {
  const test::NetworkNamespace space;
  AddressWatch ipv6(Family::kIpv6);

  shell("ip addr add fe80::7/64 dev lo nodad");
  shell("ip addr add 2001:db8::7/64 dev lo nodad && ip addr del 2001:db8::7/64 dev lo");

  CHECK(!ipv6.have_changed());
}
