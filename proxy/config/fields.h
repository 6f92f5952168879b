#pragma once

#include "proxy/config/config.h"

namespace proxy {

// The fields of KubeProxyConfiguration v1alpha1 (spec §10.3), each named once, in the order in
// which they are written. `visitor.field(name, value)` is called for a plain field and
// `visitor.section(name, visit)` for an object, where `visit(visitor)` names its fields. Reading,
// writing and comparing are visitors. `visitor.loose_duration(name, value)` is a duration that may
// also be a number of nanoseconds; `visitor.quantity(name, value)` a quantity of Kubernetes, a
// number or a string. `config` is a Config or a const Config.

template <typename ConfigT, typename Visitor>
void visit_client_connection(ConfigT& connection, Visitor& visitor) {
  visitor.field("kubeconfig", connection.kubeconfig);
  visitor.field("acceptContentTypes", connection.accept_content_types);
  visitor.field("contentType", connection.content_type);
  visitor.field("qps", connection.qps);
  visitor.field("burst", connection.burst);
}

template <typename ConfigT, typename Visitor>
void visit_log_streams(ConfigT& streams, Visitor& visitor) {
  visitor.field("splitStream", streams.split_stream);
  visitor.quantity("infoBufferSize", streams.info_buffer_size);
}

template <typename ConfigT, typename Visitor>
void visit_logging(ConfigT& logging, Visitor& visitor) {
  visitor.field("format", logging.format);
  visitor.loose_duration("flushFrequency", logging.flush_frequency);
  visitor.field("verbosity", logging.verbosity);
  visitor.field("vmodule", logging.vmodule);
  visitor.section("options", [&](auto& options) {
    options.section("text", [&](auto& v) { visit_log_streams(logging.text_streams, v); });
    options.section("json", [&](auto& v) { visit_log_streams(logging.json_streams, v); });
  });
}

template <typename ConfigT, typename Visitor>
void visit_iptables(ConfigT& iptables, Visitor& visitor) {
  visitor.field("masqueradeBit", iptables.masquerade_bit);
  visitor.field("masqueradeAll", iptables.masquerade_all);
  visitor.field("localhostNodePorts", iptables.localhost_node_ports);
  visitor.field("syncPeriod", iptables.sync_period);
  visitor.field("minSyncPeriod", iptables.min_sync_period);
}

template <typename ConfigT, typename Visitor>
void visit_ipvs(ConfigT& ipvs, Visitor& visitor) {
  visitor.field("syncPeriod", ipvs.sync_period);
  visitor.field("minSyncPeriod", ipvs.min_sync_period);
  visitor.field("scheduler", ipvs.scheduler);
  visitor.field("excludeCIDRs", ipvs.exclude_cidrs);
  visitor.field("strictARP", ipvs.strict_arp);
  visitor.field("tcpTimeout", ipvs.tcp_timeout);
  visitor.field("tcpFinTimeout", ipvs.tcp_fin_timeout);
  visitor.field("udpTimeout", ipvs.udp_timeout);
}

template <typename ConfigT, typename Visitor>
void visit_nftables(ConfigT& nftables, Visitor& visitor) {
  visitor.field("masqueradeBit", nftables.masquerade_bit);
  visitor.field("masqueradeAll", nftables.masquerade_all);
  visitor.field("syncPeriod", nftables.sync_period);
  visitor.field("minSyncPeriod", nftables.min_sync_period);
}

template <typename ConfigT, typename Visitor>
void visit_winkernel(ConfigT& winkernel, Visitor& visitor) {
  visitor.field("networkName", winkernel.network_name);
  visitor.field("sourceVip", winkernel.source_vip);
  visitor.field("enableDSR", winkernel.enable_dsr);
  visitor.field("rootHnsEndpointName", winkernel.root_hns_endpoint_name);
  visitor.field("forwardHealthCheckVip", winkernel.forward_health_check_vip);
}

template <typename ConfigT, typename Visitor>
void visit_detect_local(ConfigT& detect_local, Visitor& visitor) {
  visitor.field("bridgeInterface", detect_local.bridge_interface);
  visitor.field("interfaceNamePrefix", detect_local.interface_name_prefix);
}

template <typename ConfigT, typename Visitor>
void visit_conntrack(ConfigT& conntrack, Visitor& visitor) {
  visitor.field("maxPerCore", conntrack.max_per_core);
  visitor.field("min", conntrack.min);
  visitor.field("tcpEstablishedTimeout", conntrack.tcp_established_timeout);
  visitor.field("tcpCloseWaitTimeout", conntrack.tcp_close_wait_timeout);
  visitor.field("tcpBeLiberal", conntrack.tcp_be_liberal);
  visitor.field("udpTimeout", conntrack.udp_timeout);
  visitor.field("udpStreamTimeout", conntrack.udp_stream_timeout);
}

template <typename ConfigT, typename Visitor>
void visit_fields(ConfigT& config, Visitor& visitor) {
  visitor.field("featureGates", config.feature_gates);
  visitor.section("clientConnection",
                  [&](auto& v) { visit_client_connection(config.client_connection, v); });
  visitor.section("logging", [&](auto& v) { visit_logging(config.logging, v); });
  visitor.field("hostnameOverride", config.hostname_override);
  visitor.field("bindAddress", config.bind_address);
  visitor.field("healthzBindAddress", config.healthz_bind_address);
  visitor.field("metricsBindAddress", config.metrics_bind_address);
  visitor.field("bindAddressHardFail", config.bind_address_hard_fail);
  visitor.field("enableProfiling", config.enable_profiling);
  visitor.field("showHiddenMetricsForVersion", config.show_hidden_metrics_for_version);
  visitor.field("mode", config.mode);
  visitor.section("iptables", [&](auto& v) { visit_iptables(config.iptables, v); });
  visitor.section("ipvs", [&](auto& v) { visit_ipvs(config.ipvs, v); });
  visitor.section("nftables", [&](auto& v) { visit_nftables(config.nftables, v); });
  visitor.section("winkernel", [&](auto& v) { visit_winkernel(config.winkernel, v); });
  visitor.field("detectLocalMode", config.detect_local_mode);
  visitor.section("detectLocal", [&](auto& v) { visit_detect_local(config.detect_local, v); });
  visitor.field("clusterCIDR", config.cluster_cidr);
  visitor.field("nodePortAddresses", config.node_port_addresses);
  visitor.field("oomScoreAdj", config.oom_score_adj);
  visitor.section("conntrack", [&](auto& v) { visit_conntrack(config.conntrack, v); });
  visitor.field("configSyncPeriod", config.config_sync_period);
  visitor.field("portRange", config.port_range);
  visitor.field("windowsRunAsService", config.windows_run_as_service);
}

}  // namespace proxy
