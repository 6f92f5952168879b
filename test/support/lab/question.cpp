#include "test/support/lab/question.h"

#include <array>
#include <cerrno>
#include <optional>
#include <sstream>

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "test/support/lab/sctp.h"
#include "test/support/native_address.h"

namespace test::lab {

namespace {

using proxy::Descriptor;
using proxy::throw_errno;
using rules::Family;
using rules::Protocol;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kPiece = 32768;

Answer kind_only(Answer::Kind kind) {
  Answer answer;
  answer.kind = kind;
  return answer;
}

Answer from_error(int error) {
  switch (error) {
    case ECONNREFUSED:
      return kind_only(Answer::Kind::kRefused);
    case ETIMEDOUT:
    case EAGAIN:
      return kind_only(Answer::Kind::kSilence);
    default:
      return kind_only(Answer::Kind::kBroken);
  }
}

/// Of the line that AnswerServer sends.
Answer from_line(const std::string& line) {
  Answer answer;
  answer.kind = Answer::Kind::kAnswered;
  std::istringstream(line) >> answer.from >> answer.client >> answer.bytes;
  return answer;
}

/// Whether the socket can be read or written before the patience is at its end.
bool wait_for(const Descriptor& socket, short event, Clock::time_point until) {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    pollfd waiting{.fd = socket.get(), .events = event, .revents = 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(std::max<long>(left.count(), 0)));
    if (ready >= 0 || errno != EINTR) {
      return ready > 0;
    }
  }
}

int pending_error(const Descriptor& socket) {
  int error = 0;
  socklen_t length = sizeof error;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &length);
  return error;
}

unsigned sent_again(const Descriptor& socket) {
  tcp_info info{};
  socklen_t length = sizeof info;
  ::getsockopt(socket.get(), IPPROTO_TCP, TCP_INFO, &info, &length);
  return info.tcpi_total_retrans;
}

Descriptor client_socket(const Host& from, const Question& question) {
  const Family family = question.to.address.family();
  const bool is_tcp = question.protocol == Protocol::kTcp;
  Descriptor socket = from.space.within([&] {
    return Descriptor(::socket(family == Family::kIpv4 ? AF_INET : AF_INET6,
                               (is_tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK,
                               0));
  });
  if (!socket) {
    throw_errno("socket");
  }
  const linger no_time_wait{.l_onoff = 1, .l_linger = 0};  // or ports run out
  ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &no_time_wait, sizeof no_time_wait);
  if (question.mark != 0) {
    ::setsockopt(socket.get(), SOL_SOCKET, SO_MARK, &question.mark, sizeof question.mark);
  }
  if (question.source.port != 0 || question.source.address != rules::IpAddress()) {
    constexpr int kOn = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &kOn, sizeof kOn);
    NativeAddress own = to_native(question.source);
    if (::bind(socket.get(), own.get(), own.length) != 0) {
      throw_errno("bind to " + rules::to_string(question.source));
    }
  }
  return socket;
}

/// 0, or why it could not be sent.
int send_all(const Descriptor& socket, std::string_view bytes, Clock::time_point until) {
  while (!bytes.empty()) {
    const ssize_t sent =
        ::send(socket.get(), bytes.data(), std::min(bytes.size(), kPiece), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno != EAGAIN) {
      return errno;
    } else if (!wait_for(socket, POLLOUT, until)) {
      return ETIMEDOUT;
    }
  }
  return 0;
}

Answer receive_line(const Descriptor& socket, Clock::time_point until) {
  std::string line;
  while (line.empty() || line.back() != '\n') {
    if (!wait_for(socket, POLLIN, until)) {
      return kind_only(Answer::Kind::kSilence);
    }
    std::array<char, 256> bytes{};
    const ssize_t size = ::recv(socket.get(), bytes.data(), bytes.size(), 0);
    if (size > 0) {
      line.append(bytes.data(), static_cast<std::size_t>(size));
    } else if (size == 0) {
      return kind_only(Answer::Kind::kBroken);
    } else if (errno != EAGAIN) {
      return from_error(errno);
    }
  }
  return from_line(line);
}

}  // namespace

std::string to_string(const Answer& answer) {
  switch (answer.kind) {
    case Answer::Kind::kAnswered:
      return fmt::format("{} saw {}", answer.from, answer.client);
    case Answer::Kind::kRefused:
      return "refused";
    case Answer::Kind::kSilence:
      return "silence";
    case Answer::Kind::kBroken:
      return "broken";
  }
  return {};
}

Conversation::Conversation(const Host& from, const Question& question)
    : question_(question), socket_(client_socket(from, question)) {}

Answer Conversation::ask() {
  const auto start = Clock::now();
  Answer answer = is_open_ ? kind_only(Answer::Kind::kAnswered) : connect();
  if (answer.is_answer()) {
    is_open_ = true;
    answer = request();
  }
  answer.repeats = question_.protocol == Protocol::kTcp ? sent_again(socket_) : 0;
  answer.after = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start);
  return answer;
}

Answer Conversation::connect() {
  NativeAddress to = to_native(question_.to);
  if (::connect(socket_.get(), to.get(), to.length) == 0) {
    return kind_only(Answer::Kind::kAnswered);
  }
  if (errno != EINPROGRESS) {
    return from_error(errno);
  }
  if (!wait_for(socket_, POLLOUT, Clock::now() + question_.patience)) {
    return kind_only(Answer::Kind::kSilence);
  }
  const int error = pending_error(socket_);
  return error == 0 ? kind_only(Answer::Kind::kAnswered) : from_error(error);
}

Answer Conversation::request() {
  const auto until = Clock::now() + question_.patience;
  std::string bytes;
  if (question_.protocol == Protocol::kTcp) {
    bytes = fmt::format("{}\n", question_.bytes);
  }
  bytes.append(question_.bytes, 'x');
  int error = 0;
  if (question_.protocol == Protocol::kTcp) {
    error = send_all(socket_, bytes, until);
  } else if (::send(socket_.get(), bytes.data(), bytes.size(), 0) < 0 && errno != EPERM) {
    error = errno;  // EPERM: dropped on its way out; whether it was refused, is told by ICMP
  }
  return error == 0 ? receive_line(socket_, until) : from_error(error);
}

Answer ask(const Host& from, const Question& question) {
  if (question.protocol != Protocol::kSctp) {
    return Conversation(from, question).ask();
  }
  const auto start = Clock::now();
  const auto line = ask_by_sctp(from, question.to, question.patience);
  Answer answer = !line                ? kind_only(Answer::Kind::kSilence)
                  : *line == "refused" ? kind_only(Answer::Kind::kRefused)
                                       : from_line(*line);
  answer.after = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start);
  return answer;
}

}  // namespace test::lab
