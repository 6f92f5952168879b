#include "proxy/kernel/ipvs_mode.h"

#include <net/if.h>

namespace proxy {

std::optional<std::string> ipvs_leftover() {
  if (if_nametoindex("kube-ipvs0") == 0) {
    return std::nullopt;
  }
  return "the interface kube-ipvs0 of kube-proxy's ipvs mode is still there, so the node takes "
         "packets to Services itself: `kube-proxy --cleanup`, or `ipvsadm --clear` and `ip link "
         "delete kube-ipvs0`";
}

}  // namespace proxy
