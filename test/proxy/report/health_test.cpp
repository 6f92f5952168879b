#include "proxy/report/health.h"

#include <optional>

#include <catch2/catch.hpp>

#include "proxy/text/rfc3339.h"

using namespace std::chrono_literals;
using proxy::HealthState;
using proxy::Moment;
using rules::Family;

namespace {

const auto kWall = proxy::parse_rfc3339("2026-11-24T00:31:00.5Z").value();

Moment at(std::chrono::steady_clock::duration since_start) {
  return {.steady = std::chrono::steady_clock::time_point(1h) + since_start,
          .wall = kWall + since_start};
}

k8sclient::WatchStatus watch(const char* resource,
                             std::optional<std::chrono::steady_clock::duration> last_heard) {
  k8sclient::WatchStatus result;
  result.resource = resource;
  if (last_heard) {
    result.last_heard = at(*last_heard).steady;
  }
  return result;
}

HealthState::Settings dual_stack() {
  return {.families = {Family::kIpv4, Family::kIpv6}};
}

}  // namespace

TEST_CASE("health: unhealthy until each family has been synced", "[proxy][health]") {
  HealthState health(dual_stack());
  CHECK(!health.verdict(at(0s), {}).healthy);

  health.synced(Family::kIpv4, at(1s));
  const auto half = health.verdict(at(2s), {});
  CHECK(!half.healthy);
  CHECK(half.problems == std::vector<std::string>{"IPv6 rules have not been synced yet"});

  health.synced(Family::kIpv6, at(3s));
  CHECK(health.verdict(at(4s), {}).healthy);
  CHECK(health.verdict(at(4s), {}).problems.empty());
}

TEST_CASE("health: a wanted sync must succeed in time, counted from the oldest request",
          "[proxy][health]") {
  HealthState health({.families = {Family::kIpv4}, .sync_deadline = 60s});
  health.synced(Family::kIpv4, at(0s));
  CHECK(health.verdict(at(10h), {}).healthy);

  health.queued(Family::kIpv4, at(10s));
  health.queued(Family::kIpv4, at(65s));
  CHECK(health.verdict(at(69s), {}).healthy);
  const auto overdue = health.verdict(at(70s), {});
  CHECK(!overdue.healthy);
  CHECK(!overdue.families.at(0).healthy);
  CHECK(overdue.problems == std::vector<std::string>{"IPv4 rules have been out of date for 60 s"});

  health.synced(Family::kIpv4, at(80s));
  CHECK(health.verdict(at(500s), {}).healthy);
}

TEST_CASE("health: a silent watch makes unhealthy until it speaks again", "[proxy][health]") {
  HealthState health({.families = {Family::kIpv4}, .watch_deadline = 5min});
  health.synced(Family::kIpv4, at(0s));
  const proxy::ClusterView heard{.watches = {watch("services", 0s),
                                             watch("endpointslices", 100s),
                                             watch("nodes", std::nullopt)}};
  CHECK(health.verdict(at(299s), heard).healthy);

  const auto stale = health.verdict(at(300s), heard);
  CHECK(!stale.healthy);
  CHECK(stale.families.at(0).healthy);
  CHECK(stale.problems ==
        std::vector<std::string>{"the watch of services has been silent for 300 s"});

  CHECK(health.verdict(at(302s), {.watches = {watch("services", 301s)}}).healthy);
}

TEST_CASE("health: answers are kube-proxy's, byte for byte", "[proxy][health]") {
  HealthState health(dual_stack());
  health.synced(Family::kIpv4, at(1s));
  health.synced(Family::kIpv6, at(2s));
  const std::string status =
      R"("status":{"IPv4":{"lastUpdated":"2026-11-24T00:31:01.5Z","healthy":true},)"
      R"("IPv6":{"lastUpdated":"2026-11-24T00:31:02.5Z","healthy":true}}})";

  SECTION("an eligible node") {
    const auto verdict = health.verdict(at(3s), {.node_eligible = true});
    const auto response = healthz_response(verdict);

    CHECK(response.status == 200);
    CHECK(response.headers ==
          std::vector<std::pair<std::string, std::string>>{{"Content-Type", "application/json"}});
    CHECK(response.body.text() ==
          R"({"lastUpdated":"2026-11-24T00:31:03.5Z","currentTime":"2026-11-24T00:31:03.5Z",)"
          R"("nodeEligible":true,"healthy":true,)" +
              status);
  }
  SECTION("a node that is going away: not for load balancers, but alive") {
    const auto verdict = health.verdict(at(3s), {});
    const auto healthz = healthz_response(verdict);
    const auto livez = livez_response(verdict);

    CHECK(healthz.status == 503);
    CHECK(healthz.body.text() ==
          R"({"lastUpdated":"2026-11-24T00:31:02.5Z","currentTime":"2026-11-24T00:31:03.5Z",)"
          R"("nodeEligible":false,"healthy":true,)" +
              status);
    CHECK(livez.status == 200);
    CHECK(livez.body.text() ==
          R"({"lastUpdated":"2026-11-24T00:31:03.5Z","currentTime":"2026-11-24T00:31:03.5Z",)"
          R"("healthy":true,)" +
              status);
  }
}

TEST_CASE("health: before the first sync there is no time to tell", "[proxy][health]") {
  HealthState health(dual_stack());

  const auto response = healthz_response(health.verdict(at(0s), {.node_eligible = true}));

  CHECK(response.status == 503);
  CHECK(response.body.text() ==
        R"({"lastUpdated":"0001-01-01T00:00:00Z","currentTime":"2026-11-24T00:31:00.5Z",)"
        R"("nodeEligible":true,"healthy":false})");
}
