#include "proxy/explain/reach.h"

#include <algorithm>
#include <array>

#include "rules/names.h"

namespace proxy {
namespace {

using rules::IpAddress;
using rules::SocketAddress;

bool is_pod_address(const IpAddress& address, const rules::Context& context) {
  const auto* cidr = std::get_if<rules::Cidr>(&context.local_traffic);
  return cidr != nullptr && cidr->contains(address);
}

bool is_in_ranges(const IpAddress& address, const rules::ServicePort& port) {
  return std::any_of(port.source_ranges.begin(), port.source_ranges.end(), [&](const auto& range) {
    return range.contains(address);
  });
}

/// Packets that stand for the senders: one for each kind that the rules can tell apart.
class Senders {
 public:
  Senders(const rules::ServicePort& port, const rules::Context& context)
      : port_(port), context_(context) {}

  std::vector<std::pair<Sender, rules::Packet>> packets() const {
    std::vector<std::pair<Sender, rules::Packet>> packets;
    if (const auto* cidr = std::get_if<rules::Cidr>(&context_.local_traffic)) {
      packets.emplace_back(Sender::kPod, from(cidr->address));  // no pod's own: no hairpin
    } else if (const auto* pods = std::get_if<rules::LocalInterface>(&context_.local_traffic)) {
      packets.emplace_back(Sender::kPod, from(stranger()));
      packets.back().second.in_interface = pods->name;  // a "+" at its end fits its own pattern
    }
    packets.emplace_back(Sender::kNode, from(context_.node_ip));
    if (!port_.source_ranges.empty()) {
      packets.emplace_back(Sender::kOutside, from_elsewhere(port_.source_ranges.front().address));
    }
    packets.emplace_back(port_.source_ranges.empty() ? Sender::kOutside : Sender::kOutOfRanges,
                         from_elsewhere(stranger()));
    return packets;
  }

 private:
  static rules::Packet from(const IpAddress& source) {
    rules::Packet packet;
    packet.source = source;
    return packet;
  }

  /// By an interface that no rule names: none can have such a name.
  static rules::Packet from_elsewhere(const IpAddress& source) {
    rules::Packet packet = from(source);
    packet.in_interface = "/";
    return packet;
  }

  /// An address reserved for documentation that is neither a pod's nor in a source range.
  IpAddress stranger() const {
    const std::array<std::string_view, 3> ipv4 = {"192.0.2.1", "198.51.100.1", "203.0.113.1"};
    const std::array<std::string_view, 3> ipv6 = {"2001:db8::1", "3fff::1", "2001:db8:ffff::1"};
    const auto& candidates = context_.family == rules::Family::kIpv4 ? ipv4 : ipv6;
    const auto found =
        std::find_if(candidates.begin(), candidates.end(), [&](std::string_view text) {
          const IpAddress address = *IpAddress::parse(text);
          return !is_pod_address(address, context_) && !is_in_ranges(address, port_) &&
                 address != context_.node_ip;
        });
    return *IpAddress::parse(found != candidates.end() ? *found : candidates.front());
  }

  const rules::ServicePort& port_;
  const rules::Context& context_;
};

std::vector<IpAddress> local_addresses(const rules::Context& context) {
  std::vector<IpAddress> addresses{context.node_ip};
  if (context.node_port_addresses) {
    addresses.insert(
        addresses.end(), context.node_port_addresses->begin(), context.node_port_addresses->end());
  }
  return addresses;
}

/// One of the addresses that accept node ports, the node's own if it does.
IpAddress node_port_address(const rules::Context& context) {
  const auto& addresses = context.node_port_addresses;
  if (!addresses || addresses->empty() ||
      std::find(addresses->begin(), addresses->end(), context.node_ip) != addresses->end()) {
    return context.node_ip;
  }
  return addresses->front();
}

/// The chains that choose endpoints.
struct Spreaders {
  rules::ChainName cluster;
  rules::ChainName local;
};

rules::ChainName spreader_on(const std::vector<rules::Step>& path, const Spreaders& spreaders) {
  for (const rules::Step& step : path) {
    if (step.chain.name == spreaders.cluster || step.chain.name == spreaders.local) {
      return step.chain.name;
    }
  }
  return {};
}

Reach summarize(Sender sender, const rules::Trace& trace, const Spreaders& spreaders) {
  Reach reach{.sender = sender, .verdict = trace.outcomes.front().verdict};
  for (const rules::Outcome& outcome : trace.outcomes) {
    if (outcome.endpoint) {
      ++reach.endpoints;
      reach.masqueraded = outcome.masqueraded;
    }
  }
  if (reach.endpoints != 0) {
    reach.spread_by = spreader_on(trace.outcomes.front().path, spreaders);
  }
  return reach;
}

std::vector<Entrance> entrances(const rules::ServicePort& port, const rules::Context& context) {
  std::vector<Entrance> entrances{{Entrance::Kind::kClusterIp, {port.cluster_ip, port.port}, {}}};
  for (const IpAddress& address : port.external_ips) {
    entrances.push_back({Entrance::Kind::kExternalIp, {address, port.port}, {}});
  }
  for (const IpAddress& address : port.load_balancer_vips) {
    entrances.push_back({Entrance::Kind::kLoadBalancerIp, {address, port.port}, {}});
  }
  if (port.node_port != 0) {
    entrances.push_back(
        {Entrance::Kind::kNodePort, {node_port_address(context), port.node_port}, {}});
  }
  return entrances;
}

}  // namespace

std::string_view to_string(Sender sender) {
  switch (sender) {
    case Sender::kPod:
      return "pods";
    case Sender::kNode:
      return "this node";
    case Sender::kOutside:
      return "others";
    case Sender::kOutOfRanges:
      return "others, outside the source ranges";
  }
  return {};
}

std::string_view to_string(Entrance::Kind kind) {
  switch (kind) {
    case Entrance::Kind::kClusterIp:
      return "cluster IP";
    case Entrance::Kind::kExternalIp:
      return "external IP";
    case Entrance::Kind::kLoadBalancerIp:
      return "load balancer IP";
    case Entrance::Kind::kNodePort:
      return "node port";
  }
  return {};
}

std::vector<Entrance> trace_entrances(const rules::Tables& tables,
                                      const rules::ServicePortName& name,
                                      const rules::ServicePort& port,
                                      const rules::Context& context) {
  const std::vector<IpAddress> here = local_addresses(context);
  const auto senders = Senders(port, context).packets();
  const Spreaders spreaders{rules::cluster_policy_chain(name), rules::local_policy_chain(name)};
  std::vector<Entrance> traced = entrances(port, context);
  for (Entrance& entrance : traced) {
    for (auto [sender, packet] : senders) {
      packet.destination = entrance.address;
      packet.protocol = name.protocol;
      entrance.reach.push_back(summarize(sender, rules::trace(tables, packet, here), spreaders));
    }
  }
  return traced;
}

}  // namespace proxy
