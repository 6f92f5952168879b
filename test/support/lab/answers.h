#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "proxy/host/descriptor.h"
#include "test/support/lab/network.h"
#include "test/support/lab/sctp.h"

namespace test::lab {

/// Answers at the addresses of a host, on a thread of its own, by TCP, UDP and SCTP, until it ends;
/// then who still asks is refused, and open connections are reset. A request by TCP is the number
/// of bytes that follow, a line end, and these bytes; by UDP it is a datagram. The answer is one
/// line: the host's name, the address of the client as it was seen, and the number of bytes.
class AnswerServer {
 public:
  /// Ready when it is made. Throws std::system_error.
  AnswerServer(const Host& host, const std::vector<std::uint16_t>& ports);
  ~AnswerServer();
  AnswerServer(const AnswerServer&) = delete;
  AnswerServer& operator=(const AnswerServer&) = delete;

  const std::string& name() const { return name_; }

  /// Connections of TCP that are open now.
  std::size_t open_connections() const { return open_connections_; }

 private:
  struct Connection {
    proxy::Descriptor socket;
    std::string client;
    std::string line;             // of the request, as far as it has come
    std::uint64_t announced = 0;  // bytes of the request
    std::uint64_t missing = 0;    // of these
    bool in_body = false;
  };

  void open(const Host& host, const rules::SocketAddress& address);
  void serve(const std::stop_token& stop);
  void accept(int listener);
  bool read(Connection& connection) const;
  bool take(Connection& connection, const char* bytes, std::size_t size) const;
  bool answer(const Connection& connection) const;
  static void answer_datagram(int socket, const std::string& name);

  std::string name_;
  std::vector<proxy::Descriptor> listeners_;
  std::vector<proxy::Descriptor> datagram_sockets_;
  std::vector<SctpServer> associations_;
  std::map<int, Connection> connections_;  // by descriptor
  std::atomic<std::size_t> open_connections_{0};
  proxy::Descriptor wake_;  // becomes readable when all is to end
  std::jthread thread_;
};

}  // namespace test::lab
