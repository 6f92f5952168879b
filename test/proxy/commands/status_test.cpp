#include <chrono>

#include <catch2/catch.hpp>

#include "proxy/commands/status_text.h"
#include "proxy/report/status_json.h"

namespace {

using namespace std::chrono_literals;
using proxy::Status;

const std::chrono::system_clock::time_point kNow{1'000'000s};

Status healthy_status() {
  Status status{.version = "0.1.0",
                .node_name = "worker-1",
                .cluster = "API server",
                .running = 26h,
                .now = kNow};
  status.families.push_back({.family = rules::Family::kIpv4,
                             .backend = "libiptc",
                             .filter_rules = 7,
                             .nat_rules = 120,
                             .syncs = {{kNow - 2min, 0.5, proxy::SyncPoint::Outcome::kFailed},
                                       {kNow - 12s, 0.0015, proxy::SyncPoint::Outcome::kApplied}}});
  status.families.push_back({.family = rules::Family::kIpv6, .backend = "libiptc", .syncs = {}});
  status.watches = {{"services", 3.2, false}, {"nodes", 400, true}};
  status.counts.all = 1;
  return status;
}

TEST_CASE("status: one screen says how the daemon is", "[proxy][status]") {
  const auto status = proxy::status_text(to_json(healthy_status()));

  REQUIRE(status);
  CHECK(status->healthy);
  CHECK(status->text ==
        "iptproxy 0.1.0 on node worker-1: healthy, running for 26 h\n"
        "cluster     API server\n"
        "IPv4        libiptc; 120 rules in nat, 7 in filter; last sync applied 12 s ago, took 1.5 "
        "ms; 1 of the last 2 failed\n"
        "IPv6        libiptc; 0 rules in nat, 0 in filter; not synced yet\n"
        "watches     services heard 3 s ago, nodes heard 7 min ago (stale)\n"
        "services    1 ports, 0 in quarantine\n");
}

TEST_CASE("status: problems and quarantined Services are named", "[proxy][status]") {
  Status status = healthy_status();
  status.problems = {"IPv4 was not synced for 70 s"};
  status.counts.quarantined = 1;
  status.services.push_back({.name = {"ns", "web", "p", rules::Protocol::kTcp},
                             .quarantine_reason = "line 7 \"failed\""});

  const auto shown = proxy::status_text(to_json(status));

  REQUIRE(shown);
  CHECK_FALSE(shown->healthy);
  CHECK_THAT(shown->text,
             Catch::Contains("NOT HEALTHY") &&
                 Catch::Contains("problem     IPv4 was not synced for 70 s\n") &&
                 Catch::Contains("ns/web:p (IPv4): line 7 \"failed\"\n"));
}

TEST_CASE("status: what is no status is told apart", "[proxy][status]") {
  CHECK_FALSE(proxy::status_text(""));
  CHECK_FALSE(proxy::status_text("<html></html>"));
  CHECK_FALSE(proxy::status_text("{\"a\": [}"));
  CHECK_FALSE(proxy::status_text(R"({"kind":"Status"})"));
}

}  // namespace
