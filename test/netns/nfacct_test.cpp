#include "proxy/kernel/nfacct.h"

#include <atomic>
#include <latch>
#include <optional>
#include <string>
#include <thread>

#include <catch2/catch.hpp>

#include "test/support/network_namespace.h"
#include "test/support/skip.h"

// e2e: kube_proxy.go:276
TEST_CASE("nfacct: objects are made once and count the packets of a rule", "[netns][nfacct]") {
  const test::NetworkNamespace name_space;
  const std::string name(proxy::kInvalidDropsCounter);
  if (!proxy::accounting_is_available()) {
    CHECK(!proxy::ensure_accounting_object(name));
    CHECK(!proxy::accounted_packets(name));
    test::skip("the kernel has no nfnetlink_acct: only its absence was tested");
  }
  CHECK(!proxy::accounted_packets(name));

  REQUIRE(proxy::ensure_accounting_object(name));
  CHECK(proxy::ensure_accounting_object(name));
  CHECK(proxy::accounted_packets(name) == 0);

  test::shell("iptables -w -A OUTPUT -d 127.0.0.9 -m nfacct --nfacct-name " + name + " -j DROP");
  for (int i = 0; i < 2; ++i) {
    test::shell("! bash -c 'echo x > /dev/udp/127.0.0.9/9'");
  }
  CHECK(proxy::accounted_packets(name) == 2);
}

TEST_CASE("nfacct: the proxies of both families can make the same object at the same time",
          "[netns][nfacct]") {
  const test::NetworkNamespace name_space;
  if (!proxy::accounting_is_available()) {
    test::skip("the kernel has no nfnetlink_acct");
  }
  constexpr int kObjects = 500;  // a race each, of which every second was lost once
  std::atomic<int> refusals{0};
  for (int object = 0; object < kObjects; ++object) {
    std::latch start(2);
    const auto make = [&] {
      start.arrive_and_wait();
      refusals += proxy::ensure_accounting_object("object-" + std::to_string(object)) ? 0 : 1;
    };
    std::jthread other(make);
    make();
  }
  CHECK(refusals == 0);
}
