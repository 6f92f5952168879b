#include "proxy/http/connection.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <exception>
#include <utility>
#include <variant>

#include <poll.h>
#include <sys/socket.h>

#include "proxy/log/logging.h"

namespace proxy {

namespace {

// After the last response the client may still be sending; closing at once would reset the
// connection and take the response with it.
constexpr std::chrono::seconds kDrainDeadline{1};

constexpr std::size_t kReadSize = 4096;

bool would_block() {
  return errno == EAGAIN || errno == EINTR;
}

}  // namespace

HttpConnection::HttpConnection(Descriptor socket, const HttpDeadlines& deadlines, TimePoint now)
    : socket_(std::move(socket)), deadlines_(deadlines), deadline_(now + deadlines.request) {}

short HttpConnection::awaited_events() const {
  return state_ == State::kWriting || state_ == State::kBetween ? POLLOUT : POLLIN;
}

bool HttpConnection::proceed(const Handler& handler, TimePoint now) {
  switch (state_) {
    case State::kReading:
      return receive(now) && answer_next_request(handler, now);
    case State::kWriting:
      return send(now);
    case State::kBetween:
      state_ = State::kReading;
      return answer_next_request(handler, now);
    case State::kDraining:
      return drain();
  }
  return false;
}

bool HttpConnection::receive(TimePoint now) {
  std::array<char, kReadSize> buffer{};
  const ssize_t size = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
  if (size <= 0) {
    return size < 0 && would_block();
  }
  if (received_.empty()) {
    deadline_ = std::min(deadline_, now + deadlines_.request);
  }
  received_.append(buffer.data(), static_cast<std::size_t>(size));
  return true;
}

/// Only one: a client that sends many at once must not keep the others waiting.
bool HttpConnection::answer_next_request(const Handler& handler, TimePoint now) {
  const ParsedRequest parsed = parse_request(received_);
  if (std::holds_alternative<Incomplete>(parsed)) {
    return true;
  }
  if (const auto* whole = std::get_if<WholeRequest>(&parsed)) {
    answer(handler, *whole);
    received_.erase(0, whole->size);
  } else {
    const int status = std::get<BadRequest>(parsed).status;
    keep_alive_ = false;
    response_ = to_wire(text_response(status, ""), {.keep_alive = false});
    received_.clear();
  }
  state_ = State::kWriting;
  sent_ = 0;
  deadline_ = now + deadlines_.response;
  return send(now);
}

void HttpConnection::answer(const Handler& handler, const WholeRequest& whole) {
  Response response;
  try {
    response = handler(whole.request);
  } catch (const std::exception& error) {
    log_error("HTTP request failed", {{"path", whole.request.path}, {"error", error.what()}});
    response = text_response(500, std::string("internal error: ") + error.what() + "\n");
  }
  keep_alive_ = whole.keep_alive;
  response_ =
      to_wire(response, {.keep_alive = keep_alive_, .has_body = whole.request.method != "HEAD"});
}

bool HttpConnection::send(TimePoint now) {
  while (sent_ < response_.size()) {
    const ssize_t size =
        ::send(socket_.get(), response_.data() + sent_, response_.size() - sent_, MSG_NOSIGNAL);
    if (size < 0) {
      return would_block();
    }
    sent_ += static_cast<std::size_t>(size);
  }
  response_ = {};
  if (keep_alive_) {
    state_ = received_.empty() ? State::kReading : State::kBetween;
    deadline_ = now + (received_.empty() ? deadlines_.idle : deadlines_.request);
    return true;
  }
  state_ = State::kDraining;
  deadline_ = now + kDrainDeadline;
  return ::shutdown(socket_.get(), SHUT_WR) == 0;
}

bool HttpConnection::drain() {
  std::array<char, kReadSize> buffer{};
  const ssize_t size = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
  return size > 0 || (size < 0 && would_block());
}

}  // namespace proxy
