#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "proxy/backends/variant.h"
#include "test/support/golden.h"
#include "test/support/network_namespace.h"
#include "test/support/node_lab.h"
#include "test/support/traffic.h"

// What the tests share in which a node changes hands under traffic. All of it is IPv4.

namespace test {

/// A node of that variant, as kubelet marks it, in the network namespace that the thread is in from
/// now on, with an endpoint of its own, 10.244.1.5, and two elsewhere, 10.244.2.5 and .6, that
/// answer at that port.
class HandoverNode {
 public:
  HandoverNode(proxy::Variant variant, std::uint16_t port);

  const NodeLab& lab() const { return lab_; }

 private:
  NetworkNamespace network_;
  NodeLab lab_;
  EchoServer here_;
  EchoServer there_;
};

std::vector<rules::SocketAddress> at(std::initializer_list<const char*> addresses,
                                     std::uint16_t port);

/// Packets that each rule of the endpoints has counted, by its text.
std::map<std::string, std::uint64_t> endpoint_packets(proxy::Variant variant);

/// Rules that were there and are not, or have been written again: their counters began anew.
std::vector<std::string> rewritten(const std::map<std::string, std::uint64_t>& before,
                                   const std::map<std::string, std::uint64_t>& after);

/// Programs the node once, as kube-proxy's flags of that case say; fails the test if that fails.
void take_over(const Golden& golden, rules::Layout layout = rules::Layout::kKubeProxy);

/// Ends the traffic, and fails the test if any of it failed.
void check_unharmed(Traffic& traffic);

}  // namespace test
