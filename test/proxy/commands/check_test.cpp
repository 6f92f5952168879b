#include "proxy/commands/check.h"

#include <stdexcept>

#include <catch2/catch.hpp>

#include "k8sclient/errors.h"

using namespace proxy;
using Catch::Matchers::Contains;
using Level = Finding::Level;

TEST_CASE("check: each verb that the proxy needs is asked for, and a refusal names the remedy",
          "[proxy][check]") {
  std::vector<std::string> asked;
  const auto findings = check_authorization(
      [&](const std::string& path, const std::string& json) {
        CHECK(path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews");
        asked.push_back(json);
        const bool denied = json.find("endpointslices") != std::string::npos ||
                            json.find("events") != std::string::npos;
        return std::string(R"({"kind":"SelfSubjectAccessReview", "status": {"allowed": )") +
               (denied ? "false" : "true") + "}}";
      },
      "node-1");

  CHECK(asked.size() == 7);
  CHECK_THAT(asked.at(4),
             Contains(R"("verb":"list","group":"","resource":"nodes","name":"node-1")"));
  REQUIRE(findings.size() == 7);
  CHECK(findings.at(0).level == Level::kOk);
  CHECK(findings.at(2).level == Level::kError);
  CHECK_THAT(findings.at(2).advice, Contains("system:node-proxier"));
  CHECK(findings.at(6).level == Level::kWarning);  // events are a courtesy
  CHECK(has_errors(findings));
}

TEST_CASE("check: the answer is read where it stands, and nowhere else", "[proxy][check]") {
  const auto level_for = [](std::string answer) {
    return check_authorization([&](const std::string&, const std::string&) { return answer; }, "n")
        .front();
  };

  CHECK(level_for(R"({"status":{"allowed":true}})").level == Level::kOk);
  CHECK(level_for("{\n  \"status\": {\n    \"allowed\": true\n  }\n}\n").level == Level::kOk);
  CHECK(level_for(R"({"metadata":{"note":"\"allowed\":true"},"status":{"allowed":false}})").level ==
        Level::kError);
  CHECK(level_for(R"({"spec":{"allowed":true},"status":{"allowed":false}})").level ==
        Level::kError);
  for (const char* odd : {"", "<html>", R"({"status":{}})", R"({"status":{"allowed":"true"}})"}) {
    CAPTURE(odd);
    CHECK(level_for(odd).level == Level::kError);
    CHECK_THAT(level_for(odd).advice, Contains("check the address"));
  }
}

TEST_CASE("check: an API server that cannot be reached is one error", "[proxy][check]") {
  const auto findings = check_authorization(
      [](const std::string&, const std::string&) -> std::string {
        throw std::runtime_error("connection refused");
      },
      "n");

  REQUIRE(findings.size() == 1);
  CHECK_THAT(findings.front().text, Contains("connection refused"));
}

TEST_CASE("check: the lists are tried with the selectors of the proxy", "[proxy][check]") {
  std::vector<std::string> asked;
  const auto findings = check_lists(
      [&](const std::string& path) {
        asked.push_back(path);
        return path == "/version" ? std::string(R"({"gitVersion":"v1.36.2"})") : std::string("{}");
      },
      "node-1");

  REQUIRE(findings.size() == 4);
  CHECK_FALSE(has_errors(findings));
  CHECK(findings.at(0).text == "version v1.36.2; 1.20 and 1.36 have been tried");
  CHECK(findings.at(1).text == "one of the services was listed");
  CHECK(asked.at(1) ==
        "/api/v1/services?labelSelector=%21service.kubernetes.io%2Fservice-proxy-name&"
        "fieldSelector=spec.clusterIP%21%3DNone&limit=1");
  CHECK_THAT(asked.at(3), Contains("fieldSelector=metadata.name%3Dnode-1&limit=1"));
}

TEST_CASE("check: a server that refuses the selector of Services is asked without it",
          "[proxy][check]") {
  const auto findings = check_lists(
      [](const std::string& path) -> std::string {
        if (path.find("clusterIP") != std::string::npos) {
          throw k8sclient::ApiError("400 BadRequest", 400, "BadRequest", std::nullopt);
        }
        if (path.find("endpointslices") != std::string::npos) {
          throw k8sclient::ApiError("404 NotFound", 404, "NotFound", std::nullopt);
        }
        return "{}";
      },
      "n");

  REQUIRE(findings.size() == 4);
  CHECK(findings.at(1).level == Level::kOk);
  CHECK_THAT(findings.at(1).text, Contains("without spec.clusterIP!=None"));
  CHECK(findings.at(2).level == Level::kError);
  CHECK_THAT(findings.at(2).text, Contains("404 NotFound"));
}

