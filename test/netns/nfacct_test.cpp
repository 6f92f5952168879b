#include "proxy/nfacct.h"

#include <optional>
#include <string>

#include <catch2/catch.hpp>

#include "test/support/network_namespace.h"

TEST_CASE("nfacct: objects are made once and count the packets of a rule", "[netns][nfacct]") {
  const test::NetworkNamespace name_space;
  const std::string name(proxy::kInvalidDropsCounter);
  if (!proxy::accounting_is_available()) {
    WARN("the kernel has no nfnetlink_acct: only its absence is tested");
    CHECK(!proxy::ensure_accounting_object(name));
    CHECK(!proxy::accounted_packets(name));
    return;
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
