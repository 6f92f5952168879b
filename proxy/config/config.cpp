#include "proxy/config/config.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "k8sclient/objects/quote.h"
#include "k8sclient/objects/trim.h"
#include "proxy/text/go_values.h"
#include "proxy/text/spelling.h"
#include "rules/net.h"

namespace proxy {
namespace {

constexpr std::string_view kExternalIpsGate = "AllowServiceExternalIPs";
constexpr std::string_view kTrafficGate = "PreferSameTrafficDistribution";
constexpr std::string_view kAllocatorGate = "MultiCIDRServiceAllocator";
constexpr std::string_view kNotNegative = "must be greater than or equal to 0";
constexpr std::string_view kPositive = "must be greater than 0";

/// Gathers errors in the words of Kubernetes' field validation.
class Findings {
 public:
  void invalid(std::string path, const std::string& value, std::string_view rule) {
    errors_.push_back({std::move(path), fmt::format("Invalid value: \"{}\": {}", value, rule)});
  }

  void invalid(std::string path, std::int64_t value, std::string_view rule) {
    errors_.push_back({std::move(path), fmt::format("Invalid value: {}: {}", value, rule)});
  }

  void add(std::string path, std::string message) {
    errors_.push_back({std::move(path), std::move(message)});
  }

  void in_range(std::string path, std::int64_t value, std::int64_t low, std::int64_t high) {
    if (value < low || value > high) {
      invalid(std::move(path), value, fmt::format("must be within the range [{}, {}]", low, high));
    }
  }

  void not_negative(std::string path, std::int64_t value) {
    if (value < 0) {
      invalid(std::move(path), value, kNotNegative);
    }
  }

  void not_negative(std::string path, ConfigDuration value) {
    if (value.count() < 0) {
      invalid(std::move(path), to_go_duration(value), kNotNegative);
    }
  }

  void positive(std::string path, ConfigDuration value) {
    if (value.count() <= 0) {
      invalid(std::move(path), to_go_duration(value), kPositive);
    }
  }

  std::vector<ConfigError> take() { return std::move(errors_); }

 private:
  std::vector<ConfigError> errors_;
};

// Host and port of "host:port" or "[host]:port", as Go's net.SplitHostPort.
std::optional<std::pair<std::string_view, std::string_view>> split_host_port(
    std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return std::nullopt;
  }
  std::string_view host = text.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find_first_of(":[]") != std::string_view::npos) {
    return std::nullopt;
  }
  return std::pair(host, text.substr(colon + 1));
}

bool is_port(std::string_view text) {
  if (text.empty() || text.size() > 5) {
    return false;
  }
  unsigned port = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') {
      return false;
    }
    port = port * 10 + static_cast<unsigned>(c - '0');
  }
  return port >= 1 && port <= 65535;
}

void check_host_port(Findings& findings, const std::string& path, const std::string& value) {
  const auto parts = split_host_port(value);
  if (!parts) {
    findings.invalid(path, value, "must be IP:port");
    return;
  }
  if (!rules::IpAddress::parse(parts->first)) {
    findings.invalid(path, std::string(parts->first), "must be a valid IP");
  }
  if (!is_port(parts->second)) {
    findings.invalid(path, std::string(parts->second), "must be a valid port");
  }
}

/// Gates of other components are no errors, as one list of gates often goes to all of them; but a
/// gate that matters here must not be lost to a typing error.
void check_feature_gates(Findings& findings, const Config& config) {
  constexpr std::size_t kTypingError = 2;
  for (const auto& [gate, enabled] : config.feature_gates) {
    for (const std::string_view known : {kExternalIpsGate, kTrafficGate, kAllocatorGate}) {
      if (gate == known && known != kExternalIpsGate && !enabled) {
        findings.invalid("featureGates." + gate,
                         std::string("false"),
                         "cannot set feature gate to false, feature is locked to true");
      } else if (gate != known && letters_apart(gate, known) <= kTypingError) {
        findings.add("featureGates." + gate,
                     fmt::format("unrecognized feature gate, did you mean {}?", known));
      }
    }
  }
}

void check_hostname(Findings& findings, const Config& config) {
  const std::string& name = config.hostname_override;
  if (!name.empty() && k8sclient::trimmed(name).empty()) {
    findings.invalid("hostnameOverride", name, "must not be blank");
  }
}

void check_conntrack(Findings& findings, const ConntrackConfig& conntrack) {
  findings.not_negative("conntrack.maxPerCore", std::int64_t{conntrack.max_per_core});
  findings.not_negative("conntrack.min", std::int64_t{conntrack.min});
  findings.not_negative("conntrack.tcpEstablishedTimeout", conntrack.tcp_established_timeout);
  findings.not_negative("conntrack.tcpCloseWaitTimeout", conntrack.tcp_close_wait_timeout);
  findings.not_negative("conntrack.udpTimeout", conntrack.udp_timeout);
  findings.not_negative("conntrack.udpStreamTimeout", conntrack.udp_stream_timeout);
}

