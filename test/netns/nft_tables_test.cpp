#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "proxy/host/process.h"
#include "proxy/nft/tables.h"
#include "rules/text.h"
#include "test/netns/backends.h"
#include "test/support/accounting_objects.h"
#include "test/support/network_namespace.h"
#include "test/support/parity_files.h"

using namespace test;
using proxy::read_nft_tables;
using rules::Detail;
using rules::Family;

namespace {

/// What iptables-nft-save says.
rules::Installed printed(Family family) {
  return rules::parse_installed(saved(proxy::Variant::kNft, family), family);
}

void restore(Family family, const std::string& text) {
  const auto result =
      proxy::run({.argv = {proxy::program(family, proxy::Variant::kNft, "-restore"), "--noflush"},
                  .input = text});
  INFO(result.error);
  REQUIRE(result.status == 0);
}

/// A chain of ours that other rules of the same table lead to, with these rules.
void restore_services(Family family, const std::string& table, const std::string& rule) {
  restore(family,
          "*" + table + "\n:KUBE-SERVICES - [0:0]\n:KUBE-SEP-A - [0:0]\n-A KUBE-SERVICES " + rule +
              "\nCOMMIT\n");
}

struct Line {
  Family family;
  std::string table;
  std::string rule;  // as iptables-save prints it
};

}  // namespace

TEST_CASE("nft tables: what kube-proxy left is read as iptables-nft-save prints it", "[netns]") {
  for (const auto& file : save_files()) {
    const Family family = file.filename() == "ip6tables-save" ? Family::kIpv6 : Family::kIpv4;
    CAPTURE(file);
    const NetworkNamespace network;
    make_accounting_objects();
    restore(family, content(file));

    const auto read = read_nft_tables(family, Detail::kContents);

    REQUIRE(read.is_in_our_words);
    CHECK_FALSE(read.installed.chains.empty());
    CHECK(rules::is_same_reading(read.installed, printed(family)));
  }
}

TEST_CASE("nft tables: every condition and target that we have words for is read as it is printed",
          "[netns]") {
  const std::vector<Line> lines{
      {Family::kIpv4, "nat", "-s 10.1.2.3/32 ! -d 10.0.0.0/15 -j KUBE-SEP-A"},
      {Family::kIpv4, "nat", "! -s 10.0.0.0/8 -d 10.96.0.0/16 -i cbr0 -j RETURN"},
      {Family::kIpv4, "nat", "! -i cbr+ -j ACCEPT"},
      {Family::kIpv4,
       "nat",
       "-p tcp -m comment --comment \"a b\" -m tcp --dport 443 -j KUBE-SEP-A"},
      {Family::kIpv4, "nat", "-p tcp -m tcp -j DNAT --to-destination 10.1.2.3:443"},
      {Family::kIpv4, "nat", "-p udp -m udp --dport 53 -j DNAT --to-destination 10.1.2.3:53"},
      {Family::kIpv4, "nat", "-p sctp -m sctp --dport 33"},
      {Family::kIpv4, "nat", "-p tcp"},
      {Family::kIpv4, "nat", "-p tcp -m tcp --dport 30000:32767 -j KUBE-SEP-A"},
      {Family::kIpv6, "nat", "-p udp -m udp --dport 0:1023 -j KUBE-SEP-A"},
      {Family::kIpv4, "nat", "-p sctp -m sctp --dport 65000:65535 -j KUBE-SEP-A"},
      {Family::kIpv4,
       "nat",
       "-m conntrack --ctstate DNAT -m bpf --bytecode \"6,32 0 0 12,7 0 0 0,32 0 0 16,29 0 1 0,"
       "6 0 0 65535,6 0 0 0\" -j MASQUERADE"},
      {Family::kIpv6,
       "filter",
       "-m bpf --bytecode \"18,32 0 0 8,7 0 0 0,32 0 0 24,29 0 13 0,32 0 0 12,7 0 0 0,32 0 0 28,"
       "29 0 9 0,32 0 0 16,7 0 0 0,32 0 0 32,29 0 5 0,32 0 0 20,7 0 0 0,32 0 0 36,29 0 1 0,"
       "6 0 0 65535,6 0 0 0\" -j ACCEPT"},
      {Family::kIpv4, "nat", "-m mark ! --mark 0x4000/0x4000 -j RETURN"},
      {Family::kIpv4, "nat", "-m mark --mark 0x4000 -j MARK --set-xmark 0x4000/0x0"},
      {Family::kIpv4,
       "nat",
       "-m statistic --mode random --probability 0.33333333349 -j KUBE-SEP-A"},
      {Family::kIpv4, "nat", "-m addrtype --dst-type LOCAL"},
      {Family::kIpv4,
       "nat",
       "-m recent --rcheck --seconds 10800 --reap --name KUBE-SEP-A --mask 255.255.255.255 "
       "--rsource -j KUBE-SEP-A"},
      {Family::kIpv4, "filter", "-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP"},
      {Family::kIpv4, "filter", "-j REJECT --reject-with icmp-port-unreachable"},
      {Family::kIpv6, "nat", "-s fd00:1::/61 ! -d fd00:1::5/128 -j KUBE-SEP-A"},
      {Family::kIpv6, "nat", "-s fd00:1::/64 -p udp -m udp -j DNAT --to-destination [fd00::1]:53"},
      {Family::kIpv6, "filter", "-j REJECT --reject-with icmp6-port-unreachable"},
  };
  for (const Line& line : lines) {
    CAPTURE(line.rule, line.table);
    const NetworkNamespace network;
    restore_services(line.family, line.table, line.rule);
    const rules::ChainId chain{*rules::parse_table(line.table), rules::ChainName("KUBE-SERVICES")};

    const auto read = read_nft_tables(line.family, Detail::kContents);

    REQUIRE(read.is_in_our_words);
    CHECK(read.installed.shared.at(chain) ==
          std::vector{rules::parse_rule(line.rule, line.family).value()});
    CHECK(rules::is_same_reading(read.installed, printed(line.family)));
  }
}

