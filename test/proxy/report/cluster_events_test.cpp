#include "proxy/report/cluster_events.h"

#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "proxy/text/rfc3339.h"
#include "test/support/quiet_log.h"

using proxy::ClusterEvents;

namespace {

const auto kNow = proxy::parse_rfc3339("2026-11-24T00:31:56.586261902Z").value();

/// Takes letters in place of an API server, and lets a test wait for them.
class Mailbox {
 public:
  void put(const std::string& path, const std::string& json) {
    const std::lock_guard lock(mutex_);
    letters_.push_back(path + " " + json);
    changed_.notify_all();
  }

  std::vector<std::string> await(std::size_t count) {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(
        lock, std::chrono::seconds(10), [&] { return letters_.size() >= count; }));
    return letters_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> letters_;
};

}  // namespace

TEST_CASE("cluster events: a Node's event goes to the namespace default", "[proxy][events]") {
  const auto event = proxy::proxy_started("worker-1");

  CHECK(event_path(event) == "/apis/events.k8s.io/v1/namespaces/default/events");
  CHECK(event_json(event, "kube-proxy-host", kNow) ==
        R"({"apiVersion":"events.k8s.io/v1","kind":"Event",)"
        R"("metadata":{"name":"worker-1.18ead3d5c7547d8e","namespace":"default"},)"
        R"("eventTime":"2026-11-24T00:31:56.586261Z","reportingController":"kube-proxy",)"
        R"("reportingInstance":"kube-proxy-host","action":"StartKubeProxy","reason":"Starting",)"
        R"("regarding":{"kind":"Node","name":"worker-1","apiVersion":"v1"},)"
        R"("note":"","type":"Normal"})");
}

TEST_CASE("cluster events: a Service in quarantine tells why, in its namespace",
          "[proxy][events]") {
  const auto event = proxy::service_quarantined(
      "worker-1", {"ns", "svc", "p80", rules::Protocol::kTcp}, "line 7 \"failed\"");

  CHECK(event_path(event) == "/apis/events.k8s.io/v1/namespaces/ns/events");
  CHECK_THAT(
      event_json(event, "kube-proxy-host", kNow),
      Catch::Contains(R"("regarding":{"kind":"Service","namespace":"ns","name":"svc",)") &&
          Catch::Contains(R"("reason":"ServiceQuarantined")") &&
          Catch::Contains(
              R"("note":"node worker-1 has no rules for ns/svc:p80: line 7 \"failed\"","type":"Warning"})"));
}

TEST_CASE("cluster events: kube-proxy's note about a health check port", "[proxy][events]") {
  const auto event = proxy::service_health_failed(
      "worker-1", {"ns", "svc", "", rules::Protocol::kTcp}, 32000, "in use");

  CHECK(event.note ==
        R"(node worker-1 failed to start healthcheck "ns/svc" on port 32000: in use)");
}

TEST_CASE("cluster events: a long note is cut between characters", "[proxy][events]") {
  auto event = proxy::proxy_started("n");
  event.note.append(1023, 'x').append("ü").append(1000, 'y');

  CHECK_THAT(event_json(event, "i", kNow),
             Catch::Contains("\"note\":\"" + std::string(1023, 'x') + "\","));
}

TEST_CASE("cluster events: a series tells how often and when last", "[proxy][events]") {
  CHECK(proxy::series_json(5, kNow) ==
        R"({"series":{"count":5,"lastObservedTime":"2026-11-24T00:31:56.586261Z"}})");
}

TEST_CASE("cluster events: equal ones are posted once", "[proxy][events]") {
  Mailbox mailbox;
  ClusterEvents events({.post = [&](const auto& path,
                                    const auto& json,
                                    const auto& /*stop*/) { mailbox.put(path, json); },
                        .patch = {}},
                       "host");

  for (int i = 0; i < 100; ++i) {
    events.tell(proxy::proxy_started("first"));
  }
  events.tell(proxy::proxy_started("second"));

  const auto letters = mailbox.await(2);
  REQUIRE(letters.size() == 2);
  CHECK_THAT(letters[0],
             Catch::Contains("\"name\":\"first.") &&
                 Catch::Contains("\"reportingInstance\":\"kube-proxy-host\""));
  CHECK_THAT(letters[1], Catch::Contains("\"name\":\"second."));
}

TEST_CASE("cluster events: one object with much to tell does not crowd out the others",
          "[proxy][events]") {
  Mailbox mailbox;
  ClusterEvents events({.post = [&](const auto& path,
                                    const auto& json,
                                    const auto& /*stop*/) { mailbox.put(path, json); },
                        .patch = {}},
                       "host");

  for (int i = 0; i < 1000; ++i) {
    events.tell(proxy::service_quarantined(
        "n", {"tenant", "loud", "", rules::Protocol::kTcp}, std::to_string(i)));
  }
  events.tell(
      proxy::service_quarantined("n", {"tenant", "quiet", "", rules::Protocol::kTcp}, "once"));

  const auto letters = mailbox.await(26);
  REQUIRE(letters.size() == 26);
  CHECK_THAT(letters.back(), Catch::Contains(R"("name":"quiet")"));
}

