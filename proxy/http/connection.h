#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>

#include "proxy/host/descriptor.h"
#include "proxy/http/message.h"
#include "proxy/http/request_reader.h"

namespace proxy {

using Handler = std::function<Response(const Request&)>;

/// How long a client may take.
struct HttpDeadlines {
  std::chrono::milliseconds request{5'000};  // from its first byte (or the connection) to its last
  std::chrono::milliseconds response{30'000};  // to take the whole response
  std::chrono::milliseconds idle{90'000};      // between requests
};

/// One client: reads requests, answers each, and says when it is to be dropped. Driven by poll(2);
/// never blocks.
class HttpConnection {
 public:
  using Clock = std::chrono::steady_clock;
  using TimePoint = Clock::time_point;

  /// Handlers that throw are answered with 500.
  HttpConnection(Descriptor socket, const HttpDeadlines& deadlines, TimePoint now);

  int descriptor() const { return socket_.get(); }

  /// The events of poll(2) that it waits for.
  short awaited_events() const;

  /// Something happened on the socket. False: drop the connection.
  bool proceed(const Handler& handler, TimePoint now);

  /// When to drop it unless it proceeds.
  TimePoint deadline() const { return deadline_; }

  /// What waits to be written; empty: nothing.
  const Body& waiting() const { return body_; }

 private:
  enum class State {
    kReading,
    kWriting,
    kBetween,  // answered one request, and some of the next is here already
    kDraining
  };

  bool receive(TimePoint now);
  bool answer_next_request(const Handler& handler, TimePoint now);
  void answer(const Handler& handler, WholeRequest& whole);
  bool send(TimePoint now);
  bool drain();

  Descriptor socket_;
  HttpDeadlines deadlines_;
  bool from_this_host_ = false;
  State state_ = State::kReading;
  RequestReader requests_;
  std::string head_;  // of the response
  Body body_;
  std::size_t sent_ = 0;  // of both
  bool keep_alive_ = true;
  TimePoint deadline_;
};

}  // namespace proxy