TEST_CASE("nft tables: some chains alone are read as they are read among all", "[netns]") {
  const NetworkNamespace network;
  restore(Family::kIpv4,
          "*nat\n:KUBE-SERVICES - [0:0]\n:KUBE-SEP-A - [0:0]\n:KUBE-SEP-B - [0:0]\n"
          "-A PREROUTING -j KUBE-SERVICES\n-A OUTPUT -j KUBE-SERVICES\n-A PREROUTING -j ACCEPT\n"
          "-A KUBE-SERVICES -d 10.96.0.1/32 -j KUBE-SEP-A\n-A KUBE-SEP-A -j RETURN\n"
          "-A KUBE-SEP-B -o eth0 -j RETURN\nCOMMIT\n");
  const auto in_nat = [](const char* name) {
    return rules::ChainId{rules::Table::kNat, rules::ChainName(name)};
  };
  // A rule of another chain that we have no words for matters to nobody here.
  const auto all =
      rules::parse_installed(saved(proxy::Variant::kNft, Family::kIpv4), Family::kIpv4);

  const auto some = proxy::read_nft_chains(
      Family::kIpv4,
      {in_nat("KUBE-SERVICES"), in_nat("KUBE-SEP-A"), in_nat("KUBE-SEP-C"), in_nat("PREROUTING")});

  REQUIRE(some.is_in_our_words);
  CHECK(some.installed.chains.size() == 2);  // there is no C
  for (const char* name : {"KUBE-SERVICES", "KUBE-SEP-A"}) {
    CHECK(some.installed.chains.at(in_nat(name)) == all.chains.at(in_nat(name)));
  }
  CHECK(some.installed.shared == all.shared);
  REQUIRE(some.installed.hooks.size() == 1);
  CHECK(some.installed.hooks[0].chain == in_nat("PREROUTING"));

  CHECK_FALSE(proxy::read_nft_chains(Family::kIpv4, {in_nat("KUBE-SEP-B")}).is_in_our_words);
  CHECK(proxy::read_nft_chains(Family::kIpv6, {in_nat("KUBE-SEP-A")}).installed.chains.empty());
}

