#include "proxy/sync/start_check.h"

#include <chrono>
#include <stdexcept>

#include <fmt/format.h>

#include "proxy/log/logging.h"

namespace proxy {

std::string missing_node(const std::string& name) {
  return fmt::format(
      "there is no Node {}: its zone, addresses and pod CIDRs are unknown (--hostname-override "
      "says "
      "which Node this is)",
      name);
}

FamilyFindings check_families(const LocalNode& node, const Store::Update& update) {
  const NodeFacts facts = update.node_facts();
  const rules::Family primary = node_ips(context_settings(node.config), facts.addresses).primary;
  FamilyFindings findings = check_families(node.config, primary, node.families, facts.pod_cidrs);
  if (!update.node) {
    findings.warnings.push_back(missing_node(node.name));
  } else if (node.config.detect_local_mode == "NodeCIDR" && facts.pod_cidrs.empty()) {
    findings.warnings.emplace_back(
        "spec.podCIDRs of the node is empty: no traffic counts as a local pod's until it is set");
  }
  return findings;
}

void report_findings(const FamilyFindings& findings) {
  for (const std::string& warning : findings.warnings) {
    log_warning("The configuration may be incomplete or incorrect", {{"reason", warning}});
  }
  if (!findings.fatal.empty()) {
    throw std::runtime_error(fmt::format("the configuration does not suit this node: {}",
                                         fmt::join(findings.fatal, "; ")));
  }
}

bool StartCheck::passes(rules::Family family, const std::stop_token& stop) {
  std::optional<Store::Update> update;
  while (!update) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::hours(1);
    update = store_.wait(family, 0, {deadline}, stop);
    if (stop.stop_requested()) {
      return false;
    }
  }
  const k8sclient::MutexLock lock(mutex_);
  if (!verdict_) {
    verdict_ = check(*update);
  }
  return *verdict_;
}

bool StartCheck::check(const Store::Update& update) {
  try {
    report_findings(check_families(node_, update));
    return true;
  } catch (const std::runtime_error& error) {
    on_fatal_(error.what());
    return false;
  }
}

}  // namespace proxy
