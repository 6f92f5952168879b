#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "proxy/host/descriptor.h"
#include "rules/net.h"

namespace test {

/// Where a packet of the lab may start or end.
enum class Site : std::uint8_t { kNode, kPod, kHere, kThere, kOutside, kBeyond };

/// The addresses of one family's lab.
struct LabAddresses {
  rules::IpAddress node;
  rules::IpAddress loopback;
  rules::IpAddress pod;      // a pod of the node that only sends
  rules::IpAddress here;     // an endpoint on the node
  rules::IpAddress there_1;  // endpoints elsewhere
  rules::IpAddress there_2;
  rules::IpAddress client;
  rules::IpAddress stranger;  // like the client, in another network
  rules::Cidr pods;
  rules::Cidr client_network;
};

LabAddresses lab_addresses(rules::Family family);

/// What became of a connection or a datagram.
struct Observation {
  enum class Kind : std::uint8_t { kArrived, kRefused, kDropped };

  Kind kind = Kind::kDropped;
  rules::SocketAddress at;  // which listener it reached
  rules::IpAddress from;    // the source that the listener saw
};

/// Where the packets for service addresses end that the node does not translate: kBeyond has them
/// all.
std::vector<rules::Cidr> service_networks(rules::Family family);

/// A node in the current network namespace and its neighbours, each in a namespace of its own. All
/// that neighbours send goes through the node, replies as well, so that connections work whatever
/// the node translates. The near end of a neighbour's veth pair has the name link_name().
class NodeLab {
 public:
  explicit NodeLab(rules::Family family);

  void listen(Site site, const rules::SocketAddress& address, rules::Protocol protocol);

  /// Moves the calling thread there, for good. Throws std::system_error. Thread-safe.
  void enter(Site site) const;

  struct Sending {
    Site site = Site::kPod;
    rules::SocketAddress source;  // port 0: any
    rules::SocketAddress destination;
    rules::Protocol protocol = rules::Protocol::kTcp;
  };

  /// Opens a connection or sends a datagram, and waits until it arrives, is refused, or
  /// `is_dropped` says that it went nowhere. Fails the test if none comes true.
  Observation send(const Sending& sending, const std::function<bool()>& is_dropped);

 private:
  struct Listener {
    rules::SocketAddress address;
    rules::Protocol protocol;
    proxy::Descriptor socket;
  };

  void join(Site site, const std::vector<rules::IpAddress>& addresses);
  void lead_everything_else_to(Site site);
  proxy::Descriptor open_socket(Site site, const rules::SocketAddress& own, int type) const;
  Observation receive(const Listener& listener) const;

  rules::Family family_;
  std::map<Site, proxy::Descriptor> namespaces_;  // of the neighbours
  std::vector<Listener> listeners_;
};

/// "pod", "here", "there", "outside", "beyond"; empty for the node itself.
std::string link_name(Site site);

}  // namespace test
