#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "proxy/config/config.h"
#include "proxy/config/flags.h"
#include "proxy/host/file_watch.h"

namespace proxy {

/// What a changed configuration file means for a running proxy.
struct ConfigChange {
  Config config;                          // to go on with
  std::vector<std::string> taken_over;    // fields that `config` has from the file
  std::vector<std::string> need_restart;  // fields that differ in the file and stay as they are
  std::vector<std::string> errors;        // the file is invalid: nothing is taken over
  std::vector<std::string> warnings;      // what does not count in a file that is valid

  bool operator==(const ConfigChange&) const = default;
};

/// Takes over what only the compiler's context depends on (mark, masquerading, local traffic, node
/// port addresses). The rest needs privileges, sockets or connections that were set up at the
/// start; of that, fields without effect are taken over silently. Pure.
ConfigChange take_over(const Config& running, const Config& read);

/// Follows the configuration file of a running proxy. For one thread.
class ConfigWatch {
 public:
  using Sink = std::function<void(const ConfigChange& change)>;

  /// `flags` have a configuration file; `running` is what to_config() made of them, maybe a while
  /// ago: what has changed since is the first change.
  ConfigWatch(Flags flags, Config running);

  /// Calls `sink` for each change of the file that changes a field or the warnings about it, or is
  /// invalid, until stopped.
  void run(const std::stop_token& stop, const Sink& sink);

 private:
  ConfigChange read() const;

  Flags flags_;
  Config running_;
  FileWatch watch_;
  ConfigChange first_;                  // read when the watch was set up
  std::vector<std::string> warned_of_;  // in the file as it was last
};

}  // namespace proxy
