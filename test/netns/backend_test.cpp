#include "proxy/tables/backend.h"

#include <algorithm>
#include <cstdlib>
#include <thread>
#include <utility>

#include <catch2/catch.hpp>
#include <unistd.h>

#include "proxy/backends/restore_backend.h"
#include "proxy/legacy/iptc_backend.h"
#include "proxy/legacy/table.h"
#include "proxy/legacy/xtables_lock.h"
#include "rules/iptc_frame.h"
#include "rules/names.h"
#include "test/netns/backends.h"
#include "test/support/accounting_objects.h"
#include "test/support/generators.h"
#include "test/support/network_namespace.h"

using namespace test;
using rules::Family;
using rules::Ruleset;

namespace {

/// The kernel's own bytes of a legacy table, counters aside.
std::vector<std::uint8_t> raw_table(Family family, rules::Table table) {
  const proxy::LegacyTable held = proxy::read_table(proxy::XtablesSocket(family), family, table);
  std::vector<std::uint8_t> bytes(held.entries.entries().begin(), held.entries.entries().end());
  const std::size_t counters = family == Family::kIpv4 ? 96 : 152;
  const std::span<std::uint8_t> all(bytes);
  for (std::size_t at = 0; at < bytes.size(); at += rules::entry_length(all.subspan(at), family)) {
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at + counters), 16, std::uint8_t{0});
  }
  return bytes;
}

/// Foreign rules beside ours, as container runtimes leave them.
void add_foreign_rules(proxy::Variant variant) {
  shell(
      "printf '*nat\\n:AAA-FIRST - [0:0]\\n:ZZZ-LAST - [0:0]\\n-A PREROUTING -j AAA-FIRST\\n"
      "-A AAA-FIRST -p tcp -m multiport --dports 80,443 -j ZZZ-LAST\\n"
      "-A ZZZ-LAST -o eth0 -m limit --limit 3/min -j RETURN\\nCOMMIT\\n"
      "*filter\\n:OTHER - [0:0]\\n-A FORWARD -i cni0 -j OTHER\\n-A OTHER -j RETURN\\nCOMMIT\\n' "
      "| " +
      proxy::program(Family::kIpv4, variant, "-restore") + " --noflush");
}

}  // namespace

TEST_CASE("backends: a restart finds everything as it was left, and clean-up leaves the rest",
          "[netns][backend]") {
  for (const Way way : kAllWays) {
    CAPTURE(name_of(way));
    const NetworkNamespace network;
    make_accounting_objects();
    add_foreign_rules(variant_of(way));
    const auto before = by_table(saved(variant_of(way), Family::kIpv4));
    const Ruleset want = history(1, Family::kIpv4, 1)[1];

    const auto backend = backend_of(way, Family::kIpv4);
    const auto found = backend->read(rules::Detail::kContents);
    require_applied(*backend, rules::diff(found, want));

    const auto successor = backend_of(way, Family::kIpv4);
    const auto changes = rules::diff(successor->read(rules::Detail::kContents), want);
    CHECK(changes.empty());

    require_applied(*successor, rules::diff(successor->read(rules::Detail::kNames), Ruleset()));
    auto after = by_table(saved(variant_of(way), Family::kIpv4));
    std::erase_if(after["filter"], [](const std::string& line) {
      return line.find("KUBE-FIREWALL") != std::string::npos;  // kubelet's, which stays (spec §4.8)
    });
    std::erase_if(after, [](const auto& table) { return table.second.empty(); });
    CHECK(after == before);
  }
}

