#include "proxy/http/connection.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <exception>
#include <utility>
#include <variant>

#include <poll.h>
#include <sys/socket.h>

#include "proxy/http/listen_socket.h"
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
    : socket_(std::move(socket)),
      deadlines_(deadlines),
      from_this_host_(has_loopback_peer(socket_)),
      deadline_(now + deadlines.request) {}

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
  if (!requests_.has_begun()) {
    deadline_ = std::min(deadline_, now + deadlines_.request);
  }
  requests_.receive({buffer.data(), static_cast<std::size_t>(size)});
  return true;
}

/// Only one: a client that sends many at once must not keep the others waiting.
bool HttpConnection::answer_next_request(const Handler& handler, TimePoint now) {
  ParsedRequest parsed = requests_.next();
  if (std::holds_alternative<Incomplete>(parsed)) {
    return true;
  }
  if (auto* whole = std::get_if<WholeRequest>(&parsed)) {
    answer(handler, *whole);
  } else {
    keep_alive_ = false;
    head_ = head_of(text_response(std::get<BadRequest>(parsed).status, ""), keep_alive_);
  }
  state_ = State::kWriting;
  sent_ = 0;
  deadline_ = now + deadlines_.response;
  return send(now);
}

void HttpConnection::answer(const Handler& handler, WholeRequest& whole) {
  whole.request.from_this_host = from_this_host_;
  const auto failed = [&](std::string_view error) {
    log_error("HTTP request failed", {{"path", whole.request.path}, {"error", error}});
    return text_response(500, "internal error: " + std::string(error) + "\n");
  };
  Response response;
  try {
    response = handler(whole.request);
  } catch (const std::exception& error) {
    response = failed(error.what());
  } catch (...) {
    response = failed("of an unknown kind");
  }
  keep_alive_ = whole.keep_alive;
  head_ = head_of(response, keep_alive_);
  if (whole.request.method != "HEAD") {
    body_ = std::move(response.body);
  }
}

bool HttpConnection::send(TimePoint now) {
  const std::string& body = body_.text();
  while (sent_ < head_.size() + body.size()) {
    const bool in_head = sent_ < head_.size();
    const std::string_view rest = in_head ? std::string_view(head_).substr(sent_)
                                          : std::string_view(body).substr(sent_ - head_.size());
    const int more = in_head && !body.empty() ? MSG_MORE : 0;
    const ssize_t size = ::send(socket_.get(), rest.data(), rest.size(), MSG_NOSIGNAL | more);
    if (size < 0) {
      return would_block();
    }
    sent_ += static_cast<std::size_t>(size);
  }
  head_ = {};
  body_ = {};
  if (keep_alive_) {
    const bool goes_on = requests_.has_begun();
    state_ = goes_on ? State::kBetween : State::kReading;
    deadline_ = now + (goes_on ? deadlines_.request : deadlines_.idle);
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