TEST_CASE("check: lists that nobody answers are one error", "[proxy][check]") {
  const auto findings = check_lists(
      [](const std::string& path) -> std::string {
        if (path == "/version") {
          return "<html>";
        }
        throw std::runtime_error("no answer within 30 s");
      },
      "n");

  REQUIRE(findings.size() == 2);
  CHECK(findings.at(0).text == "version unknown; 1.20 and 1.36 have been tried");
  CHECK_THAT(findings.at(1).text, Contains("lists: no answer"));
}

TEST_CASE("check: another proxy on the node is told, by the daemon or by its answer",
          "[proxy][check]") {
  const auto told = check_daemon("iptproxy_build_info{} 1\niptproxy_other_proxies 1\n");
  REQUIRE(told.size() == 1);
  CHECK(told[0].level == Level::kWarning);
  CHECK(check_daemon("iptproxy_build_info{} 1\niptproxy_other_proxies 0\n").empty());

  const auto answered = check_daemon("kubeproxy_sync_proxy_rules_duration_seconds_count 3\n");
  REQUIRE(answered.size() == 1);
  CHECK_THAT(answered[0].text, Contains("kube-proxy answers"));
}

TEST_CASE("check: the daemon's own metrics tell stale watches and quarantine", "[proxy][check]") {
  const auto findings = check_daemon(
      "# HELP iptproxy_watch_age_seconds x\n"
      "iptproxy_watch_age_seconds{resource=\"services\"} 12\n"
      "iptproxy_watch_age_seconds{resource=\"nodes\"} 1e3\n"
      "iptproxy_quarantined_services{ip_family=\"IPv4\"} 2\n"
      "iptproxy_quarantined_services{ip_family=\"IPv6\"} 0\n");

  REQUIRE(findings.size() == 3);
  CHECK(findings.at(0).level == Level::kOk);
  CHECK(findings.at(1).level == Level::kError);
  CHECK_THAT(findings.at(1).text, Contains("nodes was last heard 1000 s ago"));
  CHECK(findings.at(2).level == Level::kWarning);
}

TEST_CASE("check: Services that claim a cluster IP or take too many rules are named",
          "[proxy][check]") {
  const auto address = *rules::IpAddress::parse("10.96.0.1");
  const auto entry = [](std::string name, rules::ServicePort port) {
    return rules::ServicePortEntry{{"ns", std::move(name), "", rules::Protocol::kTcp},
                                   std::make_shared<const rules::ServicePort>(std::move(port))};
  };
  const auto snapshot =
      rules::make_snapshot(rules::Family::kIpv4,
                           {entry("api", {.cluster_ip = address, .port = 443}),
                            entry("evil",
                                  {.cluster_ip = *rules::IpAddress::parse("10.96.0.2"),
                                   .port = 443,
                                   .external_ips = {address}})});
  CHECK(proxy::check_services({}, {}).empty());

  const std::vector<proxy::LeftOut> left_out{{"ns", "huge", 50'000'000}};
  const auto findings = proxy::check_services(snapshot, left_out);

  REQUIRE(findings.size() == 2);
  CHECK(findings.at(0).level == Level::kWarning);
  CHECK(findings.at(0).text == "ns/evil claims 10.96.0.1:443, the cluster IP of ns/api");
  CHECK(findings.at(1).text == "ns/huge gets no rules: it would take up to 50000000");
}

TEST_CASE("check: text aligns, counts and colours, JSON has every field", "[proxy][check]") {
  const std::vector<Finding> findings{{Level::kOk, "sysctl", "fine", ""},
                                      {Level::kError, "kernel", "x \"y\"", "do z"}};

  const std::string text = to_text(findings, Colour::kNever);
  CHECK_THAT(text, Contains("ok       sysctl      fine\n"));
  CHECK_THAT(text, Contains("-> do z\n"));
  CHECK_THAT(text, Contains("1 ok, 0 to look at, 1 in the way.\n"));
  CHECK_THAT(to_text(findings, Colour::kAlways), Contains("\x1b[31merror  \x1b[0m"));
  CHECK_THAT(to_json(findings),
             Contains(R"({"level":"error","topic":"kernel","text":"x \"y\"","advice":"do z"})"));
}
