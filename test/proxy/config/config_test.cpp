#include "proxy/config/config.h"

#include <functional>

#include <catch2/catch.hpp>

namespace {

using proxy::Config;
using proxy::ConfigError;

TEST_CASE("config: the default configuration is valid", "[proxy][config]") {
  CHECK(proxy::validate(Config{}).empty());
}

struct BadField {
  const char* path;
  const char* message;
  std::function<void(Config&)> spoil;
};

// clang-format off
using std::chrono::seconds;

const std::vector<BadField> kBadFields = {
    {"iptables.masqueradeBit", "Invalid value: 32: must be within the range [0, 31]",
     [](Config& c) { c.iptables.masquerade_bit = 32; }},
    {"oomScoreAdj", "Invalid value: -1001: must be within the range [-1000, 1000]",
     [](Config& c) { c.oom_score_adj = -1001; }},
    {"conntrack.maxPerCore", "Invalid value: -1: must be greater than or equal to 0",
     [](Config& c) { c.conntrack.max_per_core = -1; }},
    {"conntrack.udpTimeout", "Invalid value: \"-1s\": must be greater than or equal to 0",
     [](Config& c) { c.conntrack.udp_timeout = seconds(-1); }},
    {"mode", "Invalid value: \"userspace\": must be iptables, ipvs, nftables or blank",
     [](Config& c) { c.mode = "userspace"; }},
    {"clientConnection.burst", "Invalid value: -5: must be greater than or equal to 0",
     [](Config& c) { c.client_connection.burst = -5; }},
    {"configSyncPeriod", "Invalid value: \"0s\": must be greater than 0",
     [](Config& c) { c.config_sync_period = seconds(0); }},
    {"iptables.syncPeriod", "Invalid value: \"5s\": must be greater than or equal to iptables.minSyncPeriod (6s)",
     [](Config& c) { c.iptables.sync_period = seconds(5); c.iptables.min_sync_period = seconds(6); }},
    {"bindAddress", "Invalid value: \"node1\": must be a valid IP address, such as 10.9.8.7 or 2001:db8::ffff",
     [](Config& c) { c.bind_address = "node1"; }},
    {"healthzBindAddress", "Invalid value: \"10256\": must be IP:port",
     [](Config& c) { c.healthz_bind_address = "10256"; }},
    {"metricsBindAddress", "Invalid value: \"\": must be IP:port",
     [](Config& c) { c.metrics_bind_address = ""; }},
    {"metricsBindAddress", "Invalid value: \"localhost\": must be a valid IP",
     [](Config& c) { c.metrics_bind_address = "localhost:10249"; }},
    {"metricsBindAddress", "Invalid value: \"65536\": must be a valid port",
     [](Config& c) { c.metrics_bind_address = "[::1]:65536"; }},
    {"metricsBindAddress", "Invalid value: \"[::1]:80\": must not be the address of the health server (healthzBindAddress)",
     [](Config& c) { c.healthz_bind_address = "[0::1]:80"; c.metrics_bind_address = "[::1]:80"; }},
    {"nodePortAddresses[1]", "Invalid value: \"10.0.0.1\": must be a CIDR, such as 10.9.0.0/16, or 'primary'",
     [](Config& c) { c.node_port_addresses = {"10.0.0.0/8", "10.0.0.1"}; }},
    {"nodePortAddresses[0]", "Invalid value: \"primary\": can't use both 'primary' and CIDRs",
     [](Config& c) { c.node_port_addresses = {"primary", "10.0.0.0/8"}; }},
    {"showHiddenMetricsForVersion", "Invalid value: \"1.30\": must be omitted or have the value 1.35",
     [](Config& c) { c.show_hidden_metrics_for_version = "1.30"; }},
    {"detectLocalMode", "Invalid value: \"Guess\": must be ClusterCIDR, NodeCIDR, BridgeInterface, InterfaceNamePrefix or blank",
     [](Config& c) { c.detect_local_mode = "Guess"; }},
    {"detectLocal.bridgeInterface", "Invalid value: \"\": must not be empty",
     [](Config& c) { c.detect_local_mode = "BridgeInterface"; }},
    {"detectLocal.interfaceNamePrefix", "Invalid value: \"\": must not be empty",
     [](Config& c) { c.detect_local_mode = "InterfaceNamePrefix"; }},
    {"detectLocal.bridgeInterface", "Invalid value: \"a234567890123456\": must be an interface name of at most 15 characters",
     [](Config& c) { c.detect_local_mode = "BridgeInterface"; c.detect_local.bridge_interface = "a234567890123456"; }},
    {"detectLocal.bridgeInterface", "Invalid value: \"eth0 -j ACCEPT\": must be an interface name of at most 15 characters",
     [](Config& c) { c.detect_local_mode = "BridgeInterface"; c.detect_local.bridge_interface = "eth0 -j ACCEPT"; }},
    {"detectLocal.interfaceNamePrefix", "Invalid value: \"a23456789012345\": must be an interface name of at most 14 characters",
     [](Config& c) { c.detect_local_mode = "InterfaceNamePrefix"; c.detect_local.interface_name_prefix = "a23456789012345"; }},
    {"clusterCIDR", "Invalid value: \"10.0.0.0/33\": must be a CIDR, such as 10.9.0.0/16",
     [](Config& c) { c.cluster_cidr = "10.0.0.0/33"; }},
    {"clusterCIDR", "Invalid value: \"10.0.0.0/8,11.0.0.0/8\": must be one CIDR, or two of different IP families",
     [](Config& c) { c.cluster_cidr = "10.0.0.0/8,11.0.0.0/8"; }},
    {"clusterCIDR", "Invalid value: \",\": must be one CIDR, or two of different IP families",
     [](Config& c) { c.cluster_cidr = ","; }},
    {"clusterCIDR", "Invalid value: \"10.0.0.0/8,\": must be one CIDR, or two of different IP families",
     [](Config& c) { c.cluster_cidr = "10.0.0.0/8,"; }},
    {"logging.format", "Invalid value: \"xml\": Unsupported log format",
     [](Config& c) { c.logging.format = "xml"; }},
    {"logging.vmodule", "Invalid value: \"json\": Only supported for text log format",
     [](Config& c) { c.logging.format = "json"; c.logging.vmodule = {{"sync*", 4}}; }},
    {"featureGates.MultiCIDRServiceAllocator",
     "Invalid value: \"false\": cannot set feature gate to false, feature is locked to true",
     [](Config& c) { c.feature_gates = {{"MultiCIDRServiceAllocator", false}}; }},
    {"featureGates.AllowServiceExternalIps", "unrecognized feature gate, did you mean AllowServiceExternalIPs?",
     [](Config& c) { c.feature_gates = {{"AllowServiceExternalIps", false}}; }},
    {"featureGates.AlowServiceExternalIP", "unrecognized feature gate, did you mean AllowServiceExternalIPs?",
     [](Config& c) { c.feature_gates = {{"AlowServiceExternalIP", false}}; }},
    {"iptables.syncPeriod", "Invalid value: \"-5s\": must be greater than 0",
     [](Config& c) { c.iptables.sync_period = seconds(-5); }},
    {"hostnameOverride", "Invalid value: \" \t\": must not be blank",
     [](Config& c) { c.hostname_override = " \t"; }},
};

// clang-format on

TEST_CASE("config: each rule names the field and the value that break it", "[proxy][config]") {
  const auto index = GENERATE(range(std::size_t{0}, kBadFields.size()));
  const BadField& row = kBadFields[index];
  CAPTURE(row.path, row.message);
  Config config;

  row.spoil(config);

  CHECK(proxy::validate(config) == std::vector{ConfigError{row.path, row.message}});
}

TEST_CASE("config: all errors are reported together", "[proxy][config]") {
  Config config;
  config.iptables.masquerade_bit = -1;
  config.bind_address = "x";
  config.cluster_cidr = "10.0.0.0/8,11.0.0.0/8,fd00::/64";

  CHECK(proxy::validate(config).size() == 3);
}

TEST_CASE("config: lenient and dual-stack values are accepted", "[proxy][config]") {
  Config config;
  config.cluster_cidr = "10.0.0.000/08 , fd00::/64";
  config.bind_address = "::";
  config.healthz_bind_address.clear();
  config.node_port_addresses = {"primary"};
  config.iptables.min_sync_period = config.iptables.sync_period;
  config.feature_gates = {{"AllowServiceExternalIPs", false}};

  CHECK(proxy::validate(config).empty());
  CHECK(proxy::cluster_cidrs(config) == std::vector<std::string>{"10.0.0.000/08", "fd00::/64"});
  CHECK_FALSE(proxy::allows_service_external_ips(config));
}

TEST_CASE("config: settings without effect are noted", "[proxy][config]") {
  Config config;
  config.node_port_addresses = {"primary"};
  CHECK(proxy::config_notes(config).empty());

  config.mode = "ipvs";
  config.ipvs.scheduler = "rr";
  config.node_port_addresses.clear();
  const std::vector<std::string> lines = proxy::config_notes(config);

  REQUIRE(lines.size() == 3);
  CHECK(lines[0] == "mode ipvs means iptables here: the rules are those of iptables mode");
  CHECK(lines[1] == "ipvs is accepted but has no effect here");
  CHECK_THAT(lines[2], Catch::StartsWith("nodePortAddresses is unset"));
}

TEST_CASE("config: fields that only kube-proxy's client and servers have are noted when set",
          "[proxy][config]") {
  Config config;
  config.node_port_addresses = {"primary"};
  config.client_connection.qps = 50;
  config.client_connection.burst = 100;
  config.config_sync_period = std::chrono::minutes(1);
  config.enable_profiling = true;
  config.logging.vmodule = {{"sync*", 4}};
  config.feature_gates = {{"OfAnotherComponent", true}};

  CHECK(proxy::validate(config).empty());
  CHECK(proxy::config_notes(config) ==
        std::vector<std::string>{"clientConnection.qps is accepted but has no effect here",
                                 "clientConnection.burst is accepted but has no effect here",
                                 "configSyncPeriod is accepted but has no effect here",
                                 "enableProfiling is accepted but has no effect here",
                                 "logging.vmodule is accepted but has no effect here",
                                 "feature gate OfAnotherComponent=true has no effect here"});
}

TEST_CASE("config: a port is appended to an IP without one", "[proxy][config]") {
  CHECK(proxy::with_default_port("10.0.0.1", 80) == "10.0.0.1:80");
  CHECK(proxy::with_default_port("fd00::1", 80) == "[fd00::1]:80");
  CHECK(proxy::with_default_port("10.0.0.1:8080", 80) == "10.0.0.1:8080");
  CHECK(proxy::with_default_port("localhost", 80) == "localhost");
  CHECK(proxy::with_default_port("", 80).empty());
}

}  // namespace