TEST_CASE("backends: every way to a legacy table leaves the same bytes in the kernel",
          "[netns][backend]") {
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    const std::vector<Ruleset> wanted = history(7, family, 6);
    std::vector<std::vector<std::string>> texts;
    std::vector<std::vector<std::vector<std::uint8_t>>> bytes;
    for (const Way way : kLegacyWays) {
      const NetworkNamespace network;
      make_accounting_objects();
      const auto backend = backend_of(way, family);
      auto& text = texts.emplace_back();
      auto& raw = bytes.emplace_back();
      for (std::size_t step = 1; step < wanted.size(); ++step) {
        CAPTURE(name_of(way), step);
        require_applied(*backend,
                        rules::diff(rules::Installed{.base = wanted[step - 1]}, wanted[step]));
        text.push_back(saved(proxy::Variant::kLegacy, family));
        raw.push_back(raw_table(family, rules::Table::kNat));
        raw.push_back(raw_table(family, rules::Table::kFilter));
      }
    }
    for (std::size_t way = 1; way < kLegacyWays.size(); ++way) {
      CAPTURE(rules::to_string(family), name_of(kLegacyWays[way]));
      CHECK(texts[way] == texts[0]);
      CHECK((bytes[way] == bytes[0]));
    }
  }
}

TEST_CASE("backends: counters of rules that stay survive", "[netns][backend]") {
  for (const Way way : kLegacyWays) {
    CAPTURE(name_of(way));
    const NetworkNamespace network;
    make_accounting_objects();
    ClusterGenerator generator(3);
    Cluster cluster = generator.cluster({.services = 10, .endpoints = 3});
    const auto compiled = [&] {
      return rules::Compiler().compile(snapshot_of(cluster, Family::kIpv4),
                                       test_node(Family::kIpv4));
    };
    const Ruleset before = compiled();
    const auto backend = backend_of(way, Family::kIpv4);
    require_applied(*backend, rules::diff(rules::Installed{}, before));
    const proxy::XtablesSocket socket(Family::kIpv4);
    const std::uint32_t entries = socket.shape(rules::Table::kNat).entries;
    proxy::CounterBuffer counters;
    counters.resize(entries);
    for (std::uint32_t i = 0; i < entries; ++i) {
      counters.counters()[i] = {i + 1, 10 * i};
    }
    REQUIRE(socket.add_counters(rules::Table::kNat, entries, counters));
    const auto counted = [] {
      std::vector<std::string> lines;
      std::string line;
      for (const char c : shell("iptables-legacy-save -c -t nat")) {
        line += c;
        if (c == '\n') {
          lines.push_back(std::exchange(line, {}));
        }
      }
      std::erase_if(lines, [](const std::string& text) { return !text.starts_with('['); });
      std::sort(lines.begin(), lines.end());
      return lines;
    };
    const auto old_rules = counted();

    cluster.services.erase(cluster.services.begin());
    require_applied(*backend, rules::diff(rules::Installed{.base = before}, compiled()));

    const auto new_rules = counted();
    REQUIRE(new_rules.size() > 10);
    CHECK(new_rules.size() < old_rules.size());
    CHECK(std::includes(old_rules.begin(), old_rules.end(), new_rules.begin(), new_rules.end()));
  }
}

TEST_CASE("backends: a rule that the kernel refuses changes nothing of its table",
          "[netns][backend]") {
  for (const Way way : kAllWays) {
    CAPTURE(name_of(way));
    const NetworkNamespace network;  // without the accounting objects that node ports count in
    rules::ServicePort port{.cluster_ip = *rules::IpAddress::parse("10.96.0.7"), .port = 80};
    port.node_port = 30007;
    port.endpoints.push_back({.address = *rules::SocketAddress::parse("10.240.0.7:8080")});
    const rules::ServicePortName name{"default", "web", "http", rules::Protocol::kTcp};
    const rules::Snapshot snapshot = rules::make_snapshot(
        Family::kIpv4, {{name, std::make_shared<const rules::ServicePort>(port)}});
    rules::Context context = test_node(Family::kIpv4);
    context.counts_invalid_drops = false;
    const Ruleset want = rules::Compiler().compile(snapshot, context);
    const auto backend = backend_of(way, Family::kIpv4);
    const auto error = backend->apply(rules::diff(rules::Installed{}, want));

    REQUIRE(error);
    CHECK_FALSE(error->transient);
    CHECK(error->service.has_value() == (variant_of(way) == proxy::Variant::kNft));
    CHECK((!error->service || *error->service == name));
    if (way != Way::kNetlinkCut) {
      CHECK(by_table(saved(variant_of(way), Family::kIpv4)).count("nat") == 0);
    }

    context.counts_localhost_node_ports = false;
    require_applied(*backend,
                    rules::diff(backend->read(rules::Detail::kContents),
                                rules::Compiler().compile(snapshot, context)));
  }
}

