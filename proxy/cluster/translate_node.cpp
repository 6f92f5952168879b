#include <algorithm>
#include <utility>

#include "proxy/cluster/notes.h"
#include "proxy/cluster/translate.h"

namespace proxy {

namespace {

constexpr std::string_view kAutoscalerTaint = "ToBeDeletedByClusterAutoscaler";

bool is_eligible(const k8sclient::Node& node) {
  return !node.is_being_deleted &&
         std::ranges::find(node.taint_keys, kAutoscalerTaint) == node.taint_keys.end();
}

}  // namespace

NodeTranslation translate(const k8sclient::Node& node) {
  NodeFacts result;
  result.zone = node.zone.value_or("");
  Notes notes("Node", node.name);
  for (const std::string_view type : {"InternalIP", "ExternalIP"}) {
    for (const k8sclient::NodeAddress& entry : node.addresses) {
      if (entry.type != type) {
        continue;
      }
      const auto address = rules::IpAddress::parse(entry.address);
      if (!address) {
        notes.dropped("status.addresses", entry.address, "not an IP address");
      } else if (result.addresses.empty() ||
                 (result.addresses.size() == 1 &&
                  result.addresses.front().family() != address->family())) {
        result.addresses.push_back(*address);
      }
    }
  }
  for (const std::string& text : node.pod_cidrs) {
    if (const auto cidr = rules::Cidr::parse(text)) {
      result.pod_cidrs.push_back(*cidr);
    } else {
      notes.dropped("spec.podCIDRs", text, "not a CIDR");
    }
  }
  result.eligible = is_eligible(node);
  return {.node = std::move(result), .warnings = notes.take()};
}

}  // namespace proxy
