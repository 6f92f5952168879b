#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace proxy {

/// What became of kernel settings, one line for each.
struct SysctlReport {
  std::vector<std::string> changes;   // "net.netfilter.nf_conntrack_max: 65536 -> 131072"
  std::vector<std::string> warnings;  // the value wanted, the value found, and why it stays

  bool operator==(const SysctlReport&) const = default;
};

/// Sizes and timeouts of connection tracking (spec §5.2). What is 0 or false leaves a setting as it
/// is; timeouts are written in whole seconds.
struct ConntrackSettings {
  std::int32_t max_per_core = 0;
  std::int32_t min = 0;  // of nf_conntrack_max; only with max_per_core
  std::chrono::nanoseconds tcp_established_timeout{0};
  std::chrono::nanoseconds tcp_close_wait_timeout{0};
  bool tcp_be_liberal = false;
  std::chrono::nanoseconds udp_timeout{0};
  std::chrono::nanoseconds udp_stream_timeout{0};
};

/// Kernel settings of /proc and /sys. A setting is written only if it differs from what is wanted,
/// so a proxy without privileges is content with a node that was prepared. Nothing throws: what
/// cannot be done is a warning.
class Sysctl {
 public:
  /// `root` is the folder that has proc/ and sys/; tests bring their own.
  explicit Sysctl(std::filesystem::path root = "/") : root_(std::move(root)) {}

  /// In kube-proxy's order (spec §5.2).
  SysctlReport apply_conntrack(const ConntrackSettings& conntrack) const;

  /// Lets node ports be reached on 127.0.0.1: route_localnet of all interfaces (spec §3.3).
  SysctlReport allow_localhost_node_ports() const;

  /// Of this process; spec §10.1.
  SysctlReport set_oom_score_adjustment(std::int32_t value) const;

  /// Whether connection tracking accepts TCP packets out of the window; false if that cannot be
  /// read (spec §3.3, tcpLiberal).
  bool tcp_is_liberal() const;

  /// Whether the kernel has IPv6 and it is not disabled for all interfaces (spec §8.3).
  bool has_ipv6() const;

  /// Online CPUs; at least 1.
  int online_cpus() const;

 private:
  std::filesystem::path root_;
};

}  // namespace proxy
