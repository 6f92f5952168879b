#include <map>

#include <catch2/catch.hpp>

#include "k8sclient/watch/reflector.h"
#include "test/support/eventually.h"
#include "test/support/fake_api.h"
#include "test/support/follower.h"
#include "test/support/log_capture.h"

// How a Reflector finds back to a server that was away, is old, or lost its memory.

using k8sclient::ObjectName;
using k8sclient::Service;
using test::FakeApi;
using test::Fault;
using Followed = test::Follower<Service>;
using namespace std::chrono_literals;

namespace {

const ObjectName kWeb{"default", "web"};
const ObjectName kApi{"default", "api"};

std::string service(int port, const std::string& cluster_ip = "10.0.0.1") {
  return "\"spec\":{\"clusterIP\":\"" + cluster_ip +
         "\",\"ports\":[{\"port\":" + std::to_string(port) + "}]}";
}

bool shows(const Followed& follower, const std::map<ObjectName, int>& ports) {
  return follower.cache.wait([&](const auto& objects) {
    std::map<ObjectName, int> found;
    for (const auto& [name, object] : objects) {
      found[name] = object.ports.front().port;
    }
    return found == ports;
  });
}

// A try that is not at once comes too late for any test.
test::Pace never_again() {
  return {.settings = {.delays = {.first = 1h, .longest = 1h, .longest_at_first = 1h}}};
}

}  // namespace

TEST_CASE("recovery: an old server that refuses the field selector is asked without it",
          "[k8sclient][recovery]") {
  FakeApi api;
  api.refuse_field_selectors();
  if (GENERATE(false, true)) {
    api.refuse_streaming();
  }
  api.put("services", kWeb, service(80));
  api.put("services", {"default", "headless"}, service(1, "None"));
  const Followed follower({.url = api.url()}, k8sclient::services_query(), never_again());
  REQUIRE(shows(follower, {{kWeb, 80}}));
  REQUIRE(api.wait_for_watches("services", 1));

  api.put("services", kApi, service(2, "None"));
  api.put("services", {"default", "headless"}, service(3));
  CHECK(shows(follower, {{kWeb, 80}, {{"default", "headless"}, 3}}));
  api.put("services", kWeb, service(80, "None"));
  CHECK(shows(follower, {{{"default", "headless"}, 3}}));

  CHECK(api.requests().front().query.contains("fieldSelector"));
  CHECK_FALSE(api.requests().back().query.contains("fieldSelector"));
  CHECK(api.requests().back().query.contains("labelSelector"));
  CHECK(follower.status().failures == 0);
}

TEST_CASE("recovery: a server that answers in JSON all the same is understood",
          "[k8sclient][recovery]") {
  FakeApi api;
  api.refuse_protobuf();
  api.put("services", kWeb, service(80));
  const Followed follower({.url = api.url()},
                          k8sclient::services_query(),
                          {.settings = {.encoding = k8sclient::Encoding::kProtobuf}});
  REQUIRE(shows(follower, {{kWeb, 80}}));

  api.put("services", kApi, service(443));

  CHECK(shows(follower, {{kWeb, 80}, {kApi, 443}}));
  CHECK(api.requests().front().headers.at("accept") ==
        "application/vnd.kubernetes.protobuf,application/json");
}

TEST_CASE("recovery: after 410 it lists at once, since the answer proves that the server works",
          "[k8sclient][recovery]") {
  FakeApi api;
  api.put("services", kWeb, service(80));
  const Followed follower({.url = api.url()}, k8sclient::services_query(), never_again());
  REQUIRE(shows(follower, {{kWeb, 80}}));
  REQUIRE(api.wait_for_watches("services", 1));

  api.fail_next("services", {GENERATE(Fault::kGone, Fault::kGoneEvent)});
  api.strike("services", Fault::kEnd);
  api.put("services", kApi, service(443));

  CHECK(shows(follower, {{kWeb, 80}, {kApi, 443}}));
  CHECK(test::eventually([&] { return follower.status().lists == 2; }));
}

// e2e: service.go:1240
TEST_CASE("recovery: a watch that broke off goes on at once", "[k8sclient][recovery]") {
  FakeApi api;
  const Followed follower({.url = api.url()}, k8sclient::services_query(), never_again());
  REQUIRE(shows(follower, {}));
  REQUIRE(api.wait_for_watches("services", 1));

  api.strike("services", Fault::kCutObject);
  api.put("services", kWeb, service(80));
  CHECK(shows(follower, {{kWeb, 80}}));
}

TEST_CASE("recovery: a server whose versions went back is noticed by its silence",
          "[k8sclient][recovery]") {
  test::LogCapture log;
  FakeApi api;
  api.put("services", kWeb, service(80));
  const std::uint64_t backup = api.resource_version();
  const Followed follower(
      {.url = api.url()}, k8sclient::services_query(), {.limits = {.head = 20s, .silence = 300ms}});
  api.put("services", kWeb, service(81));
  api.put("services", kApi, service(443));
  REQUIRE(shows(follower, {{kWeb, 81}, {kApi, 443}}));

  api.restore_backup(backup);

  CHECK(shows(follower, {{kWeb, 80}}));
  CHECK(test::eventually([&] { return follower.status().went_back == 1; }));
  CHECK(log.lines_with("the server went back from version 103 to 101").size() == 1);
  api.put("services", kApi, service(8443));
  CHECK(shows(follower, {{kWeb, 80}, {kApi, 8443}}));
  CHECK(follower.status().went_back == 1);
}