TEST_CASE("nft tables: of a rule of ours with foreign words iptables has to tell the text",
          "[netns]") {
  const std::vector<std::string> foreign{
      "-j LOG",
      "-o eth0",
      "-p icmp",
      "! -p tcp",
      "-p tcp -m tcp --sport 3:5",
      "-p tcp -m tcp ! --dport 80",
      "-p tcp -m tcp --tcp-flags SYN,ACK SYN",
      "-s 10.0.0.0/255.0.255.0",
      "-m limit --limit 5/sec",
      "-m multiport -p tcp --dports 80,81",
      "-g KUBE-SEP-A",
      "-m connmark --mark 1",
  };
  for (const std::string& rule : foreign) {
    CAPTURE(rule);
    const NetworkNamespace network;
    restore_services(Family::kIpv4, "nat", rule);

    CHECK_FALSE(read_nft_tables(Family::kIpv4, Detail::kContents).is_in_our_words);
  }
}

TEST_CASE("nft tables: foreign words matter nowhere but in our chains and the jumps to them",
          "[netns]") {
  const NetworkNamespace network;
  restore_services(Family::kIpv4, "nat", "-d 10.96.0.1/32 -j KUBE-SEP-A");
  restore(Family::kIpv4,
          "*nat\n:CNI - [0:0]\n-A CNI -p icmp -j LOG\n-A PREROUTING -p icmp -j CNI\n"
          "-A PREROUTING -j KUBE-SERVICES\nCOMMIT\n*raw\n-A PREROUTING -j TRACE\nCOMMIT\n");

  const auto read = read_nft_tables(Family::kIpv4, Detail::kContents);

  REQUIRE(read.is_in_our_words);
  CHECK(read.installed.hooks.size() == 1);
  CHECK(rules::is_same_reading(read.installed, printed(Family::kIpv4)));

  restore(Family::kIpv4, "*nat\n-A PREROUTING -p icmp -j KUBE-SERVICES\nCOMMIT\n");
  CHECK_FALSE(read_nft_tables(Family::kIpv4, Detail::kContents).is_in_our_words);
}

TEST_CASE("nft tables: a node without tables has nothing installed", "[netns]") {
  const NetworkNamespace network;

  const auto read = read_nft_tables(Family::kIpv4, Detail::kContents);

  REQUIRE(read.is_in_our_words);
  CHECK(rules::is_same_reading(read.installed, rules::Installed{}));
}

TEST_CASE("nft tables: names alone are read with the jumps to them and without their rules",
          "[netns]") {
  const NetworkNamespace network;
  restore_services(Family::kIpv4, "nat", "-d 10.96.0.1/32 -j KUBE-SEP-A");
  restore(Family::kIpv4, "*nat\n-A PREROUTING -j KUBE-SERVICES\nCOMMIT\n");

  const auto read = read_nft_tables(Family::kIpv4, Detail::kNames);

  REQUIRE(read.is_in_our_words);
  CHECK(read.installed.hooks.size() == 1);
  REQUIRE(read.installed.chains.size() == 2);
  for (const auto& [chain, content] : read.installed.chains) {
    CHECK(content == rules::Digest::kUnknown);
  }
}

TEST_CASE("nft tables: while another tool commits without a pause, no reading is wrong",
          "[netns]") {
  const NetworkNamespace network;
  std::string text = "*nat\n:KUBE-SERVICES - [0:0]\n:BUSY - [0:0]\n";
  for (int i = 0; i < 2000; ++i) {
    text += "-A KUBE-SERVICES -d 10.96." + std::to_string(i / 250) + "." + std::to_string(i % 250) +
            "/32 -m comment --comment x -j RETURN\n";
  }
  restore(Family::kIpv4, text + "COMMIT\n");
  const auto quiet = read_nft_tables(Family::kIpv4, Detail::kContents);
  REQUIRE(quiet.is_in_our_words);
  std::atomic<bool> stop = false;
  int commits = 0;
  std::thread tool([&] {  // where Catch must not be asked
    while (!stop) {
      commits += proxy::run({.argv = {"iptables-nft-restore", "--noflush"},
                             .input = "*nat\n-I BUSY -j RETURN\n-I BUSY -j ACCEPT\nCOMMIT\n"})
                     .status == 0;
    }
  });

  for (int i = 0; i < 50; ++i) {
    const auto read = read_nft_tables(Family::kIpv4, Detail::kContents);
    CHECK((read.is_in_our_words && rules::is_same_reading(read.installed, quiet.installed)));
  }

  stop = true;
  tool.join();
  CHECK(commits > 0);
}
