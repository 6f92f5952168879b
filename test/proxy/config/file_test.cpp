#include "proxy/config/file.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "k8sclient/base/file.h"
#include "test/support/paths.h"

namespace {

using namespace std::chrono_literals;
using proxy::Config;
using proxy::ConfigFile;

constexpr const char* kHead =
    "apiVersion: kubeproxy.config.k8s.io/v1alpha1\n"
    "kind: KubeProxyConfiguration\n";

// Fields start on line 3.
ConfigFile parse(const std::string& fields) {
  return proxy::parse_config(kHead + fields, "f");
}

Config config_of(const std::string& fields) {
  ConfigFile file = parse(fields);
  INFO(fields);
  CHECK(file.errors == std::vector<std::string>{});
  file.config.config_file.clear();
  return file.config;
}

std::vector<std::string> errors_of(const std::string& fields) {
  return parse(fields).errors;
}

TEST_CASE("config_file: kubeadm's ConfigMap means the defaults", "[proxy][config]") {
  const ConfigFile file = proxy::parse_config(
      k8sclient::read_file((test::source_folder() / "test/proxy/config/kubeadm.yaml").string()),
      "config.conf");

  Config expected;
  expected.config_file = "config.conf";
  expected.client_connection.kubeconfig = "/var/lib/kube-proxy/kubeconfig.conf";
  expected.cluster_cidr = "10.244.0.0/16";
  CHECK(file.errors == std::vector<std::string>{});
  CHECK(file.config == expected);
}

TEST_CASE("config_file: every kind of field is read", "[proxy][config]") {
  const Config config = config_of(
      "featureGates: {AllowServiceExternalIPs: false}\n"
      "clientConnection: {qps: 2.5, burst: 7}\n"
      "logging:\n"
      "  format: json\n"
      "  flushFrequency: 1000000000\n"
      "  verbosity: 3\n"
      "  vmodule: [{filePattern: 'sync*', verbosity: 9}]\n"
      "bindAddress: \"::\"\n"
      "metricsBindAddress: 0.0.0.0\n"
      "mode: iptables\n"
      "iptables: {masqueradeBit: 0, localhostNodePorts: false, syncPeriod: 1h30m}\n"
      "nodePortAddresses: [10.0.0.0/8, 'fd00::/64']\n"
      "oomScoreAdj: 0\n"
      "conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, udpTimeout: 30s}\n");

  Config expected;
  expected.feature_gates = {{"AllowServiceExternalIPs", false}};
  expected.client_connection.qps = 2.5;
  expected.client_connection.burst = 7;
  expected.logging = {"json", 1s, 3, {{"sync*", 9}}};
  expected.bind_address = "::";
  expected.healthz_bind_address = "[::]:10256";
  expected.metrics_bind_address = "0.0.0.0:10249";
  expected.iptables.masquerade_bit = 0;
  expected.iptables.localhost_node_ports = false;
  expected.iptables.sync_period = 90min;
  expected.node_port_addresses = {"10.0.0.0/8", "fd00::/64"};
  expected.oom_score_adj = 0;
  expected.conntrack.max_per_core = 0;
  expected.conntrack.min = 0;
  expected.conntrack.tcp_established_timeout = 0s;
  expected.conntrack.udp_timeout = 30s;
  CHECK(config == expected);
}

TEST_CASE("config_file: servers listen on IPv6 with an IPv6 bindAddress", "[proxy][config]") {
  const Config config = config_of("bindAddress: fd00::1\n");

  CHECK(config.healthz_bind_address == "[::]:10256");
  CHECK(config.metrics_bind_address == "[::1]:10249");
}

TEST_CASE("config_file: zero periods mean the default ones", "[proxy][config]") {
  CHECK(config_of("iptables: {minSyncPeriod: 0s, syncPeriod: 0s}\n") == Config{});
}

TEST_CASE("config_file: JSON is read as well", "[proxy][config]") {
  const ConfigFile file = proxy::parse_config(R"({"apiVersion":"kubeproxy.config.k8s.io/v1alpha1",)"
                                              R"("kind":"KubeProxyConfiguration","mode":"ipvs"})",
                                              "f");

  CHECK(file.errors.empty());
  CHECK(file.config.mode == "ipvs");
}

TEST_CASE("config_file: every error is reported with line and path", "[proxy][config]") {
  CHECK(errors_of("iptables:\n"
                  "  masqueradeBit: \"14\"\n"
                  "  masqueradeAll: 1\n"
                  "  syncPeriod: 30\n"
                  "  minSyncPeriod: 1 second\n"
                  "# eight\n"
                  "# nine\n"
                  "# ten\n"
                  "# eleven\n"
                  "nodePortAddresses: 10.0.0.0/8\n"
                  "conntrack: []\n"
                  "oomScoreAdj: 4294967296\n"
                  "featureGates: {A: \"true\"}\n"
                  "logging: {vmodule: [{filePattern: x}, 7],\n"
                  "  options: {text: {splitStream: 1, infoBufferSize: 5KB}, json: []}}\n") ==
        std::vector<std::string>{
            "f:4: iptables.masqueradeBit: must be an integer, not a string (\"14\")",
            "f:5: iptables.masqueradeAll: must be a boolean, not an integer",
            "f:6: iptables.syncPeriod: must be a duration such as 1m30s, not an integer",
            "f:7: iptables.minSyncPeriod: \"1 second\" is not a duration such as 1m30s",
            "f:12: nodePortAddresses: must be a list, not a string (\"10.0.0.0/8\")",
            "f:13: conntrack: must be an object, not a list",
            "f:14: oomScoreAdj: 4294967296 does not fit into 32 bits",
            "f:15: featureGates.A: must be a boolean, not a string (\"true\")",
            "f:16: logging.vmodule[1]: must be an object, not an integer",
            "f:17: logging.options.text.splitStream: must be a boolean, not an integer",
            "f:17: logging.options.text.infoBufferSize: \"5KB\" is not a quantity such as 64Ki",
            "f:17: logging.options.json: must be an object, not a list"});
}

// As kube-proxy, which starts with all of these.
TEST_CASE("config_file: what no field takes is a warning each, and the rest counts",
          "[proxy][config]") {
  const ConfigFile file = parse(
      "clusterCIDR: 10.9.0.0/16\n"
      "clusterCIDR: 10.244.0.0/16\n"
      "clustercidr: 10.8.0.0/16\n"
      "conntrack: {max: null, maxPerCore: 7}\n"
      "resourceContainer: /kube-proxy\n"
      "udpIdleTimeout: 250ms\n"
      "metadata: {name: kube-proxy}\n"
      "iptables:\n"
      "  mode: nftables\n"
      "  masqueradBit: 3\n"
      "masqueradeAll: true\n"
      "logging: {vmodule: [{pattern: x}], options: {other: {}}}\n"
      "\"x\\ny\": 1\n"
      "---\n"
      "- [not YAML\n");

  CHECK(file.errors.empty());
  CHECK(file.warnings ==
        std::vector<std::string>{
            "f:4: clusterCIDR: duplicate field: the last one counts, remove the rest",
            "f:5: clustercidr: unknown field, ignored: did you mean clusterCIDR?",
            "f:6: conntrack.max: unknown field, ignored: Kubernetes dropped it for "
            "conntrack.maxPerCore and conntrack.min, remove it",
            "f:7: resourceContainer: unknown field, ignored: Kubernetes dropped it, remove it",
            "f:8: udpIdleTimeout: unknown field, ignored: Kubernetes dropped it with the userspace "
            "mode, remove it",
            "f:9: metadata: unknown field, ignored: this file is no object of the API, remove it",
            "f:11: iptables.mode: unknown field, ignored: did you mean mode?",
            "f:12: iptables.masqueradBit: unknown field, ignored: did you mean "
            "iptables.masqueradeBit?",
            "f:13: masqueradeAll: unknown field, ignored: did you mean iptables.masqueradeAll?",
            "f:14: logging.vmodule[0].pattern: unknown field, ignored: remove it",
            "f:14: logging.options.other: unknown field, ignored: remove it",
            "f:15: x\ny: unknown field, ignored: remove it",
            "f:17: a second document is ignored: remove it, or move its fields into the first"});
  CHECK(file.config.cluster_cidr == "10.244.0.0/16");
  CHECK(file.config.conntrack.max_per_core == 7);
  CHECK(file.config.mode == "iptables");
  CHECK(file.config.iptables == proxy::IptablesConfig{});
}

TEST_CASE("config_file: of duplicate sections and values the last counts, whatever the first is",
          "[proxy][config]") {
  const ConfigFile file = parse(
      "iptables: {masqueradeAll: true, masqueradeBit: 3}\n"
      "iptables: {masqueradeBit: 5}\n"
      "oomScoreAdj: many\n"
      "oomScoreAdj: -7\n"
      "clusterCIDR: 10.9.0.0/16\n"
      "clusterCIDR: null\n");

  CHECK(file.errors.empty());
  CHECK(file.warnings.size() == 3);
  CHECK_FALSE(file.config.iptables.masquerade_all);
  CHECK(file.config.iptables.masquerade_bit == 5);
  CHECK(file.config.oom_score_adj == -7);
  CHECK(file.config.cluster_cidr.empty());
}

TEST_CASE("config_file: markers and comments around the document are no second one",
          "[proxy][config]") {
  const char* around = GENERATE(
      "# head\n---\n{}", "%YAML 1.1\n---\n{}", "---\n---\n{}", "{}---\n# end\n", "{}...\n");
  CAPTURE(around);
  const ConfigFile file = proxy::parse_config(
      fmt::format(fmt::runtime(around), std::string(kHead) + "mode: ipvs\n"), "f");

  CHECK(file.errors.empty());
  CHECK(file.warnings.empty());
  CHECK(file.config.mode == "ipvs");
}

TEST_CASE("config_file: apiVersion and kind are required", "[proxy][config]") {
  const auto errors = [](const char* text) { return proxy::parse_config(text, "f").errors; };

  CHECK(errors("mode: iptables\n") ==
        std::vector<std::string>{"f:1: apiVersion: must be kubeproxy.config.k8s.io/v1alpha1",
                                 "f:1: kind: must be KubeProxyConfiguration"});
  CHECK(errors("kind: KubeProxyConfiguration\napiVersion: v1\n") ==
        std::vector<std::string>{"f:2: apiVersion: must be kubeproxy.config.k8s.io/v1alpha1"});
}

TEST_CASE("config_file: text that is no single object is refused", "[proxy][config]") {
  const auto errors = [](const std::string& text) { return proxy::parse_config(text, "f").errors; };

  CHECK(errors("") ==
        std::vector<std::string>{"f:1: the file is empty, a KubeProxyConfiguration was expected"});
  CHECK(errors("- a\n") == std::vector<std::string>{"f:1: must be an object, not a list"});
  CHECK(errors("a: [1\nb: 2\n").size() == 1);
}

TEST_CASE("config_file: anchors, aliases and merge keys count, as for kube-proxy",
          "[proxy][config]") {
  const ConfigFile file = parse(
      "iptables: &mode\n"
      "  masqueradeAll: true\n"
      "  syncPeriod: &period 40s\n"
      "nftables:\n"
      "  <<: *mode\n"
      "  masqueradeAll: false\n"
      "ipvs: {syncPeriod: *period}\n"
      "clusterCIDR: &mode 10.0.0.0/8\n"
      "configSyncPeriod: *mode\n");

  CHECK(file.config.iptables.masquerade_all);
  CHECK_FALSE(file.config.nftables.masquerade_all);
  CHECK(file.config.nftables.sync_period == 40s);
  CHECK(file.config.ipvs.sync_period == 40s);
  CHECK(file.warnings == std::vector<std::string>{});
  REQUIRE(file.errors.size() == 1);
  CHECK_THAT(file.errors[0], Catch::StartsWith("f:11: configSyncPeriod: \"10.0.0.0/8\""));
}

TEST_CASE("config_file: a whole number may have a point", "[proxy][config]") {
  CHECK(config_of("clientConnection: {burst: 20.0}\n").client_connection.burst == 20);
  CHECK(config_of("conntrack: {maxPerCore: 1e3}\n").conntrack.max_per_core == 1000);
  CHECK(errors_of("clientConnection: {burst: 20.5}\n").size() == 1);
  CHECK(errors_of("clientConnection: {burst: 1e300}\n").size() == 1);
}

TEST_CASE("config_file: an unquoted :: is refused", "[proxy][config]") {
  CHECK(errors_of("bindAddress: ::\n").size() == 1);
}

TEST_CASE("config_file: what is written reads back equal", "[proxy][config]") {
  Config config;
  config.feature_gates = {{"AllowServiceExternalIPs", false}};
  config.client_connection.qps = 2.5;
  config.logging.vmodule = {{"sync*", 9}};
  config.logging.text_streams = {.split_stream = true, .info_buffer_size = "64Ki"};
  config.bind_address = "::";
  config.healthz_bind_address = "[::]:1";
  config.hostname_override = "true";
  config.iptables.masquerade_bit = 3;
  config.iptables.sync_period = 90500ms;
  config.ipvs.exclude_cidrs = {"10.0.0.0/8"};
  config.winkernel.enable_dsr = true;
  config.cluster_cidr = "10.0.0.0/8,fd00::/64";
  config.node_port_addresses = {"primary"};
  config.conntrack.min = 0;
  config.port_range = "80-90";
  config.iptables_layout = rules::Layout::kCompact;

  ConfigFile read = proxy::parse_config(proxy::to_yaml(config), "f");

  CHECK(read.errors == std::vector<std::string>{});
  read.config.config_file.clear();
  CHECK(read.config == config);
}

TEST_CASE("config_file: a second document, which kube-proxy does not read, has our own fields",
          "[proxy][config]") {
  const std::string kube_proxy =
      "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: "
      "iptables\n";
  const std::string head =
      kube_proxy + "---\napiVersion: iptproxy/v1alpha1\nkind: IptproxyConfiguration\n";
  const std::vector<std::string> none;

  const ConfigFile plain = proxy::parse_config(kube_proxy, "f");
  CHECK(plain.config.iptables_layout == rules::Layout::kKubeProxy);

  const ConfigFile compact = proxy::parse_config(head + "iptablesLayout: compact\n", "f");
  CHECK(compact.config.iptables_layout == rules::Layout::kCompact);
  CHECK(compact.errors == none);
  CHECK(compact.warnings == none);

  const ConfigFile wrong = proxy::parse_config(head + "iptablesLayout: flat\n", "f");
  CHECK(wrong.errors ==
        std::vector<std::string>{"f:7: iptablesLayout: must be kube-proxy or compact"});

  const ConfigFile unknown = proxy::parse_config(head + "layout: compact\n", "f");
  CHECK(unknown.errors == none);
  CHECK(unknown.warnings == std::vector<std::string>{"f:7: layout: unknown field: it is ignored"});

  const ConfigFile foreign = proxy::parse_config(
      kube_proxy + "---\nkind: KubeletConfiguration\niptablesLayout: compact\n", "f");
  CHECK(foreign.config.iptables_layout == rules::Layout::kKubeProxy);
  REQUIRE(foreign.warnings.size() == 1);
}

TEST_CASE("config_file: /configz has the type and the fields of v1alpha1", "[proxy][config]") {
  Config config;
  config.ipvs.min_sync_period = 3s;
  config.nftables.masquerade_all = true;
  const std::string json = proxy::to_json(config);

  CHECK_THAT(json,
             Catch::StartsWith(R"({"kind":"KubeProxyConfiguration",)"
                               R"("apiVersion":"kubeproxy.config.k8s.io/v1alpha1",)"));
  CHECK_THAT(json, Catch::Contains(R"("ipvs":{"syncPeriod":"0s","minSyncPeriod":"0s",)"));
  CHECK_THAT(json,
             Catch::Contains(R"("nftables":{"masqueradeBit":14,"masqueradeAll":false,)"
                             R"("syncPeriod":"0s","minSyncPeriod":"0s"})"));

  CHECK_THAT(
      json,
      Catch::Contains(R"("iptables":{"masqueradeBit":14,"masqueradeAll":false,)"
                      R"("localhostNodePorts":true,"syncPeriod":"30s","minSyncPeriod":"1s"})"));
  CHECK_THAT(json, Catch::Contains(R"("nodePortAddresses":null)"));
  CHECK_THAT(json, Catch::Contains(R"("tcpEstablishedTimeout":"24h0m0s")"));
}

TEST_CASE("config_file: changed fields are named", "[proxy][config]") {
  Config before;
  before.feature_gates = {{"A", true}};
  Config after = before;
  CHECK(proxy::changed_fields(before, after).empty());

  after.feature_gates = {{"B", true}, {"C", true}};
  after.iptables.masquerade_all = true;
  after.iptables.localhost_node_ports = false;
  after.ipvs.scheduler = "rr";
  after.cluster_cidr = "10.0.0.0/8";
  after.metrics_bind_address = "127.0.0.1:1";
  const std::vector<std::string> changed = proxy::changed_fields(before, after);

  CHECK(changed == std::vector<std::string>{"featureGates",
                                            "metricsBindAddress",
                                            "iptables.masqueradeAll",
                                            "iptables.localhostNodePorts",
                                            "ipvs.scheduler",
                                            "clusterCIDR"});
}

}  // namespace
