#pragma once

#include <memory>
#include <string>

#include "test/support/api_behaviours.h"
#include "test/support/certificates.h"
#include "test/support/network_namespace.h"
#include "test/support/program.h"
#include "test/support/temporary_folder.h"

namespace test {

/// etcd and kube-apiserver, from the paths in the environment variables ETCD and KUBE_APISERVER, in
/// a network namespace of their own. They end with the process, whatever happens to it.
class RealApi {
 public:
  /// The one of this process, started when it is first asked for, and entered by the caller's
  /// thread. Without the variables or the right to make a namespace the program exits with status
  /// 77, which CTest reports as skipped.
  static RealApi& instance();

  /// The administrator asks; the body of the answer. Fails the test unless it is 2xx.
  std::string request(const std::string& method,
                      const std::string& path,
                      const std::string& body = {},
                      const std::string& type = "application/json") const;

  /// For HTTP status: the same, but never fails.
  int status_of(const std::string& method,
                const std::string& path,
                const std::string& body,
                const std::string& type = "application/json") const;

  void make_namespace(const std::string& name);

  /// As ApiTwin has it.
  void put(const std::string& resource,
           const k8sclient::ObjectName& name,
           const std::string& fields,
           const Labels& labels = {});
  void remove(const std::string& resource, const k8sclient::ObjectName& name);

  /// Compacts etcd and starts the API server anew, whose cache reaches back to its start.
  void forget();

  void stop_server();
  void start_server();

  /// As administrator, through the relay.
  k8sclient::ApiServer server() const;

  /// A service account's token, good for an hour.
  std::string make_token(const std::string& name_space, const std::string& account) const;

  std::string authority() const { return authority_.certificate; }

  std::string url() const;

  Relay& relay() { return *relay_; }

 private:
  RealApi();

  void start_etcd();
  void launch_server();
  void serve_slices();
  std::string etcd(const std::string& path, const std::string& json) const;

  NetworkNamespace space_;
  TemporaryFolder folder_;
  Certificate authority_ = make_authority();
  std::string more_flags_;
  std::unique_ptr<Program> etcd_;
  std::unique_ptr<Program> server_;
  std::unique_ptr<Relay> relay_;
};

}  // namespace test
