#include "proxy/backends/hairpin_match.h"

#include <system_error>

#include "proxy/host/process.h"
#include "proxy/legacy/xtables_socket.h"
#include "proxy/nft/extensions.h"

namespace proxy {

bool has_hairpin_match(const IptablesChoice& choice) {
  constexpr rules::Family kFamily = rules::Family::kIpv4;  // the match is of no family
  try {
    if (choice.in_process) {
      return choice.variant == Variant::kLegacy
                 ? XtablesSocket(kFamily).has_match("bpf", 1)
                 : nft_has_extension(kFamily, {.name = "bpf", .revision = 1});
    }
    // iptables asks the kernel before it tells how a match is used.
    return run({.argv = {program(kFamily, choice.variant, ""), "-m", "bpf", "-h"}}).status == 0;
  } catch (const std::system_error&) {
    return false;
  }
}

}  // namespace proxy
