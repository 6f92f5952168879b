#include <fstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "proxy/host/process.h"
#include "proxy/tables/iptables.h"
#include "rules/names.h"
#include "rules/save_text.h"
#include "test/netns/backends.h"
#include "test/support/kernel_tables.h"
#include "test/support/network_namespace.h"
#include "test/support/node_lab.h"
#include "test/support/packets.h"
#include "test/support/paths.h"
#include "test/support/temporary_folder.h"

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

/// What a tenant may write: a Service and its slice, as manifests.
struct Tenant {
  std::string what;
  std::string name = "evil";
  std::string spec;  // more lines of the Service's spec, two spaces deep
  std::string status;
  int ports = 1;
  std::string endpoint;  // of its slice; empty: a pod of its own
};

std::string manifest_of(const Tenant& tenant, const std::string& own_pod) {
  std::string text = fmt::format(
      "apiVersion: v1\nkind: Service\nmetadata: {{name: {0}, namespace: aaa}}\nspec:\n"
      "  clusterIP: 10.96.66.6\n{1}  ports:\n",
      tenant.name,
      tenant.spec);
  for (int i = 0; i < tenant.ports; ++i) {
    text += fmt::format("  - {{name: p{}, port: {}}}\n", i, 443 + i);
  }
  text += tenant.status;
  text += fmt::format(
      "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\n"
      "metadata: {{name: evil, namespace: aaa, labels: {{kubernetes.io/service-name: {}}}}}\n"
      "endpoints: [{{addresses: [{}]}}]\nports: [{{name: p0, port: {}}}]\n",
      tenant.name,
      tenant.endpoint.empty() ? own_pod : tenant.endpoint,
      kTargetPort);
  return text;
}

std::string external_ip(std::string_view address) {
  return fmt::format("  externalIPs: [\"{}\"]\n", address);
}

/// Rows of objects that an API server may not all accept; manifests may hold any.
std::vector<Tenant> hostile_tenants(const LabAddresses& addresses) {
  return {
      {.what = "the API server's cluster IP", .spec = external_ip("10.96.0.1")},
      {.what = "the same, mapped into IPv6", .spec = external_ip("::ffff:10.96.0.1")},
      {.what = "the same, as a load balancer",
       .spec = "  type: LoadBalancer\n  loadBalancerSourceRanges: [192.0.2.0/24]\n",
       .status = "status: {loadBalancer: {ingress: [{ip: 10.96.0.1}]}}\n"},
      {.what = "loopback", .spec = external_ip("127.0.0.1")},
      {.what = "the metadata server", .spec = external_ip("169.254.169.254")},
      {.what = "multicast", .spec = external_ip("224.0.0.1")},
      {.what = "every address", .spec = external_ip("0.0.0.0")},
      {.what = "5,000 ports", .spec = external_ip("10.96.0.1"), .ports = 5000},
      {.what = "a name of 63 characters", .name = std::string(63, 'e')},
      {.what = "a name with markup", .name = R"("<b onload=x>")", .spec = external_ip("10.96.0.1")},
      {.what = "a name with a line break",
       .name = R"("evil\n-A PREROUTING -j DROP")",
       .spec = external_ip("10.96.0.1")},
      {.what = "a name that turns text around", .name = R"("\u202eevil")"},
      {.what = "the node's address", .spec = external_ip(to_string(addresses.node))},
      {.what = "the API server's own address", .spec = external_ip(to_string(addresses.there_1))},
      {.what = "an endpoint on loopback", .endpoint = "127.0.0.1"},
      {.what = "the metadata server as an endpoint", .endpoint = "169.254.169.254"},
      {.what = "a multicast group as an endpoint", .endpoint = "224.0.0.1"},
      {.what = "the node as an endpoint", .endpoint = to_string(addresses.node)},
      {.what = "another's cluster IP as an endpoint", .endpoint = "10.96.0.1"},
      {.what = "a mapped address as an endpoint", .endpoint = "'::ffff:10.96.0.1'"},
  };
}

