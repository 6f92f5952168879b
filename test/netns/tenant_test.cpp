#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "proxy/tables/iptables.h"
#include "rules/names.h"
#include "rules/save_text.h"
#include "test/netns/backends.h"
#include "test/support/kernel_tables.h"
#include "test/support/network_namespace.h"
#include "test/support/node_lab.h"
#include "test/support/packets.h"

// What the owner of a Service may do to the traffic of others, as packets on the kernel.

using namespace rules;
using namespace test;

namespace {

constexpr std::uint16_t kTargetPort = 8080;

/// A node with a victim, default/kubernetes, of which every packet must reach `there_1`, and a
/// thief whose endpoint is `here`.
class Stage {
 public:
  Stage(Way way, Family family)
      : family_(family),
        lab_(family),
        addresses_(lab_addresses(family)),
        backend_(backend_of(way, family)),
        wanted_(family == Family::kIpv4 ? "10.96.0.1" : "fd00:10:96::1") {
    lab_.listen(Site::kHere, {addresses_.here, kTargetPort}, Protocol::kTcp);
    lab_.listen(Site::kThere, {addresses_.there_1, kTargetPort}, Protocol::kTcp);
  }

  ServicePortEntry victim() const {
    return service("default/kubernetes:https/tcp",
                   {.cluster_ip = ip(wanted_),
                    .port = 443,
                    .endpoints = {{.address = {addresses_.there_1, kTargetPort}}}});
  }

  ServicePortEntry thief() const {
    const bool ipv4 = family_ == Family::kIpv4;
    return service("aaa/evil/tcp",
                   {.cluster_ip = ip(ipv4 ? "10.96.66.6" : "fd00:10:96::66"),
                    .port = 443,
                    .external_ips = {ip(wanted_)},
                    .load_balancer_vips = {ip(wanted_)},
                    .endpoints = {{.address = {addresses_.here, kTargetPort}, .local = true}}});
  }

  Ruleset compiled(const std::vector<ServicePortEntry>& services) const {
    Context context = common_context(family_);
    context.node_ip = addresses_.node;
    context.local_traffic = addresses_.pods;
    context.counts_invalid_drops = false;
    context.counts_localhost_node_ports = false;
    Compiler compiler;
    return compiler.compile(make_snapshot(family_, services), context);
  }

  void sync(const std::vector<ServicePortEntry>& services) {
    const Ruleset want = compiled(services);
    apply(diff(have_, want));
    have_ = Installed{.base = want};
  }

  void restart() { have_ = backend_->read(Detail::kContents); }

  void apply(const Changes& changes) {
    const auto error = backend_->apply(changes);
    INFO((error ? error->message : ""));
    REQUIRE_FALSE(error);
  }

  void check_victim_is_served() {
    for (const auto& [site, source] :
         {std::pair{Site::kPod, addresses_.pod}, std::pair{Site::kNode, addresses_.node}}) {
      const Observation seen =
          lab_.send({site, {source, 0}, {ip(wanted_), 443}}, [] { return false; });
      CHECK(seen.kind == Observation::Kind::kArrived);
      CHECK(to_string(seen.at.address) == to_string(addresses_.there_1));
    }
  }

 private:
  Family family_;
  NodeLab lab_;
  LabAddresses addresses_;
  std::unique_ptr<proxy::Backend> backend_;
  std::string wanted_;
  Installed have_;
};

/// The rules of that Ruleset as an older version wrote them, or kube-proxy in one of two cases:
/// external addresses first.
std::string with_external_addresses_first(const Ruleset& ruleset) {
  const std::string text = to_save_text(ruleset);
  std::string first;
  std::string rest;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin) + 1;
    const std::string line = text.substr(begin, end - begin);
    const bool moves =
        line.starts_with("-A KUBE-SERVICES") && line.find("aaa/evil") != std::string::npos;
    (moves ? first : rest) += line;
    begin = end;
  }
  const std::size_t head = rest.find("-A ", rest.find("*nat"));
  return rest.substr(0, head) + first + rest.substr(head);
}

}  // namespace

TEST_CASE("tenant: nobody takes another's cluster IP by naming it as an external address",
          "[netns][tenant]") {
  const Way way = GENERATE(from_range(kAllWays));
  const Family family = GENERATE(Family::kIpv4, Family::kIpv6);
  CAPTURE(name_of(way), to_string(family));
  const NetworkNamespace node;
  Stage stage(way, family);

  stage.sync({stage.victim(), stage.thief()});
  stage.check_victim_is_served();
  stage.sync({stage.thief()});
  stage.sync({stage.victim(), stage.thief()});  // the victim comes back last
  stage.check_victim_is_served();
  stage.sync({stage.victim()});
  stage.sync({stage.victim(), stage.thief()});  // the thief comes last
  stage.check_victim_is_served();
  stage.restart();
  stage.sync({stage.victim(), stage.thief()});
  stage.check_victim_is_served();
}

TEST_CASE("tenant: a takeover ends a theft", "[netns][tenant]") {
  const Way way = GENERATE(from_range(kAllWays));
  CAPTURE(name_of(way));
  const NetworkNamespace node;
  Stage stage(way, Family::kIpv4);
  const std::string text =
      with_external_addresses_first(stage.compiled({stage.victim(), stage.thief()}));
  KernelTables(Family::kIpv4, variant_of(way)).restore(text);

  stage.restart();
  stage.sync({stage.victim(), stage.thief()});

  stage.check_victim_is_served();
}
