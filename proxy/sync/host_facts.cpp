#include "proxy/sync/host_facts.h"

#include "proxy/host/node_addresses.h"
#include "proxy/kernel/sysctl.h"

namespace proxy {

HostFacts read_host() {
  return {.name = host_name(),
          .addresses = interface_addresses(),
          .capabilities = {.tcp_be_liberal = Sysctl().tcp_is_liberal()}};
}

rules::Context context_for(const Config& config,
                           const std::string& node_name,
                           const HostFacts& host,
                           const Store::Update& update,
                           bool large_cluster) {
  return make_context(config,
                      {.family = update.snapshot->family,
                       .node_name = node_name,
                       .node = update.node_facts(),
                       .host_addresses = host.addresses,
                       .capabilities = host.capabilities,
                       .large_cluster = large_cluster});
}

}  // namespace proxy
