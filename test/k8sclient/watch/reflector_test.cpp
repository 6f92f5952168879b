#include "k8sclient/watch/reflector.h"

#include <algorithm>
#include <atomic>

#include <catch2/catch.hpp>

#include "test/support/eventually.h"
#include "test/support/fake_api.h"
#include "test/support/faults.h"
#include "test/support/follower.h"
#include "test/support/log_capture.h"

using k8sclient::ObjectName;
using k8sclient::Service;
using test::FakeApi;
using test::Fault;

namespace {

const ObjectName kWeb{"default", "web"};
const ObjectName kApi{"default", "api"};

std::string port(int number) {
  return "\"spec\":{\"ports\":[{\"port\":" + std::to_string(number) + "}]}";
}

class ServiceFollower : public test::Follower<Service> {
 public:
  explicit ServiceFollower(const FakeApi& api, const test::Pace& pace = {})
      : Follower({.url = api.url()}, k8sclient::services_query(), pace) {}

  // The cache holds these services, told by name and port.
  bool shows(const std::map<ObjectName, int>& ports) const {
    return cache.wait([&](const auto& objects) {
      return std::equal(objects.begin(),
                        objects.end(),
                        ports.begin(),
                        ports.end(),
                        [](const auto& object, const auto& wanted) {
                          return object.first == wanted.first &&
                                 object.second.ports.front().port == wanted.second;
                        });
    });
  }
};

// The requests for services, each told by what is special in it.
std::vector<std::string> requests(const FakeApi& api) {
  std::vector<std::string> result;
  for (const auto& request : api.requests()) {
    const auto value = [&](const char* key) {
      const auto found = request.query.find(key);
      return found == request.query.end() ? std::string() : found->second;
    };
    if (!request.query.contains("watch")) {
      result.push_back("list " + value("resourceVersion") + value("continue"));
    } else if (request.query.contains("sendInitialEvents")) {
      result.push_back("stream");
    } else {
      result.push_back("watch " + value("resourceVersion"));
    }
  }
  return result;
}

}  // namespace

TEST_CASE("reflector: a streaming list, then what happens", "[k8sclient][reflector]") {
  FakeApi api;
  api.put("services", kWeb, port(80));
  const ServiceFollower follower(api);
  REQUIRE(follower.shows({{kWeb, 80}}));

  api.put("services", kApi, port(443));
  CHECK(follower.shows({{kWeb, 80}, {kApi, 443}}));
  api.put("services", kWeb, port(81));
  CHECK(follower.shows({{kWeb, 81}, {kApi, 443}}));
  api.remove("services", kApi);
  CHECK(follower.shows({{kWeb, 81}}));

  CHECK(requests(api) == std::vector<std::string>{"stream"});
  CHECK(follower.status().is_synced);
  CHECK(follower.status().lists == 1);
  CHECK(follower.status().failures == 0);
  CHECK(follower.status().last_heard);
}

TEST_CASE("reflector: an empty cluster is synced, too", "[k8sclient][reflector]") {
  FakeApi api;
  const ServiceFollower follower(api);

  CHECK(follower.shows({}));
}

TEST_CASE("reflector: without streaming lists it lists in pages, then watches",
          "[k8sclient][reflector]") {
  FakeApi api;
  api.refuse_streaming();
  api.set_page_size(2);
  std::map<ObjectName, int> services;
  for (int i = 1; i <= 5; ++i) {
    services[{"x", "s" + std::to_string(i)}] = i;
    api.put("services", {"x", "s" + std::to_string(i)}, port(i));
  }
  const ServiceFollower follower(api);
  REQUIRE(follower.shows(services));
  REQUIRE(api.wait_for_watches("services", 1));

  api.remove("services", {"x", "s3"});
  services.erase({"x", "s3"});

  CHECK(follower.shows(services));
  CHECK(requests(api) ==
        std::vector<std::string>{"stream", "list 0", "list 2", "list 4", "watch 105"});
  CHECK(follower.status().lists == 1);
}

