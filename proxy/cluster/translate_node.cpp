#include "proxy/cluster/notes.h"
#include "proxy/cluster/translate.h"

namespace proxy {

NodeFacts translate(const k8sclient::Node& node) {
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
  result.warnings = notes.take();
  return result;
}

}  // namespace proxy
