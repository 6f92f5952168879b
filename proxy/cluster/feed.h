#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "k8sclient/watch/reflector.h"
#include "k8sclient/watch/transport.h"
#include "proxy/cluster/object_file.h"
#include "proxy/cluster/store.h"
#include "proxy/config/config.h"

namespace proxy {

/// The cluster's way into the Store: three watches of an API server, or files that are watched. Its
/// threads end with it. Objects that are malformed are logged and left out.
class Feed {
 public:
  /// Called from the feed's threads when something ended for good: a path that does not exist.
  using OnFailure = std::function<void(const std::string& error)>;

  /// Starts at once. Throws when the configuration leads nowhere: ConfigErrors (no such file),
  /// k8sclient::KubeconfigError, k8sclient::TransportError.
  /// `on_request` is told of each request to the API server; it may be empty.
  Feed(const Config& config,
       Store& store,
       OnFailure on_failure,
       k8sclient::OnRequest on_request = {});

  /// How well each watch is doing; empty for files.
  std::vector<k8sclient::WatchStatus> watches() const;

  /// Why the first of the lists that are missing is missing, in one line.
  std::string first_error() const;

  /// For events; null for files.
  k8sclient::Transport* transport() { return transport_.get(); }

 private:
  void watch_api(const Config& config, Store& store, k8sclient::OnRequest on_request);
  void watch_files(const Config& config, Store& store, OnFailure on_failure);

  std::unique_ptr<k8sclient::Transport> transport_;
  std::unique_ptr<k8sclient::Reflector<k8sclient::Service>> services_;
  std::unique_ptr<k8sclient::Reflector<k8sclient::EndpointSlice>> slices_;
  std::unique_ptr<k8sclient::Reflector<k8sclient::Node>> node_;
  std::vector<std::jthread> threads_;  // last: they end before what they use
};

/// Credentials and address of the API server: the kubeconfig, else the pod's service account;
/// --master replaces the address (spec §10.5). Throws k8sclient::KubeconfigError.
k8sclient::ApiServer api_server(const Config& config);

/// A connection to that API server, under our name. Logs the warnings about it.
std::unique_ptr<k8sclient::Transport> connect(const Config& config,
                                              k8sclient::OnRequest on_request = {});

/// What was read of a cluster.
struct LoadReport {
  std::size_t skipped = 0;  // objects that are malformed
  bool is_whole = true;     // false: nobody knows which objects are missing (ClusterObjects)
};

/// The manifests that the configuration names. Throws ConfigErrors if a path cannot be read or
/// holds no object.
ClusterObjects read_files(const Config& config);

/// Fills the store once with them; errors and notes are logged.
LoadReport load_objects(ClusterObjects objects, Store& store);

}  // namespace proxy
