#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "rules/service.h"

namespace proxy {

/// Durations of the configuration, with Go's resolution.
using ConfigDuration = std::chrono::nanoseconds;

/// `clientConnection`: how to reach the API server.
struct ClientConnection {
  std::string kubeconfig;
  std::string accept_content_types;
  std::string content_type = "application/vnd.kubernetes.protobuf";
  double qps = 5;
  std::int32_t burst = 10;

  bool operator==(const ClientConnection&) const = default;
};

struct ModuleVerbosity {
  std::string file_pattern;
  std::uint32_t verbosity = 0;

  bool operator==(const ModuleVerbosity&) const = default;
};

/// `logging.options.text` and `.json`: accepted, without effect.
struct LogStreams {
  bool split_stream = false;
  std::string info_buffer_size = "0";  // a quantity, such as "64Ki"

  bool operator==(const LogStreams&) const = default;
};

/// `logging`.
struct Logging {
  std::string format = "text";  // or "json"
  ConfigDuration flush_frequency = std::chrono::seconds(5);
  std::uint32_t verbosity = 0;
  std::vector<ModuleVerbosity> vmodule;
  LogStreams text_streams;
  LogStreams json_streams;

  bool operator==(const Logging&) const = default;
};

/// `iptables`.
struct IptablesConfig {
  std::int32_t masquerade_bit = 14;
  bool masquerade_all = false;
  bool localhost_node_ports = true;
  ConfigDuration sync_period = std::chrono::seconds(30);
  ConfigDuration min_sync_period = std::chrono::seconds(1);

  bool operator==(const IptablesConfig&) const = default;
};

/// `ipvs`: accepted, without effect.
struct IpvsConfig {
  ConfigDuration sync_period = std::chrono::seconds(30);
  ConfigDuration min_sync_period{0};
  std::string scheduler;
  std::vector<std::string> exclude_cidrs;
  bool strict_arp = false;
  ConfigDuration tcp_timeout{0};
  ConfigDuration tcp_fin_timeout{0};
  ConfigDuration udp_timeout{0};

  bool operator==(const IpvsConfig&) const = default;
};

/// `nftables`: accepted, without effect.
struct NftablesConfig {
  std::int32_t masquerade_bit = 14;
  bool masquerade_all = false;
  ConfigDuration sync_period = std::chrono::seconds(30);
  ConfigDuration min_sync_period = std::chrono::seconds(1);

  bool operator==(const NftablesConfig&) const = default;
};

/// `winkernel`: accepted, without effect.
struct WinkernelConfig {
  std::string network_name;
  std::string source_vip;
  bool enable_dsr = false;
  std::string root_hns_endpoint_name;
  bool forward_health_check_vip = false;

  bool operator==(const WinkernelConfig&) const = default;
};

/// `detectLocal`.
struct DetectLocal {
  std::string bridge_interface;
  std::string interface_name_prefix;

  bool operator==(const DetectLocal&) const = default;
};

/// `conntrack` (spec §5.2): 0 leaves a kernel setting as it is.
struct ConntrackConfig {
  std::int32_t max_per_core = 32768;
  std::int32_t min = 131072;
  ConfigDuration tcp_established_timeout = std::chrono::hours(24);
  ConfigDuration tcp_close_wait_timeout = std::chrono::hours(1);
  bool tcp_be_liberal = false;
  ConfigDuration udp_timeout{0};
  ConfigDuration udp_stream_timeout{0};

  bool operator==(const ConntrackConfig&) const = default;
};

enum class IptablesBackend : std::uint8_t {
  kAuto,     // in process: libiptc on a legacy node, netlink on an nft node
  kLibiptc,  // in process, legacy only
  kRestore,  // iptables-restore of whichever variant the node uses
};

/// --validate-config: check the configuration and exit.
enum class Validation : std::uint8_t {
  kNo,
  kLenient,  // fails where the proxy would not start
  kStrict,   // fails on warnings, too
};

/// The effective configuration: KubeProxyConfiguration v1alpha1 with kube-proxy's defaults (spec
/// §10.3), and what only the command line says. `Config{}` is the default configuration.
struct Config {
  std::map<std::string, bool> feature_gates;  // the ones that were set
  ClientConnection client_connection;
  Logging logging;
  std::string hostname_override;
  std::string bind_address = "0.0.0.0";
  std::string healthz_bind_address = "0.0.0.0:10256";  // empty: no health server
  std::string metrics_bind_address = "127.0.0.1:10249";
  bool bind_address_hard_fail = false;
  bool enable_profiling = false;
  std::string show_hidden_metrics_for_version;
  std::string mode = "iptables";
  IptablesConfig iptables;
  IpvsConfig ipvs;
  NftablesConfig nftables;
  WinkernelConfig winkernel;
  std::string detect_local_mode = "ClusterCIDR";
  DetectLocal detect_local;
  std::string cluster_cidr;                      // comma-separated
  std::vector<std::string> node_port_addresses;  // CIDRs, or the one element "primary"
  std::int32_t oom_score_adj = -999;
  ConntrackConfig conntrack;
  ConfigDuration config_sync_period = std::chrono::minutes(15);
  std::string port_range;               // accepted, without effect
  bool windows_run_as_service = false;  // accepted, without effect

  // Of the command line alone.
  std::string config_file;  // where the above was read from; empty: from flags
  std::string master;       // URL of the API server, instead of the kubeconfig's
  std::string write_config_to;
  bool cleanup = false;
  bool init_only = false;
  Validation validation = Validation::kNo;
  std::vector<std::string> sources;  // files and folders of manifests instead of an API server
  IptablesBackend iptables_backend = IptablesBackend::kAuto;
  std::uint64_t max_rules_per_service = 200'000;  // in each family; 0: no limit
  bool service_metrics = true;                    // what is counted for single Services

  // Of the command line, or of a second document in the file (own_document.h).
  rules::Layout iptables_layout = rules::Layout::kKubeProxy;

  bool operator==(const Config&) const = default;
};

/// One thing wrong with a configuration. `path` is the field as a file spells it
/// ("iptables.masqueradeBit", "nodePortAddresses[1]"), or empty if no field is to blame.
struct ConfigError {
  std::string path;
  std::string message;

  bool operator==(const ConfigError&) const = default;
};

/// A configuration or command line that cannot be used; what() has one line for each error, each
/// naming the place (file and line, or flag), the field and the reason.
class ConfigErrors : public std::runtime_error {
 public:
  /// `lines` is not empty. Control characters in them are escaped, so that each stays one line.
  explicit ConfigErrors(std::vector<std::string> lines);

  const std::vector<std::string>& lines() const { return lines_; }

 private:
  std::vector<std::string> lines_;
};

/// All that is wrong with a configuration, by the rules and with the messages of kube-proxy (spec
/// §10.4), in the order of the fields there; empty: valid.
std::vector<ConfigError> validate(const Config& config);

/// What the user should know about a valid configuration: settings that are accepted and have no
/// effect here, and node ports open on all addresses (spec §8.5). One sentence each.
std::vector<std::string> config_notes(const Config& config);

/// The elements of clusterCIDR, white space trimmed; empty ones are dropped.
std::vector<std::string> cluster_cidrs(const Config& config);

/// Whether external IPs of Services get rules: gate AllowServiceExternalIPs, true unless set.
bool allows_service_external_ips(const Config& config);

/// `address` with ":port" appended if it is an IP without a port; IPv6 gets brackets. Any other
/// text is returned as it is, for validate() to judge.
std::string with_default_port(const std::string& address, std::uint16_t port);

}  // namespace proxy
