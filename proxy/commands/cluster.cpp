#include "proxy/commands/cluster.h"

#include <chrono>
#include <stdexcept>
#include <stop_token>
#include <utility>

#include <fmt/format.h>

#include "k8sclient/objects/manifests.h"
#include "proxy/cluster/feed.h"
#include "proxy/host/node_addresses.h"
#include "proxy/kernel/sysctl.h"
#include "proxy/log/logging.h"
#include "proxy/sync/context.h"
#include "proxy/sync/start_check.h"
#include "proxy/sync/worker.h"

namespace proxy {

namespace {

/// How long a command waits for the lists of an API server.
constexpr std::chrono::seconds kListPatience{30};

}  // namespace

Cluster::Cluster(const Config& config, const HostFacts& host)
    : config_(config),
      host_(host),
      node_name_(node_name(config, host.name)),
      store_({.node_name = node_name_,
              .allow_service_external_ips = allows_service_external_ips(config),
              .max_rules_per_service = config.max_rules_per_service},
             Store::Time::clock::now()) {
  if (!config.sources.empty()) {
    ClusterObjects objects = read_files(config);
    files_ = {objects.services, objects.slices, objects.has_endpoints};
    skipped_ = load_objects(std::move(objects), store_).skipped;
  } else {
    const Feed feed(config, store_, [](const std::string&) {});
    const auto deadline = std::chrono::steady_clock::now() + kListPatience;
    if (!store_.wait(rules::Family::kIpv4, 0, {deadline}, std::stop_token())) {
      throw std::runtime_error("the API server did not deliver its lists: " + feed.first_error());
    }
    for (const k8sclient::WatchStatus& watch : feed.watches()) {
      skipped_ += watch.malformed;
    }
  }
  if (!store_.latest(rules::Family::kIpv4)->node) {
    log_warning("The rules may be incomplete", {{"reason", missing_node(node_name_)}});
  }
  local_addresses_ =
      host_addresses(store_.latest(rules::Family::kIpv4)->node_facts().addresses, host_.addresses);
}

Survey Cluster::survey(const ServiceQuestion& question) const {
  if (!config_.sources.empty()) {
    return files_;
  }
  const auto api = connect(config_);
  const auto list = [&api](const std::string& path) {
    return k8sclient::decode_manifests(api->get(path, {}));
  };
  // Names are of letters, digits, "-" and ".", or there is no such Service.
  Survey survey;
  survey.services =
      list(fmt::format("/api/v1/services?fieldSelector=metadata.name%3D{}", question.service))
          .services;
  survey.slices = list(fmt::format("/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices"
                                   "?labelSelector=kubernetes.io%2Fservice-name%3D{}",
                                   question.name_space,
                                   question.service))
                      .slices;
  return survey;
}

rules::Ruleset Cluster::ruleset(rules::Family family) {
  const Store::Update update = *store_.latest(family);
  const ContextFacts facts{
      .family = family,
      .node_name = node_name_,
      .node = update.node_facts(),
      .host_addresses = local_addresses_,
      .capabilities = host_.capabilities,
      .large_cluster = is_large_cluster(update.snapshot->endpoints, false),
  };
  return rules::Compiler{}.compile(*update.snapshot,
                                   make_context(context_settings(config_), facts));
}

}  // namespace proxy
