#include "test/netns/handover.h"

#include <map>
#include <sstream>
#include <thread>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "proxy/host/process.h"
#include "rules/names.h"
#include "rules/tables.h"
#include "rules/text.h"
#include "test/netns/backends.h"
#include "test/support/accounting_objects.h"
#include "test/support/golden.h"
#include "test/support/network_namespace.h"
#include "test/support/parity_files.h"
#include "test/support/traffic.h"

// A node changes hands under traffic: from kube-proxy to iptproxy and back.

using namespace test;
using proxy::Variant;
using rules::Family;

namespace {

const rules::SocketAddress kDns{*rules::IpAddress::parse("10.96.0.12"), 53};
const rules::SocketAddress kSeedDns{*rules::IpAddress::parse("10.96.0.10"), 53};

std::string save(Variant variant) {
  return saved(variant, Family::kIpv4);
}

rules::Tables tables_of(const std::string& save_text) {
  return rules::parse_tables(save_text, Family::kIpv4);
}

std::uint64_t sum(const std::map<std::string, std::uint64_t>& packets) {
  std::uint64_t all = 0;
  for (const auto& [rule, count] : packets) {
    all += count;
  }
  return all;
}

/// What kube-proxy feeds to `iptables-restore --noflush --counters` when it syncs all: its chains,
/// which that empties, and their rules. It never sends the jumps from built-in chains that way.
std::string full_sync_text(const std::string& dump) {
  std::istringstream lines(dump);
  std::string text;
  rules::Table table{};
  for (std::string line; std::getline(lines, line);) {
    const rules::SaveLine parsed = rules::parse_save_line(line);
    if (parsed.kind == rules::SaveLine::Kind::kTable) {
      table = rules::parse_table(parsed.name).value();
    }
    const bool is_of_chain =
        parsed.kind == rules::SaveLine::Kind::kChain || parsed.kind == rules::SaveLine::Kind::kRule;
    if (line.starts_with('#') ||
        (is_of_chain && !rules::is_owned({table, rules::ChainName(parsed.name)}))) {
      continue;
    }
    text += line + "\n";
  }
  return text;
}

void restore(Variant variant, const std::string& dump) {
  const auto result = proxy::run(
      {.argv = {fmt::format("iptables-{}-restore", proxy::to_string(variant))}, .input = dump});
  INFO(result.error);
  REQUIRE(result.status == 0);
}

void give_back(Variant variant, const std::string& dump) {
  const std::string text = full_sync_text(dump);
  const auto result =
      proxy::run({.argv = {fmt::format("iptables-{}-restore", proxy::to_string(variant)),
                           "-w",
                           "5",
                           "--noflush",
                           "--counters"},
                  .input = text});
  INFO(result.error);
  REQUIRE(result.status == 0);
}

/// Gives the neighbours of the node more addresses than the lab has.
void add_endpoints(const NodeLab& lab, Site site, const std::vector<std::string>& addresses) {
  for (const std::string& address : addresses) {
    shell(
        fmt::format("ip neigh add {0} lladdr 02:00:00:00:00:02 dev {1};"
                    "ip route add {0} dev {1}",
                    address,
                    link_name(site)));
  }
  std::thread([&] {
    lab.enter(site);
    for (const std::string& address : addresses) {
      proxy::run({.argv = {"ip", "address", "add", address + "/32", "dev", "eth0"}});
    }
  }).join();
}

}  // namespace

TEST_CASE(
    "handover: over kube-proxy's own rules nothing is written again, kube-proxy's full sync works "
    "over ours, and no connection breaks",
    "[netns][handover]") {
  const auto variant = GENERATE(Variant::kNft, Variant::kLegacy);
  CAPTURE(proxy::to_string(variant));
  const Golden golden{parity_folder() / "goldens/multiport-mixed-protocols"};
  const std::string dump = golden_save_text(golden, Family::kIpv4);
  const HandoverNode node(variant, 53);
  restore(variant, dump);
  Traffic traffic(node.lab(), Site::kPod, kDns);
  REQUIRE(traffic.reaches(50));

  const std::string before = save(variant);
  const auto counted = endpoint_packets(variant);
  REQUIRE(sum(counted) > 0);
  take_over(golden);
  const std::string taken = save(variant);
  CHECK(differences(tables_of(before), tables_of(taken)) == std::vector<std::string>{});
  CHECK(rewritten(counted, endpoint_packets(variant)) == std::vector<std::string>{});
  CHECK(traffic.reaches(100));

  give_back(variant, dump);
  CHECK(differences(tables_of(before), tables_of(save(variant))) == std::vector<std::string>{});
  CHECK(traffic.reaches(150));
  take_over(golden);
  CHECK(save(variant) == taken);

  check_unharmed(traffic);
}

TEST_CASE("handover: a node goes through both layouts and back to kube-proxy, no connection breaks",
          "[netns][handover][layout]") {
  const auto variant = GENERATE(Variant::kNft, Variant::kLegacy);
  CAPTURE(proxy::to_string(variant));
  const Golden golden{parity_folder() / "goldens/multiport-mixed-protocols"};
  const std::string dump = golden_save_text(golden, Family::kIpv4);
  const HandoverNode node(variant, 53);
  restore(variant, dump);
  const auto theirs = tables_of(save(variant));
  Traffic traffic(node.lab(), Site::kPod, kDns);
  REQUIRE(traffic.reaches(50));
  std::uint64_t reached = 50;
  const auto goes_on = [&] {
    reached += 50;
    return traffic.reaches(reached);
  };

  take_over(golden, rules::Layout::kCompact);  // from kube-proxy
  const auto compact = save(variant);
  CHECK(compact.find("KUBE-SEP-") == std::string::npos);
  CHECK(goes_on());
  take_over(golden, rules::Layout::kKubeProxy);  // from compact
  CHECK(differences(theirs, tables_of(save(variant))).empty());
  CHECK(goes_on());
  take_over(golden, rules::Layout::kCompact);  // from the layout of kube-proxy
  CHECK(save(variant) == compact);
  CHECK(goes_on());
  give_back(variant, dump);  // from compact
  CHECK(goes_on());
  take_over(golden, rules::Layout::kCompact);  // over what kube-proxy left of it
  CHECK(save(variant) == compact);
  CHECK(goes_on());

  check_unharmed(traffic);
}

TEST_CASE("handover: on the seed's node only what differs is written, and no connection breaks",
          "[netns][handover]") {
  const auto variant = GENERATE(Variant::kNft, Variant::kLegacy);
  CAPTURE(proxy::to_string(variant));
  const Golden golden{parity_folder() / "goldens/seed-cluster"};
  const NetworkNamespace network;
  make_accounting_objects();
  const NodeLab lab(Family::kIpv4);
  add_endpoints(lab, Site::kThere, {"10.244.0.8", "10.244.0.9"});
  const EchoServer there(lab, Site::kThere, at({"10.244.0.8", "10.244.0.9"}, 53));
  const std::string dump = content(parity_folder() / "seed/k8s-worker1.iptables-save");
  restore(variant, dump);
  Traffic traffic(lab, Site::kPod, kSeedDns);
  REQUIRE(traffic.reaches(50));

  const auto counted = endpoint_packets(variant);
  take_over(golden);
  CHECK(rewritten(counted, endpoint_packets(variant)) == std::vector<std::string>{});
  CHECK(traffic.reaches(100));

  give_back(variant, dump);
  CHECK(traffic.reaches(150));
  take_over(golden);
  CHECK(traffic.reaches(200));

  check_unharmed(traffic);
}
