#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proxy/host/descriptor.h"
#include "test/support/lab/network.h"

namespace test::lab {

// SCTP (RFC 9260) as far as one request and its answer need it, over raw sockets: kernels of test
// machines often have no SCTP sockets, but track and translate its packets.

/// Takes associations at some ports of a host's address. Each DATA chunk is answered by one with
/// the line of AnswerServer.
class SctpServer {
 public:
  /// Throws std::system_error.
  SctpServer(const Host& host, rules::Family family, std::vector<std::uint16_t> ports);

  /// Is readable when there is something to serve.
  int socket() const { return socket_.get(); }

  /// Reads one packet and answers it.
  void serve();

 private:
  std::string name_;
  std::vector<std::uint16_t> ports_;
  proxy::Descriptor socket_;
  std::map<std::pair<std::string, std::uint16_t>, std::uint32_t> tags_;  // peers'
};

/// Opens an association with INIT and COOKIE ECHO, sends a DATA chunk and waits for the answer's:
/// its line. "refused" if ICMP says so; nothing if no answer comes in time.
std::optional<std::string> ask_by_sctp(const Host& from,
                                       const rules::SocketAddress& to,
                                       std::chrono::milliseconds patience);

}  // namespace test::lab
