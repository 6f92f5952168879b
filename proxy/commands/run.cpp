#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>

#include <fmt/format.h>
#include <pthread.h>

#include "proxy/cluster/feed.h"
#include "proxy/commands/commands.h"
#include "proxy/config/watch.h"
#include "proxy/host/node_addresses.h"
#include "proxy/host/per_family.h"
#include "proxy/host/service_manager.h"
#include "proxy/kernel/ipvs_mode.h"
#include "proxy/kernel/nftables_mode.h"
#include "proxy/kernel/sysctl.h"
#include "proxy/log/logging.h"
#include "proxy/report/reporter.h"
#include "proxy/sync/context.h"
#include "proxy/sync/family_sync.h"
#include "proxy/sync/start_check.h"

namespace proxy {

namespace {

constexpr std::chrono::seconds kListPatience{60};

void log_sysctls(const SysctlReport& report) {
  for (const std::string& change : report.changes) {
    log_info("Kernel setting changed", {{"setting", change}});
  }
  for (const std::string& warning : report.warnings) {
    log_warning("Kernel setting stays", {{"setting", warning}});
  }
}

void set_localhost_sysctl(const Config& config) {
  if (wants_localhost_node_ports(context_settings(config))) {
    log_sysctls(Sysctl().allow_localhost_node_ports());
  }
}

ConntrackSettings conntrack_settings(const ConntrackConfig& config) {
  return {.max_per_core = config.max_per_core,
          .min = config.min,
          .tcp_established_timeout = config.tcp_established_timeout,
          .tcp_close_wait_timeout = config.tcp_close_wait_timeout,
          .tcp_be_liberal = config.tcp_be_liberal,
          .udp_timeout = config.udp_timeout,
          .udp_stream_timeout = config.udp_stream_timeout};
}

void set_sysctls(const Config& config) {
  const Sysctl sysctl;
  log_sysctls(sysctl.apply_conntrack(conntrack_settings(config.conntrack)));
  set_localhost_sysctl(config);
}

Store::Time now() {
  return Store::Time::clock::now();
}

TranslateOptions translate_options(const Config& config) {
  return {.node_name = node_name(config, host_name()),
          .allow_service_external_ips = allows_service_external_ips(config),
          .max_rules_per_service = config.max_rules_per_service};
}

/// Signals that end the daemon, blocked in this thread and all it starts, to be waited for.
sigset_t block_ending_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

/// Fills the store once; how many objects were left out.
std::size_t load(const Config& config, Store& store) {
  if (!config.sources.empty()) {
    const LoadReport report = load_objects(read_files(config), store);
    if (!report.is_whole) {
      throw ConfigErrors(
          {"a file was not read whole, and rules of its objects would be removed: "
           "nothing is changed"});
    }
    return report.skipped;
  }
  const Feed feed(config, store, [](const std::string&) {});
  const auto deadline = std::chrono::steady_clock::now() + kListPatience;
  if (!store.wait(rules::Family::kIpv4, 0, {deadline}, std::stop_token())) {
    throw std::runtime_error("the API server did not deliver its lists: " + feed.first_error());
  }
  std::size_t skipped = 0;
  for (const k8sclient::WatchStatus& watch : feed.watches()) {
    skipped += watch.malformed;
  }
  return skipped;
}

/// Whether the proxy could start with that configuration, as far as is known yet; says why not.
bool suits_node(LocalNode node, const Config& config, Store& store) {
  const auto update = store.latest(rules::Family::kIpv4);
  if (!update) {
    return true;
  }
  node.config = config;
  try {
    report_findings(check_families(node, *update));
    return true;
  } catch (const std::runtime_error& error) {
    log_error("The old configuration stays in force", {{"error", error.what()}});
    return false;
  }
}

void follow(const ConfigChange& change, const LocalNode& node, Store& store) {
  for (const std::string& error : change.errors) {
    log_error("The changed configuration is invalid; the old one stays in force",
              {{"error", error}});
  }
  for (const std::string& warning : change.warnings) {
    log_warning("Part of the configuration does not count", {{"reason", warning}});
  }
  for (const std::string& field : change.need_restart) {
    log_warning("This changed field needs a restart", {{"field", field}});
  }
  if (!change.taken_over.empty() && suits_node(node, change.config, store)) {
    log_info("Configuration reloaded",
             {{"fields", fmt::format("{}", fmt::join(change.taken_over, ", "))}});
    set_localhost_sysctl(change.config);
    node.current->set(change.config);
    store.wake();
  }
}

/// Takes over what a changed configuration file says, as far as a running proxy can. Does nothing
/// without a file.
std::jthread follow_config(const Flags& flags, const LocalNode& node, Store& store) {
  if (node.config.config_file.empty()) {
    return {};
  }
  return std::jthread([flags, &node, &store](std::stop_token stop) {
    try {
      ConfigWatch(flags, node.config).run(stop, [&](const ConfigChange& change) {
        follow(change, node, store);
      });
    } catch (const std::exception& error) {
      log_error("Changes of the configuration file need a restart from now on",
                {{"error", error.what()}});
    }
  });
}

/// Ends the process within a second even if a worker is in the middle of reading or writing a large
/// table: each commit is atomic, and the next start goes on from whatever is in the kernel.
void end_soon(int status) {
  std::thread([status] {
    constexpr std::chrono::milliseconds kGrace{700};
    std::this_thread::sleep_for(kGrace);
    std::_Exit(status);
  }).detach();
}

/// What of the configuration has no effect, or should be thought about.
void log_configuration(const Config& config, const Flags& flags) {
  for (const std::string& note : config_notes(config)) {
    log_info("Configuration", {{"note", note}});
  }
  if (const auto leftover = ipvs_leftover()) {
    log_warning("Another mode of kube-proxy is in the way", {{"reason", *leftover}});
  }
  for (const std::string& line : deprecated_flags(flags)) {
    log_warning("Deprecated", {{"note", line}});
  }
  for (const std::string& flag : ignored_flags(flags)) {
    log_warning("This flag has no effect: there is a configuration file", {{"flag", flag}});
  }
}

/// Of the families that have no rules here.
void remove_nftables_mode_of_others(const LocalNode& node) {
  for (const rules::Family family : kFamilies) {
    if (std::ranges::find(node.families, family) == node.families.end()) {
      remove_nftables_mode(family);
    }
  }
}

/// Until a signal of `signals` comes, which is returned: now and then what must be looked at, and
/// a word to the service manager, once a second until all rules are there. Its watchdog so barks if
/// this loop stands still, or a lock that a worker holds is never released; failed syncs are no
/// reason, as a restart mends none.
int watch_over(Reporter& reporter, const ServiceManager& service_manager, const sigset_t& signals) {
  constexpr timespec kAtFirst{.tv_sec = 1, .tv_nsec = 0};
  constexpr timespec kLater{.tv_sec = 10, .tv_nsec = 0};
  bool is_ready = false;
  bool is_told = false;
  while (true) {
    const int signal = sigtimedwait(&signals, nullptr, is_ready ? &kLater : &kAtFirst);
    if (signal >= 0) {
      return signal;
    }
    reporter.look_around();
    const Readiness readiness = reporter.readiness();
    is_ready = readiness.all_synced;
    is_told = is_told || (is_ready && service_manager.tell("READY=1"));
    service_manager.tell("WATCHDOG=1\nSTATUS=" + readiness.status);
  }
}

}  // namespace

int run_init(const Config& config) {
  set_sysctls(config);
  return 0;
}

int run_once(const Config& config) {
  Store store(translate_options(config), now());
  const std::size_t skipped =
      load(config, store);  // before anything is changed, so that bad input changes nothing
  set_sysctls(config);
  const LocalNode node = look_at_node(config);
  report_findings(check_families(node, *store.latest(rules::Family::kIpv4)));
  remove_nftables_mode_of_others(node);
  bool all_applied = true;
  for (const rules::Family family : node.families) {
    FamilySync sync(node, family, store);
    const SyncReport report = sync.worker().sync_once();
    sync.finish_flows();
    all_applied =
        all_applied && report.outcome != SyncReport::Outcome::kFailed && report.quarantined.empty();
  }
  constexpr int kIncomplete = 2;  // as `diff` and `render` have it
  return !all_applied ? 1 : skipped != 0 ? kIncomplete : 0;
}

int run_daemon(const Config& config, const Flags& flags) {
  const sigset_t signals = block_ending_signals();
  log_configuration(config, flags);
  const auto service_manager = ServiceManager::from_environment();
  std::atomic<int> status = 0;
  Store store(translate_options(config), now());
  const auto give_up = [&status](const std::string& error) {
    log_error("Cannot go on", {{"error", error}});
    status = 1;
    kill(getpid(), SIGTERM);
  };
  Metrics metrics;
  Feed feed(config, store, give_up, [&metrics](const k8sclient::RequestOutcome& outcome) {
    metrics.count(outcome);
  });
  set_sysctls(config);
  log_sysctls(Sysctl().set_oom_score_adjustment(config.oom_score_adj));
  const LocalNode node = look_at_node(config);
  remove_nftables_mode_of_others(node);
  node.iptables.lock->tell_waits([&metrics](std::chrono::nanoseconds waited) {
    metrics.xtables_lock_wait_seconds.observe(std::chrono::duration<double>(waited).count());
  });
  Reporter reporter(node, store, feed, metrics);
  reporter.serve();
  StartCheck start_check(node, store, give_up);
  std::vector<std::unique_ptr<FamilySync>> families;
  std::vector<std::jthread> workers;
  for (const rules::Family family : node.families) {
    auto& sync = families.emplace_back(std::make_unique<FamilySync>(
        node, family, store, [&reporter, family](const FamilyEvent& event) {
          reporter.on_event(family, event);
        }));
    workers.emplace_back([&, family, &worker = sync->worker()](std::stop_token stop) {
      try {
        if (worker.read_ahead(); start_check.passes(family, stop)) {
          worker.run(stop);
        }
      } catch (const std::exception& error) {
        give_up(error.what());
      }
    });
  }
  const std::jthread config_watch = follow_config(flags, node, store);
  const int signal = watch_over(reporter, service_manager, signals);
  service_manager.tell("STOPPING=1");
  log_info("Ending; the rules stay in place", {{"signal", signal}});
  end_soon(status);
  return status;
}

}  // namespace proxy
