#include "proxy/cluster.h"

#include <chrono>
#include <stdexcept>
#include <stop_token>

#include "proxy/feed.h"
#include "proxy/logging.h"
#include "proxy/node_addresses.h"
#include "proxy/start_check.h"
#include "proxy/sysctl.h"
#include "proxy/translate.h"
#include "proxy/worker.h"

namespace proxy {

namespace {

/// How long a command waits for the lists of an API server.
constexpr std::chrono::seconds kListPatience{30};

NodeFacts facts_of(const Store::Update& update) {
  return update.node ? translate(*update.node) : NodeFacts{};
}

}  // namespace

HostFacts read_host() {
  return {.name = host_name(),
          .addresses = interface_addresses(),
          .capabilities = {.tcp_be_liberal = Sysctl().tcp_is_liberal()}};
}

Cluster::Cluster(const Config& config, const HostFacts& host)
    : config_(config),
      host_(host),
      node_name_(node_name(config, host.name)),
      store_({.node_name = node_name_,
              .allow_service_external_ips = allows_service_external_ips(config)},
             Store::Time::clock::now()) {
  if (!config.sources.empty()) {
    load_files(config, store_);
  } else {
    const Feed feed(config, store_, [](const std::string&) {});
    const auto deadline = std::chrono::steady_clock::now() + kListPatience;
    if (!store_.wait(rules::Family::kIpv4, 0, deadline, std::stop_token())) {
      throw std::runtime_error("the API server did not deliver its lists: " + feed.first_error());
    }
  }
  if (!store_.latest(rules::Family::kIpv4)->node) {
    log_warning("The rules may be incomplete", {{"reason", missing_node(node_name_)}});
  }
  local_addresses_ =
      host_addresses(facts_of(*store_.latest(rules::Family::kIpv4)).addresses, host_.addresses);
}

rules::Ruleset Cluster::ruleset(rules::Family family) {
  const Store::Update update = *store_.latest(family);
  HostFacts node_host = host_;
  node_host.addresses = local_addresses_;
  const bool large = is_large_cluster(update.snapshot->endpoints, false);
  return rules::Compiler{}.compile(*update.snapshot,
                                   context_for(config_, node_name_, node_host, update, large));
}

rules::Context context_for(const Config& config,
                           const std::string& node_name,
                           const HostFacts& host,
                           const Store::Update& update,
                           bool large_cluster) {
  return make_context(config,
                      {.family = update.snapshot->family,
                       .node_name = node_name,
                       .node = facts_of(update),
                       .host_addresses = host.addresses,
                       .capabilities = host.capabilities,
                       .large_cluster = large_cluster});
}

}  // namespace proxy
