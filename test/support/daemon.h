#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include <sys/types.h>

namespace test {

/// A program that runs beside this one, in the network namespace of the thread that started it,
/// until this object ends or this process does. What it prints goes to a file.
class Daemon {
 public:
  struct Command {
    std::vector<std::string> argv;         // argv[0] with its path
    std::vector<std::string> environment;  // "NAME=value", set besides ours
    std::filesystem::path log;             // appended to
  };

  /// Throws std::system_error if it cannot be started.
  explicit Daemon(const Command& command);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  bool is_running() const;

  /// Sends SIGTERM and waits for the end.
  void terminate();

  /// The largest resident set so far, without children; 0 once it has ended.
  std::size_t peak_rss_bytes() const;

  /// The largest resident set so far of any child that runs now; 0 without children.
  std::size_t child_rss_bytes() const;

 private:
  pid_t pid_ = -1;
};

/// A folder of symbolic links, for the front of PATH: iptables, ip6tables and their save and
/// restore lead to the programs of that variant ("legacy" or "nft"), as on a node of that kind.
std::filesystem::path make_iptables_links(const std::filesystem::path& folder,
                                          const std::string& variant);

}  // namespace test