TEST_CASE("backends: a foreign rule that pins a chain blocks its removal only",
          "[netns][backend]") {
  for (const Way way : kAllWays) {
    CAPTURE(name_of(way));
    const NetworkNamespace network;
    make_accounting_objects();
    const std::vector<Ruleset> wanted = history(5, Family::kIpv4, 2);
    const auto backend = backend_of(way, Family::kIpv4);
    require_applied(*backend, rules::diff(rules::Installed{}, wanted[1]));
    const rules::Changes changes = rules::diff(rules::Installed{.base = wanted[1]}, wanted[2]);
    REQUIRE_FALSE(changes.remove.empty());
    shell(proxy::program(Family::kIpv4, variant_of(way), "") + " -t nat -A OUTPUT -j " +
          std::string(changes.remove[0].name.view()));

    const auto error = backend->apply(changes);
    REQUIRE(error);
    CHECK_FALSE(error->transient);

    const auto found = backend->read(rules::Detail::kContents);
    require_applied(*backend, rules::diff(found, wanted[2]).without_removals());
    const auto left = rules::diff(backend->read(rules::Detail::kContents), wanted[2]);
    CHECK(left.without_removals().empty());
  }
}

TEST_CASE("backends: a lock that is held too long is a transient error that names the holder",
          "[netns][backend]") {
  const NetworkNamespace network;
  proxy::XtablesLock lock;
  const auto held = lock.acquire(std::chrono::seconds(1));
  REQUIRE(held);
  const Ruleset want = rules::Compiler().compile(rules::make_snapshot(Family::kIpv4, {}),
                                                 rules::Context{.counts_invalid_drops = false});
  const rules::Changes changes = rules::diff(rules::Installed{}, want);
  proxy::ForeignChanges unwatched;
  proxy::RestoreBackend restore(
      {.variant = proxy::Variant::kLegacy, .lock_wait = std::chrono::seconds(1)}, unwatched);
  proxy::IptcBackend in_process(
      {.lock = std::make_shared<proxy::XtablesLock>(), .lock_wait = std::chrono::seconds(0)},
      unwatched);

  for (proxy::Backend* backend : std::initializer_list<proxy::Backend*>{&restore, &in_process}) {
    const auto error = backend->apply(changes);

    REQUIRE(error);
    CHECK(error->transient);
    CHECK_THAT(error->message,
               Catch::Contains("netns_test (pid " + std::to_string(getpid()) + ")"));
  }
}

TEST_CASE("table index: its shape is the one that the kernel tells", "[netns][backend]") {
  // Else no kept table would ever be taken for current.
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    const NetworkNamespace network;
    make_accounting_objects();
    const auto backend = backend_of(Way::kTableEdit, family);
    require_applied(*backend, rules::diff(rules::Installed{}, history(4, family, 1)[1]));
    const proxy::XtablesSocket socket(family);
    for (const rules::Table table :
         {rules::Table::kMangle, rules::Table::kFilter, rules::Table::kNat}) {
      CAPTURE(to_string(family), to_string(table));
      const proxy::LegacyTable held = proxy::read_table(socket, family, table);
      CHECK((held.index.shape() == held.shape));
    }
  }
}

