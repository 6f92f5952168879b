#include "proxy/sync/host_facts.h"

#include "proxy/host/node_addresses.h"
#include "proxy/kernel/sysctl.h"

namespace proxy {

HostFacts read_host() {
  return {.name = host_name(),
          .addresses = interface_addresses(),
          .capabilities = {.tcp_be_liberal = Sysctl().tcp_is_liberal()}};
}

}  // namespace proxy
