#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "k8sclient/base/mutex.h"
#include "proxy/backends/variant.h"
#include "proxy/config/config.h"
#include "proxy/sync/context.h"
#include "proxy/sync/host_facts.h"
#include "rules/net.h"

namespace proxy {

/// The configuration as it is now: a changed file may replace it while the proxy runs. Thread-safe.
class CurrentConfig {
 public:
  /// `config` is valid, as is each that set() gets.
  explicit CurrentConfig(Config config) { set(std::move(config)); }

  std::shared_ptr<const Config> get() const {
    const k8sclient::MutexLock lock(mutex_);
    return config_;
  }

  /// What it says to the compiler.
  std::shared_ptr<const ContextSettings> settings() const {
    const k8sclient::MutexLock lock(mutex_);
    return settings_;
  }

  void set(Config config) {
    auto settings = std::make_shared<const ContextSettings>(context_settings(config));
    auto next = std::make_shared<const Config>(std::move(config));
    const k8sclient::MutexLock lock(mutex_);
    config_ = std::move(next);
    settings_ = std::move(settings);
  }

 private:
  mutable k8sclient::Mutex mutex_;
  std::shared_ptr<const Config> config_ GUARDED_BY(mutex_);
  std::shared_ptr<const ContextSettings> settings_ GUARDED_BY(mutex_);
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
