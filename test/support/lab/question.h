#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "proxy/host/descriptor.h"
#include "rules/net.h"
#include "rules/service.h"
#include "test/support/lab/network.h"

namespace test::lab {

/// What a client asks an AnswerServer, perhaps by way of a Service.
struct Question {
  rules::SocketAddress to;
  rules::Protocol protocol = rules::Protocol::kTcp;
  std::size_t bytes = 1;             // of the request
  rules::SocketAddress source = {};  // port 0: any; no address: as the host chooses
  std::uint32_t mark = 0;            // of the packets
  std::chrono::milliseconds patience = std::chrono::seconds(3);
};

struct Answer {
  enum class Kind : std::uint8_t { kAnswered, kRefused, kSilence, kBroken };

  Kind kind = Kind::kSilence;
  std::string from;       // the server's name
  std::string client;     // the address that it saw
  std::size_t bytes = 0;  // that it got
  unsigned repeats = 0;   // SYNs that had to be sent again
  std::chrono::milliseconds after{0};

  bool is_answer() const { return kind == Kind::kAnswered; }
};

/// "pod-1a saw 10.244.1.5", "refused", "silence" or "broken".
std::string to_string(const Answer& answer);

/// A connection of TCP, or a flow of UDP, over which one may ask again and again.
class Conversation {
 public:
  /// Throws std::system_error if there is no socket for it.
  Conversation(const Host& from, const Question& question);

  /// Opens it at the first call. Once an answer was none, it stays so with TCP.
  Answer ask();

  const proxy::Descriptor& socket() const { return socket_; }

 private:
  Answer connect();
  Answer request();

  Question question_;
  proxy::Descriptor socket_;
  bool is_open_ = false;
};

/// One question in a connection, flow or association of its own.
Answer ask(const Host& from, const Question& question);

}  // namespace test::lab
