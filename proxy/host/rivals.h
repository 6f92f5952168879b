#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace proxy {

/// Another process that keeps the rules of Services in this network namespace.
struct Rival {
  int process = 0;
  std::string name;  // "kube-proxy" or "iptproxy"

  bool operator==(const Rival&) const = default;
};

/// "kube-proxy (process 123)".
std::string to_string(const Rival& rival);

/// The other proxies that run beside this process, by number: those of kube-proxy, and of our own
/// program those that run as a daemon. Those of another network namespace do no harm and are left
/// out. In a container only processes of its own PID namespace are seen (hostPID shows all).
/// `proc` is where /proc is. Never fails: what cannot be looked at is none.
std::vector<Rival> find_rivals(const std::string& proc = "/proc");

/// Whether a command line (words ending in zero bytes, as in /proc) is that of our daemon.
bool is_daemon(std::string_view command_line);

}  // namespace proxy
