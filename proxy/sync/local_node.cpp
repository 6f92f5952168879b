#include "proxy/sync/local_node.h"

#include <stdexcept>

#include <unistd.h>

#include "proxy/backends/host_matches.h"
#include "proxy/host/per_family.h"
#include "proxy/kernel/sysctl.h"
#include "proxy/log/logging.h"

namespace proxy {

namespace {

/// Those that the host has and whose tables can be used (spec §8.3). Throws if there is none.
std::vector<rules::Family> usable_families(const IptablesChoice& iptables) {
  std::vector<rules::Family> usable;
  std::string reason = "IPv6 is off";
  for (const rules::Family family : kFamilies) {
    if (family == rules::Family::kIpv6 && !Sysctl().has_ipv6()) {
      log_info("IPv6 is off on this host: it is left out");
      continue;
    }
    const auto why_not = why_unusable(family, iptables);
    if (!why_not) {
      usable.push_back(family);
      continue;
    }
    reason = *why_not;
    log_warning("This host has no usable iptables for a family: it is left out",
                {{"family", to_string(family)}, {"reason", reason}});
  }
  if (usable.empty()) {
    throw std::runtime_error("iptables cannot be used on this host: " + reason);
  }
  return usable;
}

}  // namespace

LocalNode look_at_node(const Config& config) {
  if (geteuid() != 0) {
    throw std::runtime_error(
        "programming iptables needs root (or CAP_NET_ADMIN as user 0); try `render` or `diff "
        "--against`");
  }
  LocalNode node{
      .config = config, .current = std::make_shared<CurrentConfig>(config), .host = read_host()};
  node.name = node_name(config, node.host.name);
  const IptablesTraces traces = require_readable(look_for_iptables(config.iptables_backend));
  node.iptables = choose_iptables(config.iptables_backend, traces);
  if (!node.iptables.in_process && !traces.legacy.has_programs && !traces.nft.has_programs) {
    throw std::runtime_error(
        "iptables is not available on this host: no iptables-save and iptables-restore in PATH");
  }
  node.host.capabilities.random_fully = node.iptables.random_fully;
  node.families = usable_families(node.iptables);
  node.host.capabilities.hairpin_match = has_hairpin_match(node.iptables);
  node.host.capabilities.affinity_match = has_affinity_match(node.iptables);
  const rules::Layout layout = effective_layout(config.iptables_layout, node.host.capabilities);
  log_info("Programming rules",
           {{"through", describe(node.iptables)},
            {"iptables", node.iptables.version},
            {"layout", rules::to_string(layout)},
            {"reason", node.iptables.reason}});
  if (layout != config.iptables_layout) {
    log_warning("This node stays with the layout of kube-proxy", {{"reason", kNoHairpinMatch}});
  }
  if (!node.host.capabilities.affinity_match) {
    log_warning("This node serves Services without their session affinity",
                {{"reason", kNoAffinityMatch}});
  }
  for (const std::string& warning : node.iptables.warnings) {
    log_warning("Mixed iptables", {{"warning", warning}});
  }
  log_step("looked at", "this node");
  return node;
}

}  // namespace proxy
