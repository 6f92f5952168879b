#include "proxy/config/watch.h"

#include <utility>

#include "proxy/config/file.h"

namespace proxy {
namespace {

void copy_live_fields(const Config& from, Config& to) {
  to.iptables.masquerade_bit = from.iptables.masquerade_bit;
  to.iptables.masquerade_all = from.iptables.masquerade_all;
  to.detect_local_mode = from.detect_local_mode;
  to.detect_local = from.detect_local;
  to.cluster_cidr = from.cluster_cidr;
  to.node_port_addresses = from.node_port_addresses;
  to.iptables_layout = from.iptables_layout;
}

void copy_fields_without_effect(const Config& from, Config& to) {
  to.ipvs = from.ipvs;
  to.nftables = from.nftables;
  to.winkernel = from.winkernel;
  to.port_range = from.port_range;
  to.windows_run_as_service = from.windows_run_as_service;
  to.client_connection.qps = from.client_connection.qps;
  to.client_connection.burst = from.client_connection.burst;
  to.client_connection.accept_content_types = from.client_connection.accept_content_types;
  to.config_sync_period = from.config_sync_period;
  to.enable_profiling = from.enable_profiling;
  to.logging.flush_frequency = from.logging.flush_frequency;
  to.logging.vmodule = from.logging.vmodule;
  to.logging.text_streams = from.logging.text_streams;
  to.logging.json_streams = from.logging.json_streams;
}

}  // namespace

ConfigChange take_over(const Config& running, const Config& read) {
  ConfigChange change{.config = running};
  copy_live_fields(read, change.config);
  change.taken_over = changed_fields(running, change.config);
  copy_fields_without_effect(read, change.config);
  change.need_restart = changed_fields(change.config, read);
  return change;
}

ConfigWatch::ConfigWatch(Flags flags, Config running)
    : flags_(std::move(flags)),
      running_(std::move(running)),
      watch_({flags_.config}),
      first_(read()),
      warned_of_(first_.warnings) {}

void ConfigWatch::run(const std::stop_token& stop, const Sink& sink) {
  ConfigChange change = std::exchange(first_, {});
  while (true) {
    if (!change.taken_over.empty() || !change.need_restart.empty() || !change.errors.empty() ||
        change.warnings != warned_of_) {
      running_ = change.config;
      warned_of_ = change.warnings;
      sink(change);
    }
    if (!watch_.wait(stop)) {
      return;
    }
    change = read();
  }
}

ConfigChange ConfigWatch::read() const {
  try {
    CheckedConfig read = to_config(flags_);
    ConfigChange change = take_over(running_, read.config);
    change.warnings = std::move(read.warnings);
    return change;
  } catch (const ConfigErrors& errors) {
    return {.config = running_, .errors = errors.lines()};
  }
}

}  // namespace proxy
