#include "proxy/backends/host_matches.h"

#include <cstdint>
#include <optional>
#include <string>
#include <system_error>

#include "proxy/host/process.h"
#include "proxy/legacy/xtables_socket.h"
#include "proxy/nft/extensions.h"

namespace proxy {

namespace {

constexpr rules::Family kFamily = rules::Family::kIpv4;  // these matches are of no family

/// iptables asks the kernel before it tells how a match is used.
bool tells_use(const IptablesChoice& choice, const std::string& match) {
  return run({.argv = {program(kFamily, choice.variant, ""), "-m", match, "-h"}}).status == 0;
}

/// Nothing if the host does not tell.
std::optional<bool> has_match(const IptablesChoice& choice,
                              const std::string& name,
                              std::uint8_t revision) {
  try {
    if (!choice.in_process) {
      const bool is_there = tells_use(choice, name);
      return is_there || tells_use(choice, "comment") ? std::optional(is_there) : std::nullopt;
    }
    return choice.variant == Variant::kLegacy
               ? XtablesSocket(kFamily).has_match(name, revision)
               : nft_has_extension(kFamily, {.name = name, .revision = revision});
  } catch (const std::system_error&) {
    return std::nullopt;
  }
}

}  // namespace

bool has_hairpin_match(const IptablesChoice& choice) {
  return has_match(choice, "bpf", 1).value_or(false);
}

bool has_affinity_match(const IptablesChoice& choice) {
  return has_match(choice, "recent", 1).value_or(true);
}

}  // namespace proxy
