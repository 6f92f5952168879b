#include "proxy/host/port_holder.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

namespace proxy {

namespace {

constexpr std::string_view kListening = "0A";  // TCP_LISTEN

/// Adds the inodes of the sockets that listen on the port, from a file such as /proc/net/tcp.
void add_listeners(const char* file, std::uint16_t port, std::set<std::string>& inodes) {
  const std::string wanted = fmt::format(":{:04X}", port);
  std::ifstream table(file);
  std::string line;
  while (std::getline(table, line)) {
    // sl local_address rem_address st tx_queue:rx_queue tr:when retrnsmt uid timeout inode
    std::istringstream fields(line);
    std::string number, local, remote, state, queues, timer, retransmits, user, timeout, inode;
    fields >> number >> local >> remote >> state >> queues >> timer >> retransmits >> user >>
        timeout >> inode;
    if (state == kListening && local.ends_with(wanted)) {
      inodes.insert(inode);
    }
  }
}

bool holds_any(const std::filesystem::path& process, const std::set<std::string>& inodes) {
  std::error_code error;  // processes end, and some are not ours to look into
  std::filesystem::directory_iterator descriptors(process / "fd", error);
  for (; !error && descriptors != std::filesystem::directory_iterator();
       descriptors.increment(error)) {
    std::error_code gone;
    const std::string target = std::filesystem::read_symlink(*descriptors, gone).string();
    constexpr std::string_view kPrefix = "socket:[";
    if (target.starts_with(kPrefix) &&
        inodes.contains(target.substr(kPrefix.size(), target.size() - kPrefix.size() - 1))) {
      return true;
    }
  }
  return false;
}

std::string name_of(const std::filesystem::path& process) {
  std::string name = "?";
  std::ifstream file(process / "comm");
  std::getline(file, name);
  return name;
}

}  // namespace

std::optional<std::string> tcp_port_holder(std::uint16_t port) {
  std::set<std::string> inodes;
  add_listeners("/proc/thread-self/net/tcp", port, inodes);
  add_listeners("/proc/thread-self/net/tcp6", port, inodes);
  if (inodes.empty()) {
    return std::nullopt;
  }
  std::string holders;
  std::error_code error;
  std::filesystem::directory_iterator processes("/proc", error);
  for (; !error && processes != std::filesystem::directory_iterator(); processes.increment(error)) {
    const std::string pid = processes->path().filename();
    if (std::all_of(pid.begin(), pid.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
        holds_any(processes->path(), inodes)) {
      holders += fmt::format(
          "{}{} (pid {})", holders.empty() ? "" : ", ", name_of(processes->path()), pid);
    }
  }
  return holders.empty() ? std::nullopt : std::optional(holders);
}

}  // namespace proxy
