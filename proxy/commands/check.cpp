#include "proxy/commands/check.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "k8sclient/errors.h"
#include "k8sclient/objects/query.h"
#include "k8sclient/objects/quote.h"
#include "k8sclient/objects/yaml.h"
#include "proxy/report/health.h"
#include "proxy/text/json.h"
#include "rules/address_clash.h"

namespace proxy {

namespace {

using Level = Finding::Level;

std::string_view name_of(Level level) {
  switch (level) {
    case Level::kOk:
      return "ok";
    case Level::kWarning:
      return "warning";
    case Level::kError:
      return "error";
  }
  return {};
}

/// What the proxy asks of the API server (spec §10.5).
struct Access {
  std::string_view verb;
  std::string_view group;
  std::string_view resource;
  bool own_node;  // only the node's own object
  Level if_denied;
};

constexpr Access kRequests[] = {
    {"list", "", "services", false, Level::kError},
    {"watch", "", "services", false, Level::kError},
    {"list", "discovery.k8s.io", "endpointslices", false, Level::kError},
    {"watch", "discovery.k8s.io", "endpointslices", false, Level::kError},
    {"list", "", "nodes", true, Level::kError},
    {"watch", "", "nodes", true, Level::kError},
    {"create", "events.k8s.io", "events", false, Level::kWarning},
};

std::string review_of(const Access& request, std::string_view node_name) {
  JsonObject attributes;
  attributes.text("verb", request.verb)
      .text("group", request.group)
      .text("resource", request.resource);
  if (request.own_node) {
    attributes.text("name", node_name);
  }
  return JsonObject()
      .text("apiVersion", "authorization.k8s.io/v1")
      .text("kind", "SelfSubjectAccessReview")
      .object("spec", JsonObject().object("resourceAttributes", attributes))
      .str();
}

/// A SelfSubjectAccessReview with its status filled in. Throws if the answer is none.
bool is_allowed(const std::string& answer) {
  const auto documents = k8sclient::parse_yaml(answer);  // JSON is YAML
  const auto* allowed = k8sclient::find_field(
      k8sclient::find_field(documents.empty() ? nullptr : &documents[0], "status"), "allowed");
  const auto* value = allowed == nullptr ? nullptr : std::get_if<bool>(&allowed->value);
  if (value == nullptr) {
    throw std::runtime_error("the answer says nothing about it (status.allowed is missing)");
  }
  return *value;
}

/// `what` went wrong so that nothing else needs to be asked.
Finding no_answer(std::string_view what, const std::exception& error) {
  return {Level::kError,
          "API server",
          fmt::format("{}: {}", what, error.what()),
          "check the address, the network and the credentials (--kubeconfig, --master)"};
}

Finding check_version(const GetJson& get) {
  const auto documents = k8sclient::parse_yaml(get("/version"));
  const auto* version =
      k8sclient::find_field(documents.empty() ? nullptr : &documents[0], "gitVersion");
  const auto* text = version == nullptr ? nullptr : std::get_if<std::string>(&version->value);
  return {Level::kOk,
          "API server",
          fmt::format("version {}; 1.20 and 1.36 have been tried",
                      text == nullptr ? "unknown" : k8sclient::on_one_line(*text)),
          ""};
}

Finding check_list(const GetJson& get, k8sclient::Query query) {
  const std::string what = fmt::format("one of the {}", query.resource);
  try {
    get(k8sclient::newest_version_path(query));
    return {Level::kOk, "API server", what + " was listed", ""};
  } catch (const k8sclient::ApiError& error) {
    constexpr int kBadRequest = 400;
    if (error.status() != kBadRequest || !query.is_field_selector_optional) {
      return {Level::kError,
              "API server",
              fmt::format("{}: {}", what, error.what()),
              "the list that `run` needs is refused: look at the server's log"};
    }
  }
  const std::string selector = std::exchange(query.field_selector, {});
  query.is_field_selector_optional = false;
  Finding without = check_list(get, std::move(query));
  without.text += fmt::format(", without {} (servers before 1.31 refuse it)", selector);
  return without;
}

std::size_t count(const std::vector<Finding>& findings, Level level) {
  return static_cast<std::size_t>(
      std::count_if(findings.begin(), findings.end(), [&](const Finding& finding) {
        return finding.level == level;
      }));
}

}  // namespace

std::vector<Finding> check_authorization(const PostJson& post, std::string_view node_name) {
  std::vector<Finding> findings;
  for (const Access& request : kRequests) {
    const std::string what = fmt::format("{} {}", request.verb, request.resource);
    try {
      const bool allowed = is_allowed(post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                                           review_of(request, node_name)));
      findings.push_back(
          {allowed ? Level::kOk : request.if_denied,
           "API server",
           fmt::format("{}: {}", what, allowed ? "allowed" : "not allowed"),
           allowed ? ""
                   : "bind this identity to ClusterRole system:node-proxier (deploy/rbac.yaml)"});
    } catch (const std::exception& error) {
      findings.push_back(no_answer(what, error));
      return findings;  // the others would say the same
    }
  }
  return findings;
}

