#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rules/service.h"
#include "rules/tables.h"
#include "rules/trace.h"

namespace test {

/// The common set-up of kube-proxy's own tests (spec §12.1), in either family.
rules::Context common_context(rules::Family family = rules::Family::kIpv4);

/// The addresses of the node of that set-up, of both families.
std::span<const rules::IpAddress> common_local_addresses();

rules::IpAddress ip(std::string_view text);
rules::Cidr cidr(std::string_view text);

// Senders of the common set-up.
inline constexpr std::string_view kPod = "10.0.0.2";
inline constexpr std::string_view kNode = "192.168.0.2";
inline constexpr std::string_view kLocalhost = "127.0.0.1";
inline constexpr std::string_view kClient = "203.0.113.2";
inline constexpr std::string_view kBlockedClient = "203.0.113.130";

/// Where an endpoint runs, and the conditions of its slice.
enum class Place { kHere, kElsewhere };
enum class Condition { kReady, kUnready, kServingTerminating, kTerminating };

rules::Endpoint endpoint(std::string_view address,
                         Place place = Place::kElsewhere,
                         Condition condition = Condition::kReady);

/// "namespace/service:port/proto", or without ":port".
rules::ServicePortName port_name(std::string_view text);

/// Endpoints are put in order.
rules::ServicePortEntry service(std::string_view name, rules::ServicePort port);

/// One endpoint elsewhere, 10.180.0.1:80, and one here, 10.180.2.1:80, behind every kind of
/// address: 172.30.0.41:80, 192.168.99.12:80, 1.2.3.4:80 and node port 3001.
rules::ServicePort exposed_port();

/// The compiled rules as they stand on an otherwise empty node.
rules::Tables compile_tables(const rules::Context& context,
                             const std::vector<rules::ServicePortEntry>& services);

/// One packet and what becomes of it, as fate() words it.
struct PacketRow {
  std::string_view name;
  std::string_view source;
  std::string_view destination;  // "10.0.0.1:80" or "10.0.0.1:80/udp"; tcp if not said
  std::string_view fate;
};

rules::Packet packet(const PacketRow& row);

/// "10.180.0.1:80, 10.180.0.2:80 masq" for the endpoints that DNAT may choose, in the order of the
/// rules; "DROP", "REJECT", "ACCEPT", "ACCEPT masq" if rules decide so without DNAT; "-" if no rule
/// of anybody decides. A "?" follows where the share cannot be known.
std::string fate(const rules::Trace& trace);

/// Checks every row against the tracer, on the node of the common set-up.
void check_packets(const rules::Tables& tables, const std::vector<PacketRow>& rows);

}  // namespace test
