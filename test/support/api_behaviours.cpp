#include "test/support/api_behaviours.h"

#include <chrono>
#include <map>
#include <memory>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "test/support/eventually.h"
#include "test/support/follower.h"

namespace test {

namespace {

using k8sclient::EndpointSlice;
using k8sclient::Node;
using k8sclient::ObjectName;
using k8sclient::Service;
using Ports = std::map<std::string, int>;

std::string port(int number) {
  return fmt::format(R"("spec":{{"ports":[{{"port":{}}}]}})", number);
}

constexpr auto kOther = "service.kubernetes.io/service-proxy-name";

// Patient where a real server may take a moment.
Pace patient() {
  Pace pace;
  pace.limits = {};
  return pace;
}

/// The Services of one namespace, followed.
class Followed {
 public:
  Followed(const ApiTwin& api, std::string name_space, const Pace& pace = patient())
      : name_space_(std::move(name_space)),
        follower_(api.server, k8sclient::services_query(), pace) {}

  // Its Services, told by name and port, become these.
  bool shows(const Ports& wanted) const {
    return follower_.cache.wait([&](const auto& objects) {
      Ports held;
      for (const auto& [name, service] : objects) {
        if (name.name_space == name_space_) {
          held[name.name] = service.ports.front().port;
        }
      }
      return held == wanted;
    });
  }

  k8sclient::WatchStatus status() const { return follower_.status(); }

