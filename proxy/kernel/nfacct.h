#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace proxy {

// The kernel's accounting objects: counters with a name that rules can refer to (nfacct match).
// kube-proxy makes these two and exports them as metrics; they are never deleted (spec §9.5).
inline constexpr std::string_view kInvalidDropsCounter = "ct_state_invalid_dropped_pkts";
inline constexpr std::string_view kLocalhostNodePortsCounter = "localhost_nps_accepted_pkts";

/// Whether the kernel knows accounting objects, in the network namespace of the calling thread.
/// Absence only costs two matches and two metrics. False without CAP_NET_ADMIN, too.
bool accounting_is_available();

/// Makes sure that the object exists, and tells whether it does: a rule that names a missing one is
/// refused with its whole table. Names have at most 31 bytes.
[[nodiscard]] bool ensure_accounting_object(std::string_view name);

/// Packets counted so far; nothing if there is no such object.
std::optional<std::uint64_t> accounted_packets(std::string_view name);

}  // namespace proxy