TEST_CASE("legacy table: it is read whole while somebody without the lock replaces it",
          "[netns][backend]") {
  const NetworkNamespace network;
  const proxy::XtablesSocket socket(Family::kIpv4);
  const auto read = [&] { return proxy::read_table(socket, Family::kIpv4, rules::Table::kNat); };
  shell("iptables-legacy -t nat -N AAA");
  auto empty = read();
  shell("iptables-legacy -t nat -A AAA -s 10.0.0.1 -j RETURN");
  auto filled = read();
  const std::jthread writer([&](const std::stop_token& stop) {
    const auto replace = [&](proxy::LegacyTable& from, proxy::LegacyTable& to) {
      proxy::CounterBuffer counters;
      counters.resize(from.shape.entries);
      socket.replace(rules::Table::kNat, to.shape, to.entries, {from.shape.entries, counters});
    };
    while (!stop.stop_requested()) {
      replace(filled, empty);
      replace(empty, filled);
    }
  });

  for (int i = 0; i < 10'000; ++i) {
    const proxy::LegacyTable held = read();
    const proxy::LegacyTable& expected = held.shape == empty.shape ? empty : filled;
    REQUIRE((held.index.shape() == expected.shape));
    REQUIRE(std::ranges::equal(held.entries.entries(), std::as_const(expected.entries).entries()));
  }
}

TEST_CASE("backends: a kept table is read again when anybody else had the lock",
          "[netns][backend]") {
  const NetworkNamespace network;
  make_accounting_objects();
  shell("iptables-legacy -t nat -N AAA; iptables-legacy -t nat -A AAA -s 10.0.0.1 -j RETURN");
  const std::vector<Ruleset> wanted = history(11, Family::kIpv4, 3);
  const auto ours = backend_of(Way::kTableEdit, Family::kIpv4);
  const auto theirs = backend_of(Way::kTableEdit, Family::kIpv4);  // as of another process
  const auto apply = [&](proxy::Backend& backend, std::size_t step) {
    require_applied(backend, rules::diff(rules::Installed{.base = wanted[step - 1]}, wanted[step]));
  };
  apply(*ours, 1);

  shell("iptables-legacy -t nat -R AAA 1 -s 10.0.0.2 -j RETURN");  // of the same size
  apply(*ours, 2);
  CHECK_THAT(shell("iptables-legacy -t nat -S AAA"), Catch::Contains("10.0.0.2"));

  apply(*theirs, 3);
  apply(*ours, 4);
  CHECK_THAT(shell("iptables-legacy -t nat -S"), !Catch::Contains("KUBE-S"));
}

TEST_CASE("xtables lock: every wait is told, also one in vain", "[netns][lock]") {
  proxy::XtablesLock ours;
  proxy::XtablesLock theirs;
  std::vector<std::chrono::nanoseconds> waits;
  ours.tell_waits([&](std::chrono::nanoseconds waited) { waits.push_back(waited); });

  ours.acquire(std::chrono::seconds(9));
  {
    const auto hold = theirs.acquire(std::chrono::seconds(9));
    CHECK(!ours.acquire(std::chrono::milliseconds(50)));
  }

  REQUIRE(waits.size() == 2);
  CHECK(waits[1] >= std::chrono::milliseconds(50));
}

TEST_CASE("xtables lock: its holds tell whether others held it in between", "[netns][lock]") {
  proxy::XtablesLock ours;
  proxy::XtablesLock theirs;
  const auto foreign_holds = [&] { return ours.acquire(std::chrono::seconds(9))->foreign_holds(); };

  const auto before = foreign_holds();
  CHECK(foreign_holds() == before);
  CHECK(foreign_holds() == before);

  SECTION("another process of ours") {
    theirs.acquire(std::chrono::seconds(9));
  }
  SECTION("iptables") {
    shell("unshare -n iptables-legacy -w 9 -t nat -N A");
  }
  SECTION("after the file was replaced") {
    const std::string path = proxy::xtables_lock_path();
    shell("rm " + path + "; unshare -n iptables-legacy -w 9 -t nat -N A");
  }

  const auto after = foreign_holds();
  CHECK(after != before);
  CHECK(foreign_holds() == after);
}