 private:
  std::string name_space_;
  Follower<Service> follower_;
};

void check_first_list(const ApiTwin& api, const std::string& space) {
  Ports services;
  for (int i = 1; i <= 20; ++i) {
    services["s" + std::to_string(i)] = i;
    api.put("services", {space, "s" + std::to_string(i)}, port(i), {});
  }
  const Followed followed(api, space);

  CHECK(followed.shows(services));
  CHECK(eventually([&] { return followed.status().lists == 1; }));
  CHECK(eventually([&] { return followed.status().last_heard.has_value(); }));
  CHECK(followed.status().is_synced);
  CHECK(followed.status().failures == 0);
}

void check_changes(const ApiTwin& api, const std::string& space) {
  api.put("services", {space, "web"}, port(80), {});
  const Followed followed(api, space);
  REQUIRE(followed.shows({{"web", 80}}));

  api.put("services", {space, "api"}, port(443), {});
  CHECK(followed.shows({{"web", 80}, {"api", 443}}));
  api.put("services", {space, "web"}, port(81), {});
  CHECK(followed.shows({{"web", 81}, {"api", 443}}));
  api.remove("services", {space, "api"});
  CHECK(followed.shows({{"web", 81}}));

  CHECK(followed.status().lists == 1);
  CHECK(followed.status().failures == 0);
}

void check_selectors(const ApiTwin& api, const std::string& space) {
  api.put("services", {space, "ours"}, port(80), {});
  api.put("services", {space, "theirs"}, port(80), {{kOther, "other"}});
  api.put(
      "services", {space, "headless"}, R"("spec":{"clusterIP":"None","ports":[{"port":80}]})", {});
  const Followed followed(api, space);
  REQUIRE(followed.shows({{"ours", 80}}));

  api.put("services", {space, "ours"}, port(80), {{kOther, "other"}});
  CHECK(followed.shows({}));
  api.put("services", {space, "theirs"}, port(81), {{kOther, ""}});
  CHECK(followed.shows({{"theirs", 81}}));
}

void check_slices_and_node(const ApiTwin& api, const std::string& space) {
  const std::string slice = R"("addressType":"IPv4","ports":[{"name":"http","port":8080}],)"
                            R"("endpoints":[{"addresses":["10.0.0.1"],"nodeName":"n1"}])";
  api.put("endpointslices", {space, "web"}, slice, {});
  api.put(
      "endpointslices", {space, "headless"}, slice, {{"service.kubernetes.io/headless", "true"}});
  api.put("nodes", {"", space}, R"("spec":{"podCIDRs":["10.244.1.0/24"]})", {});
  api.put("nodes", {"", space + "-other"}, R"("spec":{})", {});
  const Follower<EndpointSlice> slices(api.server, k8sclient::endpoint_slices_query(), patient());
  const Follower<Node> nodes(api.server, k8sclient::node_query(space), patient());

  CHECK(slices.cache.wait([&](const auto& objects) {
    const auto found = objects.find({space, "web"});
    return found != objects.end() && !objects.contains({space, "headless"}) &&
           found->second.endpoints.front().address == "10.0.0.1";
  }));
  CHECK(nodes.cache.wait([&](const auto& objects) {
    return objects.size() == 1 && objects.begin()->first.name == space;
  }));
}

/// "web" and "api" have been seen, and the wire to the server is cut.
std::unique_ptr<Followed> follow_and_cut(const ApiTwin& api, const std::string& space) {
  api.put("services", {space, "web"}, port(80), {});
  api.put("services", {space, "api"}, port(443), {});
  auto followed = std::make_unique<Followed>(api, space);
  REQUIRE(followed->shows({{"web", 80}, {"api", 443}}));
  api.relay.cut();
  REQUIRE(eventually([&] { return followed->status().failures > 0; }));
  return followed;
}

void check_resumption(const ApiTwin& api, const std::string& space) {
  const auto followed = follow_and_cut(api, space);

  api.put("services", {space, "late"}, port(1), {});
  api.remove("services", {space, "web"});
  api.relay.restore();

  CHECK(followed->shows({{"api", 443}, {"late", 1}}));
  CHECK(eventually([&] { return followed->status().last_error.empty(); }));
  CHECK(followed->status().lists == 1);
}

void check_gone(const ApiTwin& api, const std::string& space) {
  const auto followed = follow_and_cut(api, space);

  api.remove("services", {space, "web"});
  api.put("services", {space, "api"}, port(444), {});
  api.forget();
  api.relay.restore();

  CHECK(followed->shows({{"api", 444}}));
  CHECK(eventually([&] { return followed->status().lists == 2; }));
}

void check_half_open(const ApiTwin& api, const std::string& space) {
  Pace pace;
  pace.limits.silence = std::chrono::milliseconds(2000);
  pace.limits.head = std::chrono::milliseconds(5000);
  api.put("services", {space, "web"}, port(80), {});
  const Followed followed(api, space, pace);
  REQUIRE(followed.shows({{"web", 80}}));
  // Its watch brings this: one that is opened after the silence would not notice any.
  api.put("services", {space, "web"}, port(82), {});
  REQUIRE(followed.shows({{"web", 82}}));

  api.relay.silence();
  api.put("services", {space, "web"}, port(81), {});

  // The old connection cannot bring it: it comes when that has been given up.
  CHECK(followed.shows({{"web", 81}}));
  CHECK(followed.status().failures > 0);
  CHECK(followed.status().lists == 1);
}

void check_bookmarks(const ApiTwin& api, const std::string& space) {
  Pace pace = patient();
  pace.settings.watch_time = std::chrono::seconds(4);  // so that a real server sends one soon
  api.put("services", {space, "web"}, port(80), {});
  const Followed followed(api, space, pace);
  REQUIRE(followed.shows({{"web", 80}}));
  REQUIRE(eventually([&] { return !followed.status().resource_version.empty(); }));
  const std::string before = followed.status().resource_version;

  // The server goes on with a Service that we do not see.
  api.put("services", {space, "theirs"}, port(80), {{kOther, "other"}});
  api.bookmark();

  CHECK(eventually([&] { return followed.status().resource_version != before; }));
  CHECK(followed.status().lists == 1);
  CHECK(followed.status().failures == 0);
}

}  // namespace

const std::vector<ApiBehaviour>& api_behaviours() {
  static const std::vector<ApiBehaviour> behaviours{
      {"the first list is complete", check_first_list},
      {"what happens next is seen", check_changes},
      {"what is for other proxies, or has no cluster IP, is not seen", check_selectors},
      {"slices and the own node are followed likewise", check_slices_and_node},
      {"after a cut it goes on where it was", check_resumption},
      {"after 410 it lists again and finds what was deleted meanwhile", check_gone},
      {"a bookmark moves the position on", check_bookmarks},
      {"a half-open connection is noticed", check_half_open},
  };
  return behaviours;
}

void check_behaviours(const ApiTwin& api) {
  int count = 0;
  for (const ApiBehaviour& behaviour : api_behaviours()) {
    INFO(behaviour.claim);
    const std::string name_space = fmt::format("behaviour-{}", ++count);
    api.make_namespace(name_space);
    behaviour.check(api, name_space);
  }
}

}  // namespace test
