#include "proxy/config/field_advice.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "proxy/config/fields.h"
#include "proxy/text/spelling.h"

namespace proxy {
namespace {

struct FormerField {
  std::string_view path;
  std::string_view advice;
};

// Fields of earlier versions of the API, and what was never one but is written all the same.
constexpr FormerField kFormerFields[] = {
    {"udpIdleTimeout", "Kubernetes dropped it with the userspace mode, remove it"},
    {"resourceContainer", "Kubernetes dropped it, remove it"},
    {"conntrack.max",
     "Kubernetes dropped it for conntrack.maxPerCore and conntrack.min, remove it"},
    {"conntrackMax", "Kubernetes dropped it for conntrack.maxPerCore and conntrack.min, remove it"},
    {"conntrackMaxPerCore", "it is conntrack.maxPerCore now"},
    {"conntrackMin", "it is conntrack.min now"},
    {"conntrackTCPEstablishedTimeout", "it is conntrack.tcpEstablishedTimeout now"},
    {"conntrackTCPCloseWaitTimeout", "it is conntrack.tcpCloseWaitTimeout now"},
    {"iptablesMasqueradeBit", "it is iptables.masqueradeBit now"},
    {"iptablesSyncPeriodSeconds", "it is iptables.syncPeriod now"},
    {"kubeconfigPath", "it is clientConnection.kubeconfig now"},
    {"healthzPort", "it is healthzBindAddress now"},
    {"metricsPort", "it is metricsBindAddress now"},
    {"proxyMode", "it is mode"},
    {"metadata", "this file is no object of the API, remove it"},
    {"spec", "the fields stand at the top of this file"},
};

/// Lists the paths of all fields, sections included.
class Paths {
 public:
  template <typename T>
  void field(std::string_view name, const T& /*value*/) {
    paths_.push_back(prefix_ + std::string(name));
  }

  void loose_duration(std::string_view name, ConfigDuration value) { field(name, value); }

  void quantity(std::string_view name, const std::string& value) { field(name, value); }

  template <typename Visit>
  void section(std::string_view name, Visit visit) {
    field(name, 0);
    const std::string outer = std::exchange(prefix_, fmt::format("{}{}.", prefix_, name));
    visit(*this);
    prefix_ = outer;
  }

  std::vector<std::string> take() { return std::move(paths_); }

 private:
  std::string prefix_;
  std::vector<std::string> paths_;
};

std::vector<std::string> all_paths() {
  Paths paths;
  const Config config;
  visit_fields(config, paths);
  paths.field("apiVersion", 0);
  paths.field("kind", 0);
  return paths.take();
}

std::string_view last_part(std::string_view path) {
  return path.substr(path.rfind('.') + 1);  // npos + 1 is 0
}

std::string_view parent(std::string_view path) {
  return path.substr(0, path.size() - last_part(path).size());
}

/// Smaller is likelier; nothing below 3 is a guess worth telling.
std::size_t distance(std::string_view written, std::string_view known) {
  constexpr std::size_t kFarAway = 99;
  const std::size_t letters = letters_apart(last_part(written), last_part(known));
  if (parent(written) == parent(known)) {
    return letters * 2 < last_part(written).size() ? letters : kFarAway;
  }
  return letters == 0 ? 2 : kFarAway;  // in another section: a slip of the indentation
}

}  // namespace

std::string field_advice(std::string_view path) {
  const auto former = std::ranges::find(kFormerFields, path, &FormerField::path);
  if (former != std::end(kFormerFields)) {
    return std::string(former->advice);
  }
  const std::vector<std::string> known = all_paths();
  const auto likeliest = std::ranges::min_element(
      known, {}, [path](const std::string& candidate) { return distance(path, candidate); });
  return distance(path, *likeliest) <= 2 ? fmt::format("did you mean {}?", *likeliest)
                                         : "remove it";
}

}  // namespace proxy
