#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <thread>

#include "bench/harness.h"
#include "proxy/host/descriptor.h"
#include "rules/service.h"

namespace bench {

/// A node in a network namespace of its own, which the calling thread enters for good, and its two
/// neighbours in namespaces behind veth pairs: a client with the address of a pod of this node, and
/// a far machine that has all addresses of the other nodes' pods, the endpoints of plain_cluster(),
/// and one of the internet. One listener there answers for all of them.
class PacketLab {
 public:
  PacketLab();
  ~PacketLab();
  PacketLab(const PacketLab&) = delete;
  PacketLab& operator=(const PacketLab&) = delete;

  /// Where the client is sent to in round i.
  using Target = std::function<rules::SocketAddress(std::size_t round)>;

  /// Opens and resets so many connections, one after the other: milliseconds of each connect().
  Timing connects(std::size_t runs, const Target& target) const;

  /// One datagram there and one back, from a new socket each time.
  Timing exchanges(std::size_t runs, const Target& target) const;

  // What is no Service's.
  static rules::SocketAddress pod();  // of another node
  static rules::SocketAddress internet();

 private:
  void serve();

  proxy::Descriptor client_;  // its namespace
  proxy::Descriptor far_;     // likewise
  proxy::Descriptor stream_;
  proxy::Descriptor datagrams_;
  std::atomic<bool> ends_{false};
  std::thread server_;
};

}  // namespace bench
