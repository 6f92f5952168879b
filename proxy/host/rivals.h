#pragma once

#include <cstdint>
#include <span>
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

/// What answers on the ports of a proxy for metrics (10249) and health (10256) as a proxy does, on
/// a loopback address: "what answers on port 10249". So a proxy is seen that shares the host's
/// network and nothing else. `own` are ports that this process listens on, which are not asked.
/// Takes at most a second for each port. Never fails: what does not answer is none.
std::vector<std::string> answering_proxies(std::span<const std::uint16_t> own);

/// Whether a command line (words ending in zero bytes, as in /proc) is that of our daemon.
bool is_daemon(std::string_view command_line);

}  // namespace proxy
