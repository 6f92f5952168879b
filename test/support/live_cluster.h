#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "test/support/api_client.h"
#include "test/support/program.h"
#include "test/support/temporary_folder.h"

namespace test {

/// Paths of the real programs, from the environment.
struct ClusterPrograms {
  std::string kube_apiserver;  // KUBE_APISERVER
  std::string etcd;            // ETCD
  std::string kube_proxy;      // KUBE_PROXY

  /// Nothing unless all three variables are set.
  static std::optional<ClusterPrograms> from_environment();
};

/// A Service that leads port 80 to 8080 of its endpoints, by TCP as port "http" or by UDP as port
/// "udp", or both.
struct LiveService {
  std::string name;  // in namespace default
  std::string cluster_ip;
  std::vector<std::string> endpoints;
  bool has_tcp = true;
  bool has_udp = false;
};

/// etcd and kube-apiserver in the current network namespace, with one Node and nothing else. A
/// server that does not know EndpointSlices v1 (before 1.21) gets a second one on the same etcd
/// where v1 is a custom resource, since one server cannot have both; each slice is written to both.
class LiveCluster {
 public:
  static constexpr const char* kNode = "worker-1";

  /// Whose EndpointSlices.
  enum class Reader : std::uint8_t { kIptproxy, kKubeProxy };

  /// Returns when it is ready. `address` is one of this namespace. Throws std::system_error, and
  /// std::runtime_error with the end of the log if a server does not come up.
  LiveCluster(ClusterPrograms programs, std::string address);

  /// A kubeconfig for it; the path.
  std::string kubeconfig(Reader reader) const;

  /// Flags with which both proxies do the same.
  std::vector<std::string> flags(Reader reader) const;

  /// The slice, of which nobody takes notice without its Service.
  void add_endpoints(const LiveService& service);

  void add_service(const LiveService& service);

  /// Replaces the endpoints in the slice, last where `reader` sees it.
  void change_endpoints(const LiveService& service, Reader reader);

  void remove(const LiveService& service);

  const std::filesystem::path& folder() const { return folder_.path(); }

 private:
  struct Server {
    std::uint16_t port;
    std::string slice_version;
    std::unique_ptr<Program> process;
    ApiClient client;
  };

  Server start(std::uint16_t port, const std::vector<std::string>& more_flags);
  void make_custom_slices();
  Server& server_for(Reader reader);
  const Server& server_for(Reader reader) const;

  ClusterPrograms programs_;
  std::string address_;
  TemporaryFolder folder_;
  std::unique_ptr<Program> etcd_;
  std::vector<Server> servers_;  // kube-proxy's first, iptproxy's last; perhaps the same
};

}  // namespace test
