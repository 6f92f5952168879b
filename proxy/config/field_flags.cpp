#include "proxy/config/field_flags.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <iterator>
#include <stdexcept>

#include <fmt/format.h>

#include "k8sclient/objects/trim.h"
#include "proxy/config/fields.h"
#include "proxy/text/go_values.h"

namespace proxy {
namespace {

constexpr std::string_view kOtherModes;  // not shown in the help
constexpr std::string_view kLogs = "Logging";

constexpr auto kFieldFlags = std::to_array<FieldFlag>({
    {"kubeconfig", "clientConnection.kubeconfig", "Credentials for the API server", kClusterFlags},
    {"kube-api-content-type", "clientConnection.contentType", "Content type of requests"},
    {"kube-api-qps", "clientConnection.qps", "Requests a second to the API server"},
    {"kube-api-burst", "clientConnection.burst", "Requests at once to the API server"},
    {.name = "hostname-override",
     .path = "hostnameOverride",
     .help = "Name of the Node instead of the host name",
     .group = kClusterFlags,
     .beats_file = true},
    {"bind-address", "bindAddress", "Overrides the node's IP of its family"},
    {"healthz-bind-address", "healthzBindAddress", "IP or IP:port of the health server"},
    {"metrics-bind-address", "metricsBindAddress", "IP or IP:port of the metrics server"},
    {.name = "bind-address-hard-fail",
     .path = "bindAddressHardFail",
     .help = "Exit if a server's port is taken",
     .is_switch = true},
    {.name = "profiling",
     .path = "enableProfiling",
     .help = "Profiling on the metrics server",
     .is_switch = true},
    {"show-hidden-metrics-for-version",
     "showHiddenMetricsForVersion",
     "Previous version whose hidden metrics to show"},
    {"proxy-mode", "mode", "iptables; ipvs and nftables are accepted and mean iptables"},
    {"iptables-masquerade-bit", "iptables.masqueradeBit", "Bit of the mark for masquerading"},
    {.name = "masquerade-all",
     .path = "iptables.masqueradeAll",
     .help = "Masquerade all traffic to cluster IPs",
     .is_switch = true},
    {.name = "iptables-localhost-nodeports",
     .path = "iptables.localhostNodePorts",
     .help = "Node ports on 127.0.0.1",
     .is_switch = true},
    {"iptables-sync-period", "iptables.syncPeriod", "Longest time between checks of the rules"},
    {"iptables-min-sync-period", "iptables.minSyncPeriod", "Shortest time between syncs"},
    {"ipvs-sync-period", "ipvs.syncPeriod", "No effect", kOtherModes},
    {"ipvs-min-sync-period", "ipvs.minSyncPeriod", "No effect", kOtherModes},
    {"ipvs-scheduler", "ipvs.scheduler", "No effect", kOtherModes},
    {"ipvs-exclude-cidrs", "ipvs.excludeCIDRs", "No effect", kOtherModes},
    {.name = "ipvs-strict-arp",
     .path = "ipvs.strictARP",
     .help = "No effect",
     .group = kOtherModes,
     .is_switch = true},
    {"ipvs-tcp-timeout", "ipvs.tcpTimeout", "No effect", kOtherModes},
    {"ipvs-tcpfin-timeout", "ipvs.tcpFinTimeout", "No effect", kOtherModes},
    {"ipvs-udp-timeout", "ipvs.udpTimeout", "No effect", kOtherModes},
    {"detect-local-mode",
     "detectLocalMode",
     "ClusterCIDR, NodeCIDR, BridgeInterface or InterfaceNamePrefix"},
    {"cluster-cidr", "clusterCIDR", "Network of the pods, or a dual-stack pair"},
    {"pod-bridge-interface", "detectLocal.bridgeInterface", "Bridge of the local pods"},
    {"pod-interface-name-prefix",
     "detectLocal.interfaceNamePrefix",
     "Prefix of the local pods' interfaces"},
    {"nodeport-addresses", "nodePortAddresses", "Networks that accept node ports, or primary"},
    {"oom-score-adj", "oomScoreAdj", "OOM score adjustment of the process"},
    {"conntrack-max-per-core", "conntrack.maxPerCore", "Tracked connections for each CPU"},
    {"conntrack-min", "conntrack.min", "Least number of tracked connections"},
    {"conntrack-tcp-timeout-established",
     "conntrack.tcpEstablishedTimeout",
     "Timeout of idle TCP connections"},
    {"conntrack-tcp-timeout-close-wait",
     "conntrack.tcpCloseWaitTimeout",
     "Timeout of TCP connections in CLOSE_WAIT"},
    {.name = "conntrack-tcp-be-liberal",
     .path = "conntrack.tcpBeLiberal",
     .help = "Track TCP packets out of the window, too",
     .is_switch = true},
    {"conntrack-udp-timeout", "conntrack.udpTimeout", "Timeout of unanswered UDP flows"},
    {"conntrack-udp-timeout-stream", "conntrack.udpStreamTimeout", "Timeout of UDP streams"},
    {"config-sync-period", "configSyncPeriod", "Time between full reads of the cluster"},
    {"feature-gates", "featureGates", "name=true or false, comma-separated"},
    {"v", "logging.verbosity", "Verbosity of the log", kLogs, false, true},
    {"vmodule", "logging.vmodule", "pattern=verbosity, comma-separated", kLogs, false, true},
    {"logging-format", "logging.format", "text or json", kLogs, false, true},
    {"log-flush-frequency",
     "logging.flushFrequency",
     "Time between log flushes",
     kLogs,
     false,
     true},
    {"log-text-split-stream",
     "logging.options.text.splitStream",
     "No effect",
     kOtherModes,
     true,
     true},
    {"log-text-info-buffer-size",
     "logging.options.text.infoBufferSize",
     "No effect",
     kOtherModes,
     false,
     true},
    {"log-json-split-stream",
     "logging.options.json.splitStream",
     "No effect",
     kOtherModes,
     true,
     true},
    {"log-json-info-buffer-size",
     "logging.options.json.infoBufferSize",
     "No effect",
     kOtherModes,
     false,
     true},
    {"boot-id-file", "", "No effect", kOtherModes, false, true},
    {"machine-id-file", "", "No effect", kOtherModes, false, true},
});

using Error = std::optional<std::string>;

template <typename Number>
Error assign_number(Number& target, const std::string& text, std::string_view wanted) {
  Number value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) {
    return std::string(wanted);
  }
  target = value;
  return std::nullopt;
}

Error assign(std::string& target, const std::string& text) {
  target = text;
  return std::nullopt;
}

Error assign(bool& target, const std::string& text) {
  const auto value = parse_go_bool(text);
  if (!value) {
    return "must be true or false";
  }
  target = *value;
  return std::nullopt;
}

Error assign(std::int32_t& target, const std::string& text) {
  return assign_number(target, text, "must be a 32-bit integer");
}

Error assign(std::uint32_t& target, const std::string& text) {
  return assign_number(target, text, "must be a 32-bit integer of 0 or more");
}

Error assign(double& target, const std::string& text) {
  constexpr std::string_view kWanted = "must be a number";
  double value = 0;
  if (auto error = assign_number(value, text, kWanted)) {
    return error;
  }
  if (!std::isfinite(value)) {
    return std::string(kWanted);  // JSON has no other numbers, and /configz is JSON
  }
  target = value;
  return std::nullopt;
}

Error assign(ConfigDuration& target, const std::string& text) {
  const auto value = parse_go_duration(text);
  if (!value) {
    return "must be a duration such as 1m30s";
  }
  target = *value;
  return std::nullopt;
}

// What is between the commas; nothing of an empty text.
std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::size_t start = 0;
  while (start <= text.size() && !text.empty()) {
    const std::size_t comma = std::min(text.find(',', start), text.size());
    parts.push_back(text.substr(start, comma - start));
    start = comma + 1;
  }
  return parts;
}