TEST_CASE("reflector: a watch that ends goes on behind the last event or bookmark",
          "[k8sclient][reflector]") {
  FakeApi api;
  const ServiceFollower follower(api);
  REQUIRE(follower.shows({}));
  api.put("services", kWeb, port(80));  // 101
  REQUIRE(follower.shows({{kWeb, 80}}));

  api.strike("services", Fault::kEnd);
  REQUIRE(api.wait_for_requests(2));
  REQUIRE(api.wait_for_watches("services", 1));
  api.bookmark();  // 102
  REQUIRE(test::eventually([&] { return follower.status().resource_version == "102"; }));
  api.strike("services", Fault::kCutObject);
  REQUIRE(api.wait_for_requests(3));

  CHECK(requests(api) == std::vector<std::string>{"stream", "watch 101", "watch 102"});
  CHECK(follower.status().lists == 1);
}

TEST_CASE("reflector: after 410 it lists again and finds what was deleted meanwhile",
          "[k8sclient][reflector]") {
  // The first fault holds it up while things happen.
  const auto faults = GENERATE(values<std::vector<Fault>>({{Fault::kNoAnswer},
                                                           {Fault::kNoAnswer, Fault::kGoneEvent},
                                                           {Fault::kNoAnswer, Fault::kGone}}));
  FakeApi api;
  api.put("services", kWeb, port(80));
  api.put("services", kApi, port(443));
  const ServiceFollower follower(api);
  REQUIRE(follower.shows({{kWeb, 80}, {kApi, 443}}));
  api.fail_next("services", faults);
  api.strike("services", Fault::kCutObject);
  REQUIRE(api.wait_for_requests(2));

  api.remove("services", kApi);
  api.compact();

  CHECK(follower.shows({{kWeb, 80}}));
  CHECK(test::eventually([&] { return follower.status().lists == 2; }));
}

TEST_CASE(
    "reflector: whatever goes wrong is said in one line, and what it holds becomes what the "
    "server holds",
    "[k8sclient][reflector]") {
  const auto [fault, said, is_slow] = GENERATE(from_range(test::known_faults()));
  CAPTURE(said);
  test::LogCapture log;
  FakeApi api;
  api.put("services", kWeb, port(80));
  api.fail_next("services", {fault});  // the first list
  test::Pace pace;
  if (fault != Fault::kNoAnswer && fault != Fault::kSilence) {  // it is not time that runs out
    pace.limits.head = pace.limits.silence = std::chrono::seconds(30);
  }
  const ServiceFollower follower(api, pace);
  REQUIRE(follower.shows({{kWeb, 80}}));
  CHECK(test::eventually([&] { return follower.status().last_error.empty(); }));
  CHECK(follower.status().failures == 1);
  const auto lines = log.lines_with("warning services: trying again in ");
  REQUIRE(lines.size() == 1);
  CHECK_THAT(lines.front(), Catch::Contains(said));

  REQUIRE(api.wait_for_watches("services", 1));
  api.fail_next("services", {fault});  // the watch behind the interruption
  api.strike("services", Fault::kCutObject);
  api.put("services", kApi, port(443));
  api.remove("services", kWeb);

  CHECK(follower.shows({{kApi, 443}}));
}

TEST_CASE("reflector: a malformed object counts as absent, its neighbours do not suffer",
          "[k8sclient][reflector]") {
  FakeApi api;
  const bool is_paged = GENERATE(false, true);
  if (is_paged) {
    api.refuse_streaming();
  }
  api.put("services", kApi, port(70000));
  api.put("services", kWeb, port(80));
  const ServiceFollower follower(api);
  REQUIRE(follower.shows({{kWeb, 80}}));
  CHECK(follower.status().malformed == 1);
  REQUIRE(api.wait_for_watches("services", 1));

  api.put("services", kApi, port(443));
  CHECK(follower.shows({{kApi, 443}, {kWeb, 80}}));
  api.put("services", kWeb, port(70001));
  CHECK(follower.shows({{kApi, 443}}));

  CHECK(follower.status().failures == 0);
}

TEST_CASE("reflector: it waits as long as Retry-After says", "[k8sclient][reflector]") {
  const auto fault = GENERATE(Fault::kTooManyRequests, Fault::kOverloaded);
  FakeApi api;
  api.fail_next("services", {fault});
  const ServiceFollower follower(api);
  REQUIRE(follower.shows({}));

  const auto requests = api.requests();
  CHECK(requests[1].arrived - requests[0].arrived >= std::chrono::seconds(1));
}