TEST_CASE("recovery: a watch that stays silent twice is followed by a list",
          "[k8sclient][recovery]") {
  test::LogCapture log;
  FakeApi api;
  api.put("services", kWeb, service(80));
  const Followed follower(
      {.url = api.url()}, k8sclient::services_query(), {.limits = {.head = 20s, .silence = 200ms}});

  CHECK(test::eventually([&] { return follower.status().lists == 2; }));

  CHECK(shows(follower, {{kWeb, 80}}));
  CHECK(follower.status().went_back == 0);
  CHECK(!log.lines_with("info services: trying again in ").empty());
  CHECK(!log.lines_with("warning services: trying again in ").empty());
}

TEST_CASE("recovery: a server that was away and knows less is found out at its return",
          "[k8sclient][recovery]") {
  test::LogCapture log;
  FakeApi api;
  api.put("services", kWeb, service(80));
  const std::uint64_t backup = api.resource_version();
  const Followed follower(
      {.url = api.url()}, k8sclient::services_query(), {.limits = {.head = 20s, .silence = 60s}});
  api.put("services", kApi, service(443));
  REQUIRE(shows(follower, {{kWeb, 80}, {kApi, 443}}));
  REQUIRE(api.wait_for_watches("services", 1));

  api.fail_next("services", {Fault::kUnavailable});
  api.restore_backup(backup);

  CHECK(shows(follower, {{kWeb, 80}}));
  CHECK(test::eventually([&] { return follower.status().went_back == 1; }));
  CHECK(log.lines_with("the server went back from version 102 to 101").size() == 1);
}

TEST_CASE("recovery: a server that was away and knows as much is believed without a list",
          "[k8sclient][recovery]") {
  FakeApi api;
  api.put("services", kWeb, service(80));
  const Followed follower(
      {.url = api.url()}, k8sclient::services_query(), {.limits = {.head = 20s, .silence = 60s}});
  REQUIRE(shows(follower, {{kWeb, 80}}));
  REQUIRE(api.wait_for_watches("services", 1));

  api.fail_next("services", {Fault::kUnavailable, Fault::kDropped});
  api.strike("services", Fault::kCutObject);
  REQUIRE(api.wait_for_requests(5));  // three that fail in some way, the question and the watch
  api.put("services", kApi, service(443));

  CHECK(shows(follower, {{kWeb, 80}, {kApi, 443}}));
  CHECK(follower.status().lists == 1);
  const auto requests = api.requests();
  REQUIRE(requests.size() == 5);
  CHECK(requests[requests.size() - 2].query.at("limit") == "1");
  CHECK(requests.back().query.contains("watch"));
}

TEST_CASE("recovery: a server that was restarted is listed anew, and nothing is missing",
          "[k8sclient][recovery]") {
  FakeApi api;
  api.put("services", kWeb, service(80));
  const Followed follower(api.url(), k8sclient::services_query());
  REQUIRE(shows(follower, {{kWeb, 80}}));
  REQUIRE(api.wait_for_watches("services", 1));

  api.go_away();
  REQUIRE(test::eventually([&] { return follower.status().failures >= 2; }));
  api.remove("services", kWeb);
  api.put("services", kApi, service(443));
  api.come_back();

  CHECK(shows(follower, {{kApi, 443}}));
  CHECK(test::eventually([&] { return follower.status().lists == 2; }));
}

TEST_CASE("recovery: bad bytes in a watch are one line, in either encoding, and cost no event",
          "[k8sclient][recovery]") {
  const auto encoding = GENERATE(k8sclient::Encoding::kJson, k8sclient::Encoding::kProtobuf);
  const auto fault = GENERATE(Fault::kCutObject,
                              Fault::kHalfLine,
                              Fault::kUnknownType,
                              Fault::kOtherKind,
                              Fault::kInvalidJson,
                              Fault::kDuplicateKey,
                              Fault::kHugeObject);
  CAPTURE(encoding, fault);
  test::LogCapture log;
  FakeApi api;
  api.put("services", kWeb, service(80));
  const Followed follower({.url = api.url()},
                          k8sclient::services_query(),
                          {.limits = {.head = 20s, .silence = 60s},
                           .settings = {.delays = {.first = 10ms}, .encoding = encoding}});
  REQUIRE(shows(follower, {{kWeb, 80}}));
  REQUIRE(api.wait_for_watches("services", 1));

  api.strike("services", fault);
  REQUIRE(test::eventually([&] { return follower.status().failures == 1; }));
  api.put("services", kApi, service(443));
  api.remove("services", kWeb);

  CHECK(shows(follower, {{kApi, 443}}));
  CHECK(log.lines_with("warning services: trying again in ").size() == 1);
}