TEST_CASE("cluster events: a server that went back is told of the node", "[proxy][events]") {
  CHECK_THAT(
      event_json(proxy::server_went_back("worker-1", "services"), "kube-proxy-host", kNow),
      Catch::Contains(R"("reason":"APIServerWentBack","regarding":{"kind":"Node",)") &&
          Catch::Contains(R"("note":"the API server went back to an older state of services,)"));
}

TEST_CASE("cluster events: a claimed cluster IP is told of the Service that claims it",
          "[proxy][events]") {
  const rules::AddressClash clash{{"aaa", "evil", "", rules::Protocol::kTcp},
                                  {"default", "kubernetes", "https", rules::Protocol::kTcp},
                                  {*rules::IpAddress::parse("10.96.0.1"), 443}};

  CHECK_THAT(event_json(proxy::cluster_ip_claimed("worker-1", clash), "kube-proxy-host", kNow),
             Catch::Contains(R"("regarding":{"kind":"Service","namespace":"aaa","name":"evil",)") &&
                 Catch::Contains(R"("note":"node worker-1: 10.96.0.1:443 of aaa/evil is the )"
                                 R"(cluster IP of default/kubernetes:https, which keeps its )"
                                 R"(traffic","type":"Warning")"));
}

TEST_CASE("cluster events: later ones make the first a series, or are posted if that is gone",
          "[proxy][events]") {
  const bool is_there = GENERATE(true, false);
  CAPTURE(is_there);
  Mailbox mailbox;
  ClusterEvents events({.post = [&](const auto& path,
                                    const auto& json,
                                    const auto& /*stop*/) { mailbox.put("POST " + path, json); },
                        .patch =
                            [&](const auto& path, const auto& json, const auto& /*stop*/) {
                              mailbox.put("PATCH " + path, json);
                              return is_there;
                            }},
                       "host",
                       std::chrono::seconds(0));
  const std::string events_path = "/apis/events.k8s.io/v1/namespaces/default/events";
  events.tell(proxy::proxy_started("worker"));
  const std::string first = mailbox.await(1).front();
  const auto name_at = first.find("worker.");
  const std::string name = first.substr(name_at, first.find('"', name_at) - name_at);

  events.tell(proxy::proxy_started("worker"));
  events.tell(proxy::proxy_started("worker"));

  const auto letters = mailbox.await(is_there ? 3 : 5);
  CHECK_THAT(letters[0], Catch::StartsWith("POST " + events_path + " {"));
  CHECK_THAT(letters[1],
             Catch::StartsWith("PATCH " + events_path + "/" + name + R"( {"series":{"count":2,)"));
  if (is_there) {
    CHECK_THAT(letters[2], Catch::Contains(R"({"series":{"count":3,)"));
  } else {
    CHECK_THAT(letters[2], Catch::StartsWith("POST " + events_path + " {"));
    CHECK_THAT(letters[3], Catch::Contains(R"({"series":{"count":2,)"));
  }
}

TEST_CASE("cluster events: nothing that was told is lost if the end waits for it",
          "[proxy][events]") {
  Mailbox mailbox;
  {
    ClusterEvents events({.post = [&](const auto& path,
                                      const auto& json,
                                      const auto& /*stop*/) { mailbox.put(path, json); },
                          .patch = {}},
                         "host");
    for (int i = 0; i < 50; ++i) {
      events.tell(proxy::proxy_started(std::to_string(i)));
    }
    events.finish(std::chrono::seconds(30));
  }

  CHECK(mailbox.await(50).size() == 50);
}

TEST_CASE("cluster events: an API server that fails or hangs holds up nobody", "[proxy][events]") {
  const test::QuietLog quiet;
  Mailbox mailbox;
  std::mutex hanging;
  std::unique_lock hang(hanging);
  ClusterEvents events({.post =
                            [&](const auto& path, const auto& json, const auto& /*stop*/) {
                              mailbox.put(path, json);
                              const std::lock_guard until_released(hanging);
                              throw std::runtime_error("connection refused");
                            },
                        .patch = {}},
                       "host");
  events.tell(proxy::proxy_started("first"));
  mailbox.await(1);

  for (int i = 0; i < 1000; ++i) {
    events.tell(proxy::proxy_started(std::to_string(i)));
  }
  hang.unlock();

  CHECK(mailbox.await(101).size() <= 101);
}

TEST_CASE("cluster events: the end waits for no request that can be stopped", "[proxy][events]") {
  Mailbox mailbox;
  {
    ClusterEvents events({.post =
                              [&](const auto& path, const auto& json, const auto& stop) {
                                mailbox.put(path, json);
                                while (!stop.stop_requested()) {
                                  std::this_thread::yield();
                                }
                              },
                          .patch = {}},
                         "host");
    events.tell(proxy::proxy_started("worker"));
    mailbox.await(1);
  }  // the time limit of the test ends it if need be

  CHECK(mailbox.await(1).size() == 1);
}
