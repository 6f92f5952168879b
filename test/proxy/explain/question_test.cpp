#include "proxy/explain/question.h"

#include <catch2/catch.hpp>

namespace {

using proxy::ServiceQuestion;
using proxy::Survey;

k8sclient::Service service(std::string name_space, std::string name) {
  k8sclient::Service service;
  service.name = {std::move(name_space), std::move(name)};
  service.cluster_ip = "10.96.0.1";
  service.cluster_ips = {"10.96.0.1"};
  service.ports = {{.name = "http", .port = 80, .node_port = 30080},
                   {.name = "dns", .protocol = "UDP", .port = 53}};
  return service;
}

k8sclient::EndpointSlice slice(std::string_view owner, std::vector<std::string> ports) {
  k8sclient::EndpointSlice slice;
  slice.name = {"shop", std::string(owner) + "-1"};
  slice.service = k8sclient::SharedString::intern(owner);
  slice.address_type = "IPv4";
  for (std::string& port : ports) {
    slice.ports.push_back({.name = std::move(port), .protocol = "TCP", .port = 8080});
  }
  return slice;
}

std::string why(std::string_view question, Survey survey) {
  return proxy::why_no_answer(proxy::parse_question(question), survey);
}

TEST_CASE("question: the ways in which people name a Service", "[proxy][explain]") {
  const auto [text, question] = GENERATE(table<std::string, ServiceQuestion>({
      {"shop/web", {"shop", "web", ""}},
      {"shop/web:http", {"shop", "web", "http"}},
      {"shop/web:80", {"shop", "web", "80"}},
      {"shop/web:80/tcp", {"shop", "web", "80", "TCP"}},
      {" shop/web:80 ", {"shop", "web", "80"}},
      {"web", {"default", "web", ""}},
      {"web:80", {"default", "web", "80"}},
      {"svc/web", {"default", "web", ""}},
      {"service/web:80", {"default", "web", "80"}},
      {"svc/web/x", {"svc", "web/x", ""}},
      {"web.shop", {"shop", "web", ""}},
      {"web.shop.svc.cluster.local:80", {"shop", "web", "80"}},
      {"10.96.0.1:80", {"default", "10.96.0.1", "80"}},
      {"", {"default", "", ""}},
  }));
  CAPTURE(text);

  CHECK(proxy::parse_question(text) == question);
}

TEST_CASE("question: a port is asked for by name or number", "[proxy][explain]") {
  const rules::ServicePortName name{"shop", "web", "http", rules::Protocol::kTcp};
  const rules::ServicePort port{.port = 80};
  const auto asks = [&](std::string_view text) {
    return proxy::is_asked_for(proxy::parse_question(text), name, port);
  };

  CHECK(asks("shop/web"));
  CHECK(asks("shop/web:http"));
  CHECK(asks("shop/web:80"));
  CHECK(asks("shop/web:80/tcp"));
  CHECK_FALSE(asks("shop/web:80/udp"));
  CHECK_FALSE(asks("shop/web:81"));
  CHECK_FALSE(asks("shop/we"));
  CHECK_FALSE(asks("web"));
}

TEST_CASE("question: each wrong one gets its own sentence", "[proxy][explain]") {
  const k8sclient::Service web = service("shop", "web");
  k8sclient::Service headless = web;
  headless.cluster_ip = "None";
  k8sclient::Service external = web;
  external.type = "ExternalName";
  external.cluster_ip.clear();
  k8sclient::Service foreign = web;
  foreign.has_service_proxy_name = true;
  k8sclient::Service pending = web;
  pending.cluster_ip.clear();

  CHECK(why("shop/wep", {{web}, {}}) == "there is no Service shop/wep; did you mean shop/web?");
  CHECK(why("shop/mail", {{web}, {}}) == "there is no Service shop/mail");
  CHECK(why("web", {{web, service("prod", "web")}, {}}) ==
        "there is no Service default/web; a Service web is in namespace prod, shop");
  CHECK(why("shop/web:81", {{web}, {}}) ==
        "Service shop/web has no port \"81\"; it has http 80/TCP (node port 30080), dns 53/UDP");
  CHECK_THAT(why("shop/web:80/udp", {{web}, {}}), Catch::Contains("no port \"80/UDP\"; it has"));
  CHECK(why("10.96.0.1", {{web}, {}}) ==
        "there is no Service default/10.96.0.1; 10.96.0.1 is the cluster IP of Service shop/web");
  CHECK_THAT(why("10.96.0.9:80", {{web}, {}}), Catch::Contains("--to ADDRESS:PORT/PROTOCOL"));
  CHECK_THAT(why("shop/web:30080", {{web}, {}}),
             Catch::Contains("no port \"30080\" (30080 is the node port of its port 80)"));
  CHECK_THAT(why("shop/web:8080", {{web}, {slice("web", {"http"})}}),
             Catch::Contains("(8080 is the port of its endpoints)"));
  CHECK_THAT(why("shop/web", {{headless}, {}}), Catch::Contains("is headless"));
  CHECK_THAT(why("shop/web", {{external}, {}}), Catch::Contains("of type ExternalName"));
  CHECK_THAT(why("shop/web", {{foreign}, {}}), Catch::Contains("belongs to another proxy"));
  CHECK_THAT(why("shop/web", {{pending}, {}}), Catch::Contains("has no clusterIP"));
}

TEST_CASE("question: slices that do not fit are told with what they have", "[proxy][explain]") {
  const auto doubts = [](Survey survey) {
    return proxy::doubts_about_slices({"shop", "web", "http"}, survey);
  };
  const k8sclient::Service web = service("shop", "web");

  CHECK(doubts({{web}, {slice("web", {"http"})}}).empty());
  CHECK(
      doubts({{web}, {slice("web", {"web", ""})}}) ==
      std::vector<std::string>{
          "no EndpointSlice of Service shop/web has a port \"http\" of TCP, as the Service's port "
          "80 needs: there are \"web\" (8080/TCP), without a name (8080/TCP)"});
  CHECK_THAT(doubts({{web}, {slice("other", {"http"})}}).at(0),
             Catch::Contains("has no EndpointSlice (one with the label kubernetes.io/service-name: "
                             "web)"));
  CHECK_THAT(doubts({.services = {web}, .slices = {}, .has_endpoints = true}).at(0),
             Catch::Contains("there are Endpoints, which are not read"));
}

}  // namespace