void check_periods(Findings& findings, const Config& config) {
  const IptablesConfig& iptables = config.iptables;
  findings.positive("configSyncPeriod", config.config_sync_period);
  findings.positive("iptables.syncPeriod", iptables.sync_period);
  findings.not_negative("iptables.minSyncPeriod", iptables.min_sync_period);
  if (iptables.sync_period.count() > 0 && iptables.min_sync_period > iptables.sync_period) {
    findings.invalid("iptables.syncPeriod",
                     to_go_duration(iptables.sync_period),
                     fmt::format("must be greater than or equal to iptables.minSyncPeriod ({})",
                                 to_go_duration(iptables.min_sync_period)));
  }
}

void check_addresses(Findings& findings, const Config& config) {
  if (!rules::IpAddress::parse(config.bind_address)) {
    findings.invalid("bindAddress",
                     config.bind_address,
                     "must be a valid IP address, such as 10.9.8.7 or 2001:db8::ffff");
  }
  if (!config.healthz_bind_address.empty()) {
    check_host_port(findings, "healthzBindAddress", config.healthz_bind_address);
  }
  check_host_port(findings, "metricsBindAddress", config.metrics_bind_address);
  const auto metrics = rules::SocketAddress::parse(config.metrics_bind_address);
  if (metrics && metrics == rules::SocketAddress::parse(config.healthz_bind_address)) {
    findings.invalid("metricsBindAddress",
                     config.metrics_bind_address,
                     "must not be the address of the health server (healthzBindAddress)");
  }
  const std::vector<std::string>& node_ports = config.node_port_addresses;
  for (std::size_t i = 0; i < node_ports.size(); ++i) {
    const std::string path = fmt::format("nodePortAddresses[{}]", i);
    if (node_ports[i] == "primary") {
      if (node_ports.size() > 1) {
        findings.invalid(path, node_ports[i], "can't use both 'primary' and CIDRs");
      }
    } else if (!rules::Cidr::parse(node_ports[i])) {
      findings.invalid(path, node_ports[i], "must be a CIDR, such as 10.9.0.0/16, or 'primary'");
    }
  }
}

void check_cluster_cidrs(Findings& findings, const Config& config) {
  std::vector<rules::Cidr> parsed;
  const std::vector<std::string> texts = cluster_cidrs(config);
  for (const std::string& text : texts) {
    if (const auto cidr = rules::Cidr::parse(text)) {
      parsed.push_back(*cidr);
    } else {
      findings.invalid("clusterCIDR", text, "must be a CIDR, such as 10.9.0.0/16");
    }
  }
  const bool same_family =
      parsed.size() == 2 && parsed[0].address.family() == parsed[1].address.family();
  const auto elements = std::ranges::count(config.cluster_cidr, ',') + 1;
  const bool has_blank_ones =
      !config.cluster_cidr.empty() && std::cmp_not_equal(elements, texts.size());
  if (texts.size() > 2 || same_family || has_blank_ones) {
    findings.invalid(
        "clusterCIDR", config.cluster_cidr, "must be one CIDR, or two of different IP families");
  }
}

/// iptables takes no other names, and a name must stay one word of a rule. A prefix gets a "+".
void check_interface(Findings& findings,
                     const std::string& path,
                     const std::string& name,
                     std::size_t longest) {
  const auto is_bad = [](char c) {
    return c <= ' ' || c > '~' || c == '/' || c == '"' || c == '!';
  };
  if (name.empty()) {
    findings.invalid(path, name, "must not be empty");
  } else if (name.size() > longest || std::ranges::any_of(name, is_bad)) {
    findings.invalid(
        path, name, fmt::format("must be an interface name of at most {} characters", longest));
  }
}

void check_local_detection(Findings& findings, const Config& config) {
  const std::string& mode = config.detect_local_mode;
  if (mode == "ClusterCIDR" || mode.empty()) {
    check_cluster_cidrs(findings, config);
  } else if (mode == "BridgeInterface") {
    check_interface(
        findings, "detectLocal.bridgeInterface", config.detect_local.bridge_interface, 15);
  } else if (mode == "InterfaceNamePrefix") {
    check_interface(
        findings, "detectLocal.interfaceNamePrefix", config.detect_local.interface_name_prefix, 14);
  } else if (mode != "NodeCIDR") {
    findings.invalid(
        "detectLocalMode",
        mode,
        "must be ClusterCIDR, NodeCIDR, BridgeInterface, InterfaceNamePrefix or blank");
  }
}

