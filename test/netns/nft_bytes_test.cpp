#include "test/support/nft_bytes.h"

#include <catch2/catch.hpp>

#include "test/netns/backends.h"
#include "test/support/accounting_objects.h"
#include "test/support/network_namespace.h"
#include "test/support/parity_files.h"

// In process and through iptables-nft-restore, the kernel gets the same.

using namespace test;
using rules::Family;
using Bytes = std::map<std::string, std::vector<std::string>>;

namespace {

void check_same(const Bytes& found, const Bytes& expected) {
  for (const auto& [key, bytes] : expected) {
    CAPTURE(key);
    REQUIRE(found.contains(key));
    CHECK(found.at(key) == bytes);
  }
  CHECK(found.size() == expected.size());
}

Bytes after(Way way, Family family, const rules::Changes& changes) {
  const NetworkNamespace network;
  make_accounting_objects();
  require_applied(*backend_of(way, family), changes);
  return nft_bytes(family);
}

}  // namespace

TEST_CASE("nft bytes: what is written of every golden is what iptables-nft-restore writes",
          "[netns][golden]") {
  for (const auto& golden : golden_cases()) {
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
      CAPTURE(golden.filename(), rules::to_string(family));
      const auto changes = changes_towards(content(dump_of(golden, family)), family);

      check_same(after(Way::kNetlink, family, changes), after(Way::kRestoreNft, family, changes));
    }
  }
}

TEST_CASE("nft bytes: every word of rules is written as iptables-nft-restore writes it",
          "[netns][backend]") {
  const std::string every_word =
      "*filter\n:KUBE-A - [0:0]\n:KUBE-SERVICES - [0:0]\n"
      "-A KUBE-SERVICES -i cbr0 -j DROP\n-A KUBE-SERVICES ! -i cbr+ -j RETURN\n"
      "-A KUBE-SERVICES -m conntrack ! --ctstate NEW,ESTABLISHED,DNAT -j ACCEPT\n"
      "-A KUBE-SERVICES -p tcp -j KUBE-A\n-A KUBE-SERVICES -p sctp -m sctp --dport 33\n"
      "-A KUBE-SERVICES -p udp -m udp --dport 53\n"
      "-A KUBE-SERVICES -p udp -m udp\n-A KUBE-SERVICES -p tcp -m tcp\n"
      "-A KUBE-SERVICES -m mark --mark 0x4000/0x4000 -j MARK --set-xmark 0x4000/0x0\n"
      "-A KUBE-SERVICES -m mark ! --mark 0x4000 -j MARK --set-xmark 0x1/0x3\n"
      "-A KUBE-SERVICES -m comment --comment \"a b\" -m statistic --mode random --probability "
      "0.33333333349\n"
      "-A KUBE-SERVICES -m addrtype --src-type LOCAL -m addrtype --dst-type LOCAL\n"
      "-A KUBE-SERVICES -m nfacct --nfacct-name ct_state_invalid_dropped_pkts\nCOMMIT\n"
      "*nat\n:KUBE-A - [0:0]\n:KUBE-POSTROUTING - [0:0]\n"
      "-A POSTROUTING -j KUBE-POSTROUTING\n-A KUBE-POSTROUTING -j MASQUERADE --random-fully\n"
      "-A KUBE-POSTROUTING -j MASQUERADE\n";
  const std::string of_ipv4 =
      "-A KUBE-A -s 10.0.0.0/8 ! -d 10.1.2.0/23 -p tcp -m tcp -j DNAT --to-destination "
      "10.1.2.3:443\n-A KUBE-A ! -s 10.1.2.3/32 -d 128.0.0.0/1\n"
      "-A KUBE-A -m recent --set --name KUBE-A --mask 255.255.255.255 --rsource\n"
      "-A KUBE-A -m recent --rcheck --seconds 10800 --reap --name KUBE-A --mask 255.255.255.255 "
      "--rsource\nCOMMIT\n*filter\n:KUBE-B - [0:0]\n"
      "-A KUBE-B -j REJECT --reject-with icmp-port-unreachable\nCOMMIT\n";
  const std::string of_ipv6 =
      "-A KUBE-A -s fd00::/16 ! -d fd00:1::/61 -p udp -m udp -j DNAT --to-destination "
      "[fd00::1]:53\n-A KUBE-A ! -s fd00::1/128 -d 8000::/1\n"
      "-A KUBE-A -m recent --set --name KUBE-A --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
      "--rsource\nCOMMIT\n*filter\n:KUBE-B - [0:0]\n"
      "-A KUBE-B -j REJECT --reject-with icmp6-port-unreachable\nCOMMIT\n";

  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    CAPTURE(rules::to_string(family));
    const auto changes =
        changes_towards(every_word + (family == Family::kIpv4 ? of_ipv4 : of_ipv6), family);
    check_same(after(Way::kNetlink, family, changes), after(Way::kRestoreNft, family, changes));
  }
}

TEST_CASE("nft bytes: after any history they are those that iptables-nft-restore leaves",
          "[netns][backend]") {
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    const std::vector<rules::Ruleset> wanted = history(7, family, 6);
    std::vector<Bytes> expected;
    for (const Way way : {Way::kRestoreNft, Way::kNetlink, Way::kNetlinkCut}) {
      const NetworkNamespace network;
      make_accounting_objects();
      const auto backend = backend_of(way, family);
      for (std::size_t step = 1; step < wanted.size(); ++step) {
        CAPTURE(rules::to_string(family), name_of(way), step);
        require_applied(*backend,
                        rules::diff(rules::Installed{.base = wanted[step - 1]}, wanted[step]));
        if (way == Way::kRestoreNft) {
          expected.push_back(nft_bytes(family));
        } else {
          check_same(nft_bytes(family), expected[step - 1]);
        }
      }
    }
  }
}