/// The lab with a victim, and the program on files.
class ProgramStage {
 public:
  explicit ProgramStage(proxy::Variant variant) {
    shell(fmt::format("iptables-{} -t mangle -N KUBE-IPTABLES-HINT", proxy::to_string(variant)));
    lab_.listen(Site::kHere, {addresses_.here, kTargetPort}, Protocol::kTcp);
    lab_.listen(Site::kThere, {addresses_.there_1, kTargetPort}, Protocol::kTcp);
    lab_.listen(Site::kThere, {addresses_.there_2, 443}, Protocol::kTcp);
    lab_.listen(Site::kNode, {addresses_.loopback, kTargetPort}, Protocol::kTcp);
    std::ofstream(folder_.path() / "victim.yaml") << fmt::format(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: kubernetes, namespace: default}}\n"
        "spec: {{clusterIP: 10.96.0.1, ports: [{{name: https, port: 443}}]}}\n---\n"
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\n"
        "metadata: {{name: kubernetes, namespace: default, labels: "
        "{{kubernetes.io/service-name: kubernetes}}}}\n"
        "endpoints: [{{addresses: [{}]}}]\nports: [{{name: https, port: {}}}]\n",
        to_string(addresses_.there_1),
        kTargetPort);
  }

  /// What the program said.
  std::string sync(const Tenant& tenant, const std::vector<std::string>& flags = {}) {
    std::ofstream(folder_.path() / "tenant.yaml")
        << manifest_of(tenant, to_string(addresses_.here));
    std::vector<std::string> argv{
        program_path(), "run", "--once", "--source", folder_.path().string()};
    argv.insert(argv.end(), flags.begin(), flags.end());
    return proxy::run({.argv = argv}).error;
  }

  /// Where a packet of this site to that address arrives; empty if it does not.
  std::string end_of(Site site, const IpAddress& source, const SocketAddress& destination) {
    const Observation seen = lab_.send({site, {source, 0}, destination}, [] { return false; });
    return seen.kind == Observation::Kind::kArrived ? to_string(seen.at.address) : "";
  }

  void check_others_are_served() {
    const std::string victim = to_string(addresses_.there_1);
    const SocketAddress api{ip("10.96.0.1"), 443};
    CHECK(end_of(Site::kPod, addresses_.pod, api) == victim);
    CHECK(end_of(Site::kNode, addresses_.node, api) == victim);
    CHECK(end_of_neighbour() == to_string(addresses_.there_2));
  }

  /// What listens on the node's 127.0.0.1 hears nothing of a pod that asks the tenant's Service.
  void check_loopback_is_not_reached() {
    const Observation seen =
        lab_.send({Site::kPod, {addresses_.pod, 0}, {ip("10.96.66.6"), 443}}, [] { return true; });
    CHECK((seen.kind != Observation::Kind::kArrived || seen.at.address != addresses_.loopback));
  }

  /// From a pod to another pod, by its own address.
  std::string end_of_neighbour() {
    return end_of(Site::kPod, addresses_.pod, {addresses_.there_2, 443});
  }

  const LabAddresses& addresses() const { return addresses_; }

 private:
  NodeLab lab_{Family::kIpv4};
  LabAddresses addresses_ = lab_addresses(Family::kIpv4);
  TemporaryFolder folder_;
};

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

TEST_CASE("tenant: whatever a Service says, others are served", "[netns][tenant]") {
  const auto variant = GENERATE(proxy::Variant::kLegacy, proxy::Variant::kNft);
  CAPTURE(proxy::to_string(variant));
  const NetworkNamespace node;
  ProgramStage stage(variant);

  for (const Tenant& tenant : hostile_tenants(stage.addresses())) {
    const std::string said = stage.sync(tenant);
    INFO(tenant.what << ": " << said);
    stage.check_others_are_served();
    stage.check_loopback_is_not_reached();
  }
}

TEST_CASE("tenant: who claims a cluster IP is named", "[netns][tenant]") {
  const NetworkNamespace node;
  ProgramStage stage(proxy::Variant::kLegacy);

  const std::string said =
      stage.sync({.what = "the API server's cluster IP", .spec = external_ip("10.96.0.1")});

  CHECK_THAT(said,
             Catch::Contains("service=\"aaa/evil:p0\" address=\"10.96.0.1:443\" "
                             "clusterIPOf=\"default/kubernetes:https\""));
}

TEST_CASE("tenant: a Service of too many rules goes without, and is named", "[netns][tenant]") {
  const NetworkNamespace node;
  ProgramStage stage(proxy::Variant::kLegacy);

  const std::string said =
      stage.sync({.what = "5,000 ports", .ports = 5000}, {"--max-rules-per-service=20000"});

  CHECK_THAT(said,
             Catch::Contains("servicePort=\"aaa/evil\"") &&
                 Catch::Contains("it would take up to 50000 rules"));
  stage.check_others_are_served();
}

// What kube-proxy has, too, as long as external IPs are allowed (CVE-2020-8554): any address but a
// cluster IP can be claimed. The gate is the cure.
TEST_CASE("tenant: with AllowServiceExternalIPs=false nobody takes a pod's address",
          "[netns][tenant]") {
  const NetworkNamespace node;
  ProgramStage stage(proxy::Variant::kLegacy);
  const Tenant tenant{.what = "another pod",
                      .spec = external_ip(to_string(stage.addresses().there_2))};

  stage.sync(tenant);
  CHECK(stage.end_of_neighbour() == to_string(stage.addresses().here));
  stage.sync(tenant, {"--feature-gates=AllowServiceExternalIPs=false"});
  CHECK(stage.end_of_neighbour() == to_string(stage.addresses().there_2));
}