// For lists in which Go's parsers skip empty elements.
std::vector<std::string> split_and_drop_empty(const std::string& text) {
  std::vector<std::string> parts = split(text);
  std::erase(parts, std::string());
  return parts;
}

Error assign(std::vector<std::string>& target, const std::string& text) {
  std::ranges::move(split(text), std::back_inserter(target));
  return std::nullopt;
}

Error assign(std::map<std::string, bool>& target, const std::string& text) {
  for (const std::string& part : split_and_drop_empty(text)) {
    const std::size_t equals = part.find('=');
    const auto value =
        equals == std::string::npos
            ? std::nullopt
            : parse_go_bool(k8sclient::trimmed(std::string_view(part).substr(equals + 1), " "));
    if (!value) {
      return fmt::format("\"{}\" must be name=true or name=false", part);
    }
    target[std::string(k8sclient::trimmed(std::string_view(part).substr(0, equals), " "))] = *value;
  }
  return std::nullopt;
}

Error assign(std::vector<ModuleVerbosity>& target, const std::string& text) {
  for (const std::string& part : split_and_drop_empty(text)) {
    const std::size_t equals = part.find('=');
    ModuleVerbosity module{part.substr(0, equals)};
    if (equals == std::string::npos || assign(module.verbosity, part.substr(equals + 1))) {
      return fmt::format("\"{}\" must be pattern=verbosity", part);
    }
    target.push_back(std::move(module));
  }
  return std::nullopt;
}

/// Visits the fields until it meets the one of `path`.
class Assigner {
 public:
  Assigner(std::string_view path, const std::string& text) : path_(path), text_(text) {}

  template <typename T>
  void field(std::string_view name, T& target) {
    if (name == path_) {
      error_ = assign(target, text_);
    }
  }

  void loose_duration(std::string_view name, ConfigDuration& target) { field(name, target); }

  template <typename Visit>
  void section(std::string_view name, Visit visit) {
    if (path_.size() > name.size() && path_.starts_with(name) && path_[name.size()] == '.') {
      path_.remove_prefix(name.size() + 1);
      visit(*this);
      path_ = {};
    }
  }

  void quantity(std::string_view name, std::string& target) {
    if (name != path_) {
      return;
    }
    target = text_;
    if (!is_quantity(text_)) {
      error_ = "must be a quantity such as 64Ki";
    }
  }

  Error take_error() { return std::move(error_); }

 private:
  std::string_view path_;
  const std::string& text_;
  Error error_;
};

}  // namespace

std::span<const FieldFlag> field_flags() {
  return kFieldFlags;
}

const FieldFlag& field_flag(std::string_view name) {
  for (const FieldFlag& flag : kFieldFlags) {
    if (flag.name == name) {
      return flag;
    }
  }
  throw std::out_of_range(fmt::format("no flag --{}", name));
}

std::optional<std::string> assign_field(Config& config,
                                        std::string_view path,
                                        const std::string& text) {
  const bool keeps_default =
      text.empty() && (path == "healthzBindAddress" || path == "metricsBindAddress");
  if (path.empty() || keeps_default) {
    return std::nullopt;
  }
  Assigner assigner(path, text);
  visit_fields(config, assigner);
  return assigner.take_error();
}

}  // namespace proxy