void check_logging(Findings& findings, const Logging& logging) {
  if (logging.format != "text" && logging.format != "json") {
    findings.invalid("logging.format", logging.format, "Unsupported log format");
  }
  findings.positive("logging.flushFrequency", logging.flush_frequency);
  if (logging.format != "text" && !logging.vmodule.empty()) {
    findings.invalid("logging.vmodule", logging.format, "Only supported for text log format");
  }
}

std::vector<std::string> single_lines(std::vector<std::string> lines) {
  std::ranges::transform(lines, lines.begin(), k8sclient::on_one_line);
  return lines;
}

}  // namespace

ConfigErrors::ConfigErrors(std::vector<std::string> lines)
    : std::runtime_error(
          fmt::format("{}", fmt::join(lines = single_lines(std::move(lines)), "\n"))),
      lines_(std::move(lines)) {}

std::vector<ConfigError> validate(const Config& config) {
  Findings findings;
  check_feature_gates(findings, config);
  check_hostname(findings, config);
  findings.in_range("iptables.masqueradeBit", config.iptables.masquerade_bit, 0, 31);
  findings.in_range("oomScoreAdj", config.oom_score_adj, -1000, 1000);
  check_conntrack(findings, config.conntrack);
  if (config.mode != "iptables" && config.mode != "ipvs" && config.mode != "nftables") {
    findings.invalid("mode", config.mode, "must be iptables, ipvs, nftables or blank");
  }
  findings.not_negative("clientConnection.burst", std::int64_t{config.client_connection.burst});
  check_periods(findings, config);
  check_addresses(findings, config);
  if (!config.show_hidden_metrics_for_version.empty() &&
      config.show_hidden_metrics_for_version != "1.35") {
    findings.invalid("showHiddenMetricsForVersion",
                     config.show_hidden_metrics_for_version,
                     "must be omitted or have the value 1.35");
  }
  check_local_detection(findings, config);
  check_logging(findings, config.logging);
  return findings.take();
}

std::vector<std::string> config_notes(const Config& config) {
  std::vector<std::string> lines;
  const auto without_effect = [&lines](std::string_view field, bool is_set) {
    if (is_set) {
      lines.push_back(fmt::format("{} is accepted but has no effect here", field));
    }
  };
  if (config.mode != "iptables") {
    lines.push_back(fmt::format("mode {} means iptables here: the rules are those of iptables mode",
                                config.mode));
  }
  without_effect("ipvs", config.ipvs != IpvsConfig{});
  without_effect("nftables", config.nftables != NftablesConfig{});
  without_effect("winkernel", config.winkernel != WinkernelConfig{});
  without_effect("portRange", !config.port_range.empty());
  without_effect("windowsRunAsService", config.windows_run_as_service);
  const Config defaults;
  const ClientConnection& client = config.client_connection;
  without_effect("clientConnection.acceptContentTypes", !client.accept_content_types.empty());
  without_effect("clientConnection.qps", client.qps < 5 || client.qps > 5);
  without_effect("clientConnection.burst", client.burst != defaults.client_connection.burst);
  without_effect("configSyncPeriod", config.config_sync_period != defaults.config_sync_period);
  without_effect("enableProfiling", config.enable_profiling);
  without_effect("logging.vmodule", !config.logging.vmodule.empty());
  without_effect("logging.options.text", config.logging.text_streams != LogStreams{});
  without_effect("logging.options.json", config.logging.json_streams != LogStreams{});
  for (const auto& [gate, enabled] : config.feature_gates) {
    if (gate != kExternalIpsGate) {
      lines.push_back(fmt::format("feature gate {}={} has no effect here", gate, enabled));
    }
  }
  if (config.node_port_addresses.empty()) {
    lines.emplace_back(
        "nodePortAddresses is unset, so node ports are open on all local addresses; consider "
        "--nodeport-addresses=primary");
  }
  return lines;
}

std::vector<std::string> cluster_cidrs(const Config& config) {
  std::vector<std::string> cidrs;
  std::string_view rest = config.cluster_cidr;
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    const std::string_view text = k8sclient::trimmed(rest.substr(0, comma));
    if (!text.empty()) {
      cidrs.emplace_back(text);
    }
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  return cidrs;
}

bool allows_service_external_ips(const Config& config) {
  const auto gate = config.feature_gates.find(std::string(kExternalIpsGate));
  return gate == config.feature_gates.end() || gate->second;
}

std::string with_default_port(const std::string& address, std::uint16_t port) {
  const auto ip = rules::IpAddress::parse(address);
  if (!ip) {
    return address;
  }
  const bool needs_brackets = address.find(':') != std::string::npos;
  return needs_brackets ? fmt::format("[{}]:{}", address, port)
                        : fmt::format("{}:{}", address, port);
}

}  // namespace proxy
