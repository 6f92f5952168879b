#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "proxy/backends/variant.h"
#include "proxy/config/config.h"
#include "proxy/sync/host_facts.h"
#include "rules/net.h"

namespace proxy {

/// The configuration as it is now: a changed file may replace it while the proxy runs. Thread-safe.
class CurrentConfig {
 public:
  explicit CurrentConfig(Config config)
      : config_(std::make_shared<const Config>(std::move(config))) {}

  std::shared_ptr<const Config> get() const {
    const std::lock_guard lock(mutex_);
    return config_;
  }

  void set(Config config) {
    auto next = std::make_shared<const Config>(std::move(config));
    const std::lock_guard lock(mutex_);
    config_ = std::move(next);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Config> config_;
};

/// What the families of one process have in common.
struct LocalNode {
  Config config;                           // as it was at the start
  std::shared_ptr<CurrentConfig> current;  // with what was taken over since
  HostFacts host;
  std::string name;
  IptablesChoice iptables;
  std::vector<rules::Family> families;  // whose tables can be used; IPv4 first
};

/// Looks at the host and decides how rules are programmed; logs the choice and its reason. Throws
/// std::runtime_error if this host has no iptables, or this process may not use it.
LocalNode look_at_node(const Config& config);

}  // namespace proxy