TEST_CASE("reflector: its delays grow from failure to failure, and start over after a success",
          "[k8sclient][reflector]") {
  test::LogCapture log;
  FakeApi api;
  api.fail_next("services", std::vector<Fault>(5, Fault::kDropped));
  const test::Follower<Service> follower(
      {.url = api.url()},
      k8sclient::services_query(),
      {.settings = {.delays = {.first = std::chrono::milliseconds(10),
                               .longest = std::chrono::milliseconds(1000)}}});
  REQUIRE(follower.cache.wait([](const auto& objects) { return objects.empty(); }));
  REQUIRE(api.wait_for_watches("services", 1));
  api.strike("services", Fault::kCutObject);
  REQUIRE(test::eventually([&] { return follower.status().failures == 6; }));

  std::vector<int> delays;
  const std::string before = "trying again in ";
  for (const std::string& line : log.lines_with(before)) {
    delays.push_back(std::stoi(line.substr(line.find(before) + before.size())));
  }
  // Each is cut by up to a half: 10, 20, 40, 80, 160, and 10 again.
  REQUIRE(delays.size() == 6);
  CHECK(delays[4] >= 80);
  CHECK(delays[5] <= 10);
}

TEST_CASE("reflector: a server that is not there yet is followed once it is",
          "[k8sclient][reflector]") {
  FakeApi api;
  api.put("services", kWeb, port(80));
  api.fail_next("services", std::vector<Fault>(20, Fault::kDropped));
  const ServiceFollower follower(api);

  CHECK(follower.shows({{kWeb, 80}}));
  CHECK(follower.status().failures == 20);
}

TEST_CASE("reflector: stop ends it at once, be it in a watch or in a long delay",
          "[k8sclient][reflector]") {
  const auto fault = GENERATE(Fault::kSilence, Fault::kNoAnswer, Fault::kUnavailable);
  FakeApi api;
  api.fail_next("services", {fault});
  const auto transport = k8sclient::make_transport({.url = api.url()}, "test");
  k8sclient::Reflector<Service> reflector(*transport,
                                          k8sclient::services_query(),
                                          [](const k8sclient::Event<Service>&) {},
                                          {.delays = {.first = std::chrono::hours(1),
                                                      .longest = std::chrono::hours(1),
                                                      .longest_at_first = std::chrono::hours(1)}});
  std::jthread thread([&](std::stop_token stop) { reflector.run(std::move(stop)); });
  REQUIRE(api.wait_for_requests(1));

  thread.request_stop();
  thread.join();

  CHECK_FALSE(reflector.status().is_synced);
}

TEST_CASE("reflector: what the sink throws is tried again", "[k8sclient][reflector]") {
  FakeApi api;
  api.put("services", kWeb, port(80));
  const auto transport = k8sclient::make_transport({.url = api.url()}, "test");
  std::atomic<int> calls = 0;
  k8sclient::Reflector<Service> reflector(*transport,
                                          k8sclient::services_query(),
                                          [&](const k8sclient::Event<Service>&) {
                                            if (++calls == 1) {
                                              throw std::runtime_error("no memory");
                                            }
                                          },
                                          {.delays = {.first = std::chrono::milliseconds(10)}});
  const std::jthread thread([&](std::stop_token stop) { reflector.run(std::move(stop)); });

  CHECK(test::eventually([&] { return reflector.status().is_synced; }));
  CHECK(calls == 2);
}

TEST_CASE("reflector: nodes and endpoint slices are followed likewise", "[k8sclient][reflector]") {
  FakeApi api;
  api.put("nodes", {"", "n1"}, "\"status\":{}");
  api.put("endpointslices", {"x", "web-1"}, "\"addressType\":\"IPv4\",\"endpoints\":[]");
  const test::Follower<k8sclient::Node> nodes(api.url(), k8sclient::node_query("n1"));
  const test::Follower<k8sclient::EndpointSlice> slices(api.url(),
                                                        k8sclient::endpoint_slices_query());

  CHECK(nodes.cache.wait([](const auto& objects) { return objects.size() == 1; }));
  CHECK(slices.cache.wait([](const auto& objects) { return objects.size() == 1; }));
}
