#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/text/colour.h"
#include "rules/compile.h"
#include "rules/tables.h"
#include "rules/trace.h"

namespace proxy {

/// Who sends a packet, as far as the rules of a Service tell senders apart.
enum class Sender : std::uint8_t {
  kPod,          // recognised by the local-traffic detector
  kNode,         // this node itself
  kOutside,      // anyone else; inside the source ranges if there are any
  kOutOfRanges,  // anyone else, outside the source ranges
};

std::string_view to_string(Sender sender);

/// What becomes of a new connection from one kind of sender to one address of a Service. It is
/// traced, not concluded.
struct Reach {
  Sender sender = Sender::kPod;
  rules::Verdict verdict = rules::Verdict::kAccept;
  std::size_t endpoints = 0;  // that it may end at; 0 with kAccept: no rule translates it
  bool masqueraded = false;
  rules::ChainName spread_by;  // the chain that chooses the endpoint; empty without endpoints
};

/// An address at which the Service is to be reached.
struct Entrance {
  enum class Kind : std::uint8_t { kClusterIp, kExternalIp, kLoadBalancerIp, kNodePort };

  Kind kind = Kind::kClusterIp;
  rules::SocketAddress address;  // of a node port: one of the node's addresses that accept it
  std::vector<Reach> reach;
};

std::string_view to_string(Entrance::Kind kind);

/// A chain with rules of the Service, and what they are for.
struct ChainPurpose {
  rules::ChainId chain;
  std::size_t rules = 0;  // of this Service
  std::string purpose;
};

struct EndpointUse {
  rules::Endpoint endpoint;
  rules::ChainName chain;               // empty if it gets no traffic at all
  std::optional<double> cluster_share;  // of traffic under policy Cluster, if any exists
  std::optional<double> local_share;    // of traffic under policy Local, if any exists
  std::string why_not;                  // why it is left out of one or both; empty if it is not
};

/// Everything to be said about one port of a Service on this node, one family.
struct ServiceExplanation {
  rules::ServicePortName name;
  std::shared_ptr<const rules::ServicePort> port;
  std::shared_ptr<const rules::Context> context;
  std::vector<Entrance> entrances;
  std::vector<ChainPurpose> chains;  // shared chains first, then those of the service port
  std::vector<EndpointUse> endpoints;
  rules::Block block;
};

/// The ports of "namespace/service", or of "namespace/service:port" (a name or a number) only these
/// (parse_question()). Sorted by name;
/// empty if the Ruleset has no such service port. Pure and total.
std::vector<ServiceExplanation> explain_service(const rules::Ruleset& ruleset,
                                                std::string_view service);

/// A packet and what becomes of it.
struct PacketExplanation {
  rules::Family family = rules::Family::kIpv4;
  rules::Packet packet;
  rules::Trace trace;
};

PacketExplanation explain_packet(const rules::Tables& tables,
                                 const rules::Packet& packet,
                                 std::span<const rules::IpAddress> local_addresses);

/// "10.96.0.11:80/tcp" or "[fd00::1]:53/udp"; tcp if no protocol is given.
std::optional<std::pair<rules::SocketAddress, rules::Protocol>> parse_destination(
    std::string_view text);

/// "10.244.0.5", "10.244.0.5:40000", "fd00::1" or "[fd00::1]:40000"; port 0 if none is given.
std::optional<rules::SocketAddress> parse_source(std::string_view text);

/// For people: aligned, several lines, ends with a newline.
std::string to_text(const ServiceExplanation& explanation, Colour colour);
std::string to_text(const PacketExplanation& explanation, Colour colour);

/// One JSON object and a newline. Shares are fractions of 1; absent shares are null.
std::string to_json(const ServiceExplanation& explanation);
std::string to_json(const PacketExplanation& explanation);

/// A Graphviz digraph of chains (boxes) and endpoints (ellipses); edges are rules, with what they
/// ask for.
std::string to_dot(const ServiceExplanation& explanation);
std::string to_dot(const PacketExplanation& explanation);

}  // namespace proxy
