#include "proxy/kernel/sysctl.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>
#include <thread>

#include <fmt/format.h>

#include "proxy/host/file.h"

namespace proxy {
namespace {

constexpr std::int64_t kMostConnections = 1'048'576;
constexpr std::string_view kHashSize = "sys/module/nf_conntrack/parameters/hashsize";

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
    text.pop_back();
  }
  return text;
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && stop == text.data() + text.size() ? std::optional(value)
                                                                   : std::nullopt;
}

// "net.netfilter.nf_conntrack_max" as sysctl(8) spells it; other files by their path.
std::string setting_name(std::string_view path) {
  constexpr std::string_view kPrefix = "proc/sys/";
  if (!path.starts_with(kPrefix)) {
    return fmt::format("/{}", path);
  }
  std::string name(path.substr(kPrefix.size()));
  std::ranges::replace(name, '/', '.');
  return name;
}

/// Brings settings to their values and notes how that went.
class Settings {
 public:
  explicit Settings(const std::filesystem::path& root) : root_(root) {}

  SysctlReport take() { return std::move(report_); }

  void ensure(std::string_view path, std::int64_t wanted) {
    if (const auto current = read(path, wanted); current && *current != wanted) {
      write(path, *current, wanted);
    }
  }

  void ensure_at_least(std::string_view path, std::int64_t wanted) {
    if (const auto current = read(path, wanted); current && *current < wanted) {
      write(path, *current, wanted);
    }
  }

 private:
  std::string file(std::string_view path) const { return (root_ / path).string(); }

  std::optional<std::int64_t> read(std::string_view path, std::int64_t wanted) {
    try {
      const std::string text = trimmed(read_file(file(path)));
      if (const auto value = parse_integer(text)) {
        return value;
      }
      warn(path, wanted, fmt::format("it reads \"{}\"", text));
    } catch (const std::system_error& error) {
      warn(path, wanted, fmt::format("it cannot be read: {}", error.code().message()));
    }
    return std::nullopt;
  }

  void write(std::string_view path, std::int64_t current, std::int64_t wanted) {
    try {
      write_file(file(path), fmt::format("{}", wanted));
      report_.changes.push_back(fmt::format("{}: {} -> {}", setting_name(path), current, wanted));
    } catch (const std::system_error& error) {
      warn(
          path,
          wanted,
          fmt::format("it stays {}: {}; set it on the node, or run with --init-only and privileges",
                      current,
                      error.code().message()));
    }
  }

  void warn(std::string_view path, std::int64_t wanted, std::string_view why) {
    report_.warnings.push_back(
        fmt::format("{} should be {}, but {}", setting_name(path), wanted, why));
  }

  const std::filesystem::path& root_;
  SysctlReport report_;
};

std::int64_t whole_seconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
}

std::int64_t most_connections(const ConntrackSettings& conntrack, int cpus) {
  const std::int64_t scaled = std::int64_t{conntrack.max_per_core} * cpus;
  return scaled > kMostConnections ? kMostConnections
                                   : std::max(scaled, std::int64_t{conntrack.min});
}

// CPUs in a list such as "0-3,8"; 0 for text of another form.
int count_cpus(std::string_view list) {
  std::int64_t count = 0;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    const std::string_view range = list.substr(0, comma);
    const std::size_t dash = range.find('-');
    const auto first = parse_integer(range.substr(0, dash));
    const auto last =
        dash == std::string_view::npos ? first : parse_integer(range.substr(dash + 1));
    if (!first || !last || *last < *first || *last > 65535) {
      return 0;
    }
    count += *last - *first + 1;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return static_cast<int>(count);
}

}  // namespace

SysctlReport Sysctl::apply_conntrack(const ConntrackSettings& conntrack) const {
  Settings settings(root_);
  if (conntrack.max_per_core > 0) {
    const std::int64_t most = most_connections(conntrack, online_cpus());
    settings.ensure("proc/sys/net/netfilter/nf_conntrack_max", most);
    settings.ensure_at_least(kHashSize, most / 4);
  }
  const auto ensure_timeout = [&settings](std::string_view path, std::chrono::nanoseconds timeout) {
    if (timeout.count() > 0) {
      settings.ensure(path, whole_seconds(timeout));
    }
  };
  ensure_timeout("proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established",
                 conntrack.tcp_established_timeout);
  ensure_timeout("proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close_wait",
                 conntrack.tcp_close_wait_timeout);
  if (conntrack.tcp_be_liberal) {
    settings.ensure("proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal", 1);
  }
  ensure_timeout("proc/sys/net/netfilter/nf_conntrack_udp_timeout", conntrack.udp_timeout);
  ensure_timeout("proc/sys/net/netfilter/nf_conntrack_udp_timeout_stream",
                 conntrack.udp_stream_timeout);
  return settings.take();
}

SysctlReport Sysctl::allow_localhost_node_ports() const {
  Settings settings(root_);
  settings.ensure("proc/sys/net/ipv4/conf/all/route_localnet", 1);
  return settings.take();
}

SysctlReport Sysctl::set_oom_score_adjustment(std::int32_t value) const {
  Settings settings(root_);
  settings.ensure("proc/self/oom_score_adj", value);
  return settings.take();
}

bool Sysctl::tcp_is_liberal() const {
  try {
    const std::string path =
        (root_ / "proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal").string();
    return parse_integer(trimmed(read_file(path))).value_or(0) != 0;
  } catch (const std::system_error&) {
    return false;
  }
}

bool Sysctl::has_ipv6() const {
  try {
    read_file((root_ / "proc/net/if_inet6").string());
  } catch (const std::system_error&) {
    return false;
  }
  try {
    const std::string path = (root_ / "proc/sys/net/ipv6/conf/all/disable_ipv6").string();
    return trimmed(read_file(path)) != "1";
  } catch (const std::system_error&) {
    return true;
  }
}

int Sysctl::online_cpus() const {
  int count = 0;
  try {
    count = count_cpus(trimmed(read_file((root_ / "sys/devices/system/cpu/online").string())));
  } catch (const std::system_error&) {
    count = 0;  // no sysfs: what this process may use has to do
  }
  return std::max(1, count > 0 ? count : static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace proxy
