#include <string>

#include <catch2/catch.hpp>

#include "proxy/host/process.h"
#include "test/netns/node.h"
#include "test/support/network_namespace.h"
#include "test/support/occurrences.h"
#include "test/support/paths.h"
#include "test/support/temporary_folder.h"

// A rule of another still leads to a chain of a Service that is gone (kubernetes#132516).

using Catch::Matchers::Contains;
using test::shell;

namespace {

constexpr std::string_view kTwoServices = R"(
{kind: Node, apiVersion: v1, metadata: {name: n1}}
---
{kind: Service, apiVersion: v1, metadata: {name: a, namespace: d},
 spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}}
---
{kind: EndpointSlice, apiVersion: discovery.k8s.io/v1,
 metadata: {name: a, namespace: d, labels: {kubernetes.io/service-name: a}}, addressType: IPv4,
 ports: [{name: "", port: 8080}], endpoints: [{addresses: [10.244.0.1]}]}
---
{kind: Service, apiVersion: v1, metadata: {name: b, namespace: d},
 spec: {clusterIP: 10.96.0.2, ports: [{port: 80}]}}
---
{kind: EndpointSlice, apiVersion: discovery.k8s.io/v1,
 metadata: {name: b, namespace: d, labels: {kubernetes.io/service-name: b}}, addressType: IPv4,
 ports: [{name: "", port: 8080}], endpoints: [{addresses: [10.244.0.2]}]}
)";

constexpr std::string_view kNoService = "{kind: Node, apiVersion: v1, metadata: {name: n1}}";

proxy::ProcessResult sync_once(const std::string& manifests) {
  return proxy::run({.argv = {test::program_path(),
                              "run",
                              "--once",
                              "--conntrack-max-per-core=0",
                              "--hostname-override=n1",
                              "--source=" + manifests}});
}

}  // namespace

TEST_CASE("held chain: it is emptied and named with the rule that holds it, all others go",
          "[netns][held_chain]") {
  const std::string variant = GENERATE("nft", "legacy");
  const std::string verb = GENERATE("-j", "-g");
  const std::string place = GENERATE("KUBE-XLB-OLD", "PREROUTING");
  CAPTURE(variant, verb, place);
  const std::string iptables = "iptables-" + variant;
  const test::NetworkNamespace space;
  test::leave_hint_of_kubelet(variant);
  const test::TemporaryFolder folder;
  const std::string manifests = folder.write("cluster.yaml", kTwoServices).string();
  REQUIRE(sync_once(manifests).status == 0);
  const std::string chain = shell(iptables +
                                  "-save -t nat | grep 'destination 10.244.0.1:8080' |"
                                  " grep -o 'KUBE-SEP-[A-Z0-9]*' | tr -d '\\n'");
  const std::string holder = place + " -s 192.0.2.9/32 " + verb + " " + chain;
  shell(iptables + " -t nat -N KUBE-XLB-OLD && " + iptables + " -t nat -A " + holder);

  folder.write("cluster.yaml", kNoService);
  const auto result = sync_once(manifests);

  CHECK(result.status == 0);
  CHECK_THAT(result.error,
             Contains(chain) && Contains("nat -A " + place + " ") && Contains(verb + " " + chain));
  const std::string left = shell(iptables + "-save -t nat");
  CHECK(test::count(left, "d/a") == 0);
  CHECK(test::count(left, "d/b") == 0);
  CHECK(test::count(left, ":KUBE-SEP-") == 1);
  CHECK(test::count(left, ":KUBE-SVC-") == 0);

  const auto compared = proxy::run({.argv = {test::program_path(),
                                             "diff",
                                             "--hostname-override=n1",
                                             "--family=ipv4",
                                             "--source=" + manifests}});
  CHECK(compared.status == 0);
  CHECK_THAT(
      compared.output,
      Contains("No changes.") && Contains(chain + " is no longer needed and stays, held by"));

  shell(iptables + " -t nat -D " + holder);
  CHECK(sync_once(manifests).status == 0);
  CHECK(test::count(shell(iptables + "-save -t nat"), ":KUBE-SEP-") == 0);
}

TEST_CASE("held chain: clean-up empties and names it, removes all others, and is not done",
          "[netns][held_chain]") {
  const std::string variant = GENERATE("nft", "legacy");
  const std::string verb = GENERATE("-j", "-g");
  CAPTURE(variant, verb);
  const std::string iptables = "iptables-" + variant;
  const test::NetworkNamespace space;
  test::leave_hint_of_kubelet(variant);
  const test::TemporaryFolder folder;
  REQUIRE(sync_once(folder.write("cluster.yaml", kTwoServices).string()).status == 0);
  shell(iptables + " -N ADMIN && " + iptables + " -A ADMIN " + verb + " KUBE-FORWARD");
  shell(iptables + " -I FORWARD -s 192.0.2.9 " + verb + " KUBE-SERVICES");
  const auto clean_up = [] { return proxy::run({.argv = {test::program_path(), "cleanup"}}); };

  const auto result = clean_up();

  CHECK(result.status == 1);
  CHECK_THAT(result.error, Contains("filter -A ADMIN " + verb + " KUBE-FORWARD"));
  const std::string left = shell(iptables +
                                 "-save | grep KUBE- | grep -v 'KUBE-IPTABLES-HINT\\|"
                                 "KUBE-FIREWALL\\|127.0.0.0/8'");
  CHECK(test::count(left, "\n") == 2);
  CHECK_THAT(left, Contains(":KUBE-FORWARD ") && Contains("-A ADMIN " + verb + " KUBE-FORWARD"));

  shell(iptables + " -F ADMIN");
  CHECK(clean_up().status == 0);
}
