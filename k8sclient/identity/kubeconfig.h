#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "k8sclient/errors.h"
#include "k8sclient/identity/pem.h"

namespace k8sclient {

/// A command that prints credentials (client.authentication.k8s.io).
struct ExecPlugin {
  std::string api_version;  // "client.authentication.k8s.io/v1" or ".../v1beta1"
  std::string command;      // absolute, or a name to look for in PATH
  std::vector<std::string> arguments;
  std::vector<std::pair<std::string, std::string>> environment;  // added to ours
  std::string install_hint;
  bool provide_cluster_info = false;

  bool operator==(const ExecPlugin&) const = default;
};

/// Where the API server is, how to know that it is the right one, and who we are.
struct ApiServer {
  std::string url;              // https://host:port, perhaps with a path; see complete_url()
  Pem ca;                       // empty: the system's authorities
  std::string tls_server_name;  // empty: the host of the URL
  bool insecure_skip_tls_verify = false;
  std::string proxy_url;  // empty: none
  Pem client_certificate;
  Pem client_key;
  std::string token;                 // bearer token
  std::filesystem::path token_file;  // read again as it rotates; outranks token
  std::optional<ExecPlugin> exec;
  std::vector<std::string> notes;  // what of the kubeconfig was passed over, one line each

  bool operator==(const ApiServer&) const = default;
};

/// What is allowed but should not stay so, one line each, for the log: a server that anybody can
/// pretend to be, a token that anybody can read, and `notes`.
std::vector<std::string> warnings(const ApiServer& server);

/// The URL of a server as client-go completes it: without a scheme it is https:// if TLS is spoken
/// of anywhere (an authority, a client certificate, insecure-skip-tls-verify), else http://; the
/// scheme is written small. Throws KubeconfigError, without a place, when that is no URL of a
/// server.
std::string complete_url(const ApiServer& server);

/// The server and user of a context of a kubeconfig; of its `current-context` if `context` is
/// empty. Relative paths are resolved against the file's folder, and the files that are referred to
/// must be readable. Only the first document counts, and only the chosen context is looked at
/// closely. As lenient as client-go: empty texts count as absent, unknown keys are passed over (and
/// noted). Throws KubeconfigError.
ApiServer read_kubeconfig(const std::filesystem::path& path, std::string_view context = {});

/// The server and service account of the pod that this process runs in, from the environment
/// variables KUBERNETES_SERVICE_HOST and _PORT (spec §10.5). Throws KubeconfigError outside of a
/// cluster.
ApiServer read_service_account(
    const std::filesystem::path& folder = "/var/run/secrets/kubernetes.io/serviceaccount");

}  // namespace k8sclient