std::vector<Finding> check_lists(const GetJson& get, std::string_view node_name) {
  std::vector<Finding> findings;
  std::string_view what = "version";
  try {
    findings.push_back(check_version(get));
    what = "lists";
    for (auto& query : {k8sclient::services_query(),
                        k8sclient::endpoint_slices_query(),
                        k8sclient::node_query(node_name)}) {
      findings.push_back(check_list(get, query));
    }
  } catch (const std::exception& error) {
    findings.push_back(no_answer(what, error));
  }
  return findings;
}

std::vector<Finding> check_daemon(std::string_view metrics) {
  constexpr std::string_view kWatchAge = "iptproxy_watch_age_seconds{resource=\"";
  constexpr std::string_view kQuarantined = "iptproxy_quarantined_services{";
  constexpr std::string_view kOtherProxies = "iptproxy_other_proxies ";
  constexpr double kStaleSeconds = std::chrono::duration<double>(kWatchDeadline).count();
  if (metrics.find("iptproxy_build_info") == std::string_view::npos &&
      metrics.find("kubeproxy_sync_proxy_rules") != std::string_view::npos) {
    return {{Level::kWarning,
             "kube-proxy",
             "a kube-proxy answers at the metrics address: it runs on this node",
             "stop it before `run`: both would write the same chains"}};
  }
  std::vector<Finding> findings;
  while (!metrics.empty()) {
    const std::string_view line = metrics.substr(0, metrics.find('\n'));
    metrics.remove_prefix(std::min(line.size() + 1, metrics.size()));
    const std::size_t blank = line.rfind(' ');
    if (blank == std::string_view::npos) {
      continue;
    }
    const double value = std::strtod(std::string(line.substr(blank + 1)).c_str(), nullptr);
    if (line.starts_with(kWatchAge)) {
      const std::string_view rest = line.substr(kWatchAge.size());
      const bool is_stale = value >= kStaleSeconds;
      findings.push_back(
          {is_stale ? Level::kError : Level::kOk,
           "daemon",
           fmt::format(
               "watch of {} was last heard {:.0f} s ago", rest.substr(0, rest.find('"')), value),
           is_stale ? "what this node knows may be stale: look at its log and at the API server"
                    : ""});
    } else if (line.starts_with(kQuarantined) && value > 0) {
      findings.push_back({Level::kWarning,
                          "daemon",
                          fmt::format("{:.0f} service ports are quarantined", value),
                          "the log and /statusz name them and the reason"});
    } else if (line.starts_with(kOtherProxies) && value > 0) {
      findings.push_back({Level::kWarning,
                          "daemon",
                          "another proxy writes the same rules on this node",
                          "its log says what it is (\"Another proxy\"): stop one of them"});
    }
  }
  return findings;
}

std::vector<Finding> check_services(const rules::Snapshot& snapshot,
                                    std::span<const LeftOut> left_out) {
  std::vector<Finding> findings;
  for (const rules::AddressClash& clash : rules::address_clashes(snapshot)) {
    findings.push_back({Level::kWarning,
                        "Services",
                        fmt::format("{} claims {}, the cluster IP of {}",
                                    to_string(clash.claimant),
                                    to_string(clash.address),
                                    to_string(clash.owner)),
                        "remove that external address; feature gate AllowServiceExternalIPs=false "
                        "keeps all external IPs out"});
  }
  for (const LeftOut& service : left_out) {
    findings.push_back(
        {Level::kWarning,
         "Services",
         fmt::format("{}/{} gets no rules: it would take up to {}",
                     service.name_space,
                     service.service,
                     service.rules),
         "split it, or allow more with --max-rules-per-service where the memory is there"});
  }
  return findings;
}

std::string to_text(const std::vector<Finding>& findings, Colour colour) {
  std::string out;
  for (const Finding& finding : findings) {
    const auto* code = finding.level == Level::kOk        ? "32"
                       : finding.level == Level::kWarning ? "33"
                                                          : "31";
    const std::string level = fmt::format("{:<7}", name_of(finding.level));
    out += colour == Colour::kAlways ? fmt::format("\x1b[{}m{}\x1b[0m", code, level) : level;
    out += fmt::format("  {:<10}  {}\n", finding.topic, finding.text);
    if (!finding.advice.empty()) {
      out += fmt::format("{:21}-> {}\n", "", finding.advice);
    }
  }
  out += fmt::format("{} ok, {} to look at, {} in the way.\n",
                     count(findings, Level::kOk),
                     count(findings, Level::kWarning),
                     count(findings, Level::kError));
  return out;
}

std::string to_json(const std::vector<Finding>& findings) {
  return json_array(findings,
                    [](const Finding& finding) {
                      return JsonObject()
                          .text("level", name_of(finding.level))
                          .text("topic", finding.topic)
                          .text("text", finding.text)
                          .text("advice", finding.advice)
                          .str();
                    }) +
         "\n";
}

bool has_errors(const std::vector<Finding>& findings) {
  return count(findings, Level::kError) > 0;
}

}  // namespace proxy
