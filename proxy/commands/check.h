#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/cluster/left_out.h"
#include "proxy/config/config.h"
#include "proxy/text/colour.h"
#include "rules/net.h"
#include "rules/service.h"

namespace proxy {

/// One line of `iptproxy check`.
struct Finding {
  enum class Level : std::uint8_t { kOk, kWarning, kError };

  Level level = Level::kOk;
  std::string topic;   // "API server", "kernel", ...
  std::string text;    // what was found
  std::string advice;  // what to do about it; empty if nothing
};

/// Sends JSON to a path of the API server and returns the answer's body; throws what Transport
/// throws.
using PostJson = std::function<std::string(const std::string& path, const std::string& json)>;

/// Asks the API server for a path; the answer's body.
using GetJson = std::function<std::string(const std::string& path)>;

/// Whether each request that the proxy makes is allowed: asks the API server itself
/// (SelfSubjectAccessReview). Pure but for `post`, whose exceptions become findings.
std::vector<Finding> check_authorization(const PostJson& post, std::string_view node_name);

/// Asks the API server for its version, and for one object of each list that the proxy keeps, with
/// the selectors that the proxy asks with: what access control alone does not tell. `get` throws as
/// PostJson does; its exceptions become findings.
std::vector<Finding> check_lists(const GetJson& get, std::string_view node_name);

/// Each match and target that rules use, tried in a network namespace of its own: the host's tables
/// are not touched. `programs` are the restore programs to try them with. Without the right to make
/// a namespace it cannot be told, which is a warning.
std::vector<Finding> check_kernel(const std::vector<std::string>& programs);

/// Variants, versions and rules of others; conntrack size; sysctls; whether kube-proxy still runs.
std::vector<Finding> check_host(const Config& config);

/// What a running daemon on this node says of itself, from the text of its /metrics: age of each
/// watch, quarantined services. Pure.
std::vector<Finding> check_daemon(std::string_view metrics);

/// Services that claim another's cluster IP as an external address, and those that are left out.
/// Pure.
std::vector<Finding> check_services(const rules::Snapshot& snapshot,
                                    std::span<const LeftOut> left_out);

/// A line for each finding, errors with what to do, and a last line that counts.
std::string to_text(const std::vector<Finding>& findings, Colour colour);
std::string to_json(const std::vector<Finding>& findings);

bool has_errors(const std::vector<Finding>& findings);

}  // namespace proxy
