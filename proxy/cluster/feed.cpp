#include "proxy/cluster/feed.h"

#include <exception>
#include <system_error>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "proxy/log/logging.h"
#include "proxy/text/build_info.h"

namespace proxy {

namespace {

template <typename T>
void apply(Store& store, k8sclient::Event<T> event) {
  for (const std::string& warning : store.apply(std::move(event))) {
    log_warning("Part of an object is ignored", {{"reason", warning}});
  }
}

void apply(Store& store, ClusterObjects objects) {
  for (const std::string& error : objects.errors) {
    log_error("Object skipped", {{"reason", error}});
  }
  for (const std::string& warning : objects.warnings) {
    log_warning("Manifests", {{"reason", warning}});
  }
  for (const std::string& note : objects.notes) {
    log_info("Manifests", {{"note", note}});
  }
  if (objects.empty()) {
    return;  // no cluster, and what the kernel holds stays
  }
  apply<k8sclient::Node>(store, k8sclient::Listed<k8sclient::Node>{std::move(objects.nodes)});
  apply<k8sclient::EndpointSlice>(
      store, k8sclient::Listed<k8sclient::EndpointSlice>{std::move(objects.slices)});
  apply<k8sclient::Service>(store,
                            k8sclient::Listed<k8sclient::Service>{std::move(objects.services)});
}

// What the flag --kube-api-content-type asks for: protobuf, unless it names something else.
k8sclient::Encoding wanted_encoding(const Config& config) {
  return config.client_connection.content_type.find("protobuf") == std::string::npos
             ? k8sclient::Encoding::kJson
             : k8sclient::Encoding::kProtobuf;
}

template <typename T>
std::unique_ptr<k8sclient::Reflector<T>> reflector(k8sclient::Transport& transport,
                                                   k8sclient::Query query,
                                                   Store& store,
                                                   const k8sclient::ReflectorSettings& settings) {
  const std::string resource = query.resource;
  return std::make_unique<k8sclient::Reflector<T>>(
      transport,
      std::move(query),
      [&store, resource](k8sclient::Event<T> event) {
        const bool is_list = std::holds_alternative<k8sclient::Listed<T>>(event);
        if (is_list) {
          log_step("listed", resource);
        }
        apply<T>(store, std::move(event));
        if (is_list) {
          log_step("joined", resource);
        }
      },
      settings);
}

}  // namespace

Feed::Feed(const Config& config,
           Store& store,
           OnFailure on_failure,
           k8sclient::OnRequest on_request) {
  if (config.sources.empty()) {
    watch_api(config, store, std::move(on_request));
  } else {
    watch_files(config, store, std::move(on_failure));
  }
}

void Feed::watch_api(const Config& config, Store& store, k8sclient::OnRequest on_request) {
  log_step("connecting", "API server");
  transport_ = connect(config, std::move(on_request));
  const k8sclient::ReflectorSettings settings{.encoding = wanted_encoding(config),
                                              .loss = std::make_shared<k8sclient::ServerLoss>()};
  services_ =
      reflector<k8sclient::Service>(*transport_, k8sclient::services_query(), store, settings);
  slices_ = reflector<k8sclient::EndpointSlice>(
      *transport_, k8sclient::endpoint_slices_query(), store, settings);
  node_ = reflector<k8sclient::Node>(
      *transport_, k8sclient::node_query(store.node_name()), store, settings);
  threads_.emplace_back([this](std::stop_token stop) { services_->run(stop); });
  threads_.emplace_back([this](std::stop_token stop) { slices_->run(stop); });
  threads_.emplace_back([this](std::stop_token stop) { node_->run(stop); });
}

void Feed::watch_files(const Config& config, Store& store, OnFailure on_failure) {
  threads_.emplace_back(
      [sources = config.sources, &store, on_failure = std::move(on_failure)](std::stop_token stop) {
        try {
          FileSource(sources).run(
              stop, [&](ClusterObjects objects) { apply(store, std::move(objects)); });
        } catch (const std::exception& error) {
          on_failure(error.what());
        }
      });
}

std::string Feed::first_error() const {
  for (const k8sclient::WatchStatus& watch : watches()) {
    if (!watch.is_synced && !watch.last_error.empty()) {
      return watch.resource + ": " + watch.last_error;
    }
  }
  return "no answer";
}

std::vector<k8sclient::WatchStatus> Feed::watches() const {
  if (!transport_) {
    return {};
  }
  return {services_->status(), slices_->status(), node_->status()};
}

k8sclient::ApiServer api_server(const Config& config) {
  const std::string& kubeconfig = config.client_connection.kubeconfig;
  k8sclient::ApiServer server;
  if (!kubeconfig.empty()) {
    server = k8sclient::read_kubeconfig(kubeconfig);
  } else if (config.master.empty()) {
    server = k8sclient::read_service_account();
  }
  if (!config.master.empty()) {
    server.url = config.master;
  }
  return server;
}

std::unique_ptr<k8sclient::Transport> connect(const Config& config,
                                              k8sclient::OnRequest on_request) {
  k8sclient::ApiServer server = api_server(config);
  for (const std::string& warning : k8sclient::warnings(server)) {
    log_warning("Connection to the API server", {{"warning", warning}});
  }
  return k8sclient::make_transport(std::move(server),
                                   fmt::format("iptproxy/{} (linux)", build_info().version),
                                   {},
                                   [on_request = std::move(on_request)](const auto& outcome) {
                                     log_step("answered", outcome.code);
                                     if (on_request) {
                                       on_request(outcome);
                                     }
                                   });
}

ClusterObjects read_files(const Config& config) {
  try {
    return load_objects(config.sources);
  } catch (const std::system_error& error) {
    throw ConfigErrors({error.what()});
  }
}

LoadReport load_objects(ClusterObjects objects, Store& store) {
  const LoadReport report{.skipped = objects.errors.size(), .is_whole = objects.is_whole};
  apply(store, std::move(objects));
  return report;
}

}  // namespace proxy
