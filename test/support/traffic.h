#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "rules/net.h"
#include "test/support/node_lab.h"

namespace test {

/// Sends back whatever reaches some addresses of a site, by TCP and UDP alike, on a thread of its
/// own. Ready when it is made.
class EchoServer {
 public:
  EchoServer(const NodeLab& lab, Site site, std::vector<rules::SocketAddress> addresses);

 private:
  std::latch ready_{1};
  std::jthread thread_;
};

/// Clients at one site that talk to one service address as fast as a real one might, each on a
/// thread of its own, and count what goes wrong.
class Traffic {
 public:
  enum class Kind : std::uint8_t {
    kNewConnections,   // one request each
    kHeldConnections,  // many, opened once and used in turn
    kNewFlows,         // of UDP, one datagram each
    kHeldFlow,
  };

  static constexpr std::array kKinds{
      Kind::kNewConnections, Kind::kHeldConnections, Kind::kNewFlows, Kind::kHeldFlow};

  struct Count {
    Kind kind = Kind::kNewConnections;
    std::uint64_t requests = 0;
    std::uint64_t failures = 0;  // refused, timed out, broken, or a lost SYN
    std::string first_failure;
  };

  Traffic(const NodeLab& lab, Site site, const rules::SocketAddress& service);

  /// Whether every client has had this many answers by now or within twenty seconds more.
  bool reaches(std::uint64_t requests) const;

  /// Ends the clients.
  std::vector<Count> stop();

 private:
  struct Client {
    Count count;
    std::atomic<std::uint64_t> answered{0};
  };

  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::jthread> threads_;  // use the clients
};

const char* name_of(Traffic::Kind kind);

}  // namespace test
