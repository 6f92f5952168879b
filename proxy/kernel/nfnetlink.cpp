#include "proxy/kernel/nfnetlink.h"

#include <algorithm>
#include <cerrno>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "proxy/host/address_family.h"
#include "proxy/host/descriptor.h"

namespace proxy {

namespace {

constexpr timeval kAnswerDeadline{.tv_sec = 10, .tv_usec = 0};

// More than this the kernel does not fill per read.
constexpr int kReadSize = 32 * 1024;

}  // namespace

NetlinkHandle open_nfnetlink() {
  NetlinkHandle socket(mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC), &mnl_socket_close);
  if (!socket || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) {
    throw_errno("cannot open a netlink socket for netfilter");
  }
  if (::setsockopt(mnl_socket_get_fd(socket.get()),
                   SOL_SOCKET,
                   SO_RCVTIMEO,
                   &kAnswerDeadline,
                   sizeof kAnswerDeadline) != 0) {
    throw_errno("cannot set a deadline for netfilter's answers");
  }
  return socket;
}

nlmsghdr* start_message(std::uint8_t* where, const NfnetlinkHeader& header) {
  nlmsghdr* message = mnl_nlmsg_put_header(where);
  message->nlmsg_type = static_cast<std::uint16_t>(header.type);
  message->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | header.flags);
  message->nlmsg_seq = 1;
  auto* generic = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
  generic->nfgen_family = static_cast<std::uint8_t>(header.family);
  generic->version = NFNETLINK_V0;
  generic->res_id = htons(static_cast<std::uint16_t>(header.resource));
  return message;
}

// Not mnl_nlmsg_ok(), which takes a length above 2 GiB for a negative one.
const nlmsghdr* take_message(std::span<const std::uint8_t>& messages) {
  const auto* first = static_cast<const nlmsghdr*>(static_cast<const void*>(messages.data()));
  if (messages.size() < sizeof(nlmsghdr) || first->nlmsg_len < sizeof(nlmsghdr) ||
      first->nlmsg_len > messages.size()) {
    return nullptr;
  }
  const std::size_t space =
      (first->nlmsg_len + std::size_t{NLMSG_ALIGNTO} - 1) & ~(std::size_t{NLMSG_ALIGNTO} - 1);
  messages = messages.subspan(std::min(space, messages.size()));
  return first;
}

NfnetlinkSocket::NfnetlinkSocket() : socket_(open_nfnetlink()), buffer_(kReadSize) {
  constexpr int kMost = 64;
  constexpr int kPerAnswer = kReadSize + kReadSize / 8;  // with what the kernel keeps beside it
  const int descriptor = mnl_socket_get_fd(socket_.get());
  const int wanted = kMost * kPerAnswer;
  ::setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &wanted, sizeof wanted);
  int given = 0;
  socklen_t size = sizeof given;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &given, &size) == 0) {
    most_at_once_ = static_cast<std::size_t>(std::clamp(given / kPerAnswer, 1, kMost));
  }
}

std::size_t NfnetlinkSocket::write(const NfnetlinkRequest& request, std::size_t used) {
  const auto put_border = [&](int type) {
    if (request.is_transaction) {
      const NfnetlinkHeader border{.type = type, .resource = request.subsystem};
      nlmsghdr* message = start_message(buffer_.data() + used, border);
      message->nlmsg_seq = sequence_;  // it may be this that is refused
      used += message->nlmsg_len;
    }
  };
  ++sequence_;
  put_border(NFNL_MSG_BATCH_BEGIN);
  nlmsghdr* message =
      start_message(buffer_.data() + used,
                    {.type = (request.subsystem << 8) | request.command,
                     .flags = NLM_F_ACK | request.flags,
                     .family = request.family ? address_family(*request.family) : AF_UNSPEC});
  message->nlmsg_seq = sequence_;
  for (const auto& [type, text] : request.strings) {
    mnl_attr_put_strz(message, static_cast<std::uint16_t>(type), text.c_str());
  }
  for (const auto& [type, number] : request.numbers) {
    mnl_attr_put_u32(message, static_cast<std::uint16_t>(type), htonl(number));
  }
  used += message->nlmsg_len;
  put_border(NFNL_MSG_BATCH_END);
  return used;
}

void NfnetlinkSocket::send(std::size_t size) {
  ssize_t sent = 0;
  do {
    sent = mnl_socket_sendto(socket_.get(), buffer_.data(), size);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) {
    throw_errno("cannot ask netfilter");
  }
}

/// What the kernel sent; nothing if it came from somebody else.
std::span<const std::uint8_t> NfnetlinkSocket::receive() {
  sockaddr_nl sender{};
  socklen_t sender_size = sizeof sender;
  ssize_t received = 0;
  do {
    received = ::recvfrom(mnl_socket_get_fd(socket_.get()),
                          buffer_.data(),
                          buffer_.size(),
                          0,
                          static_cast<sockaddr*>(static_cast<void*>(&sender)),
                          &sender_size);
  } while (received < 0 && errno == EINTR);
  if (received < 0) {
    throw_errno("no answer from netfilter");
  }
  return {buffer_.data(), sender.nl_pid == 0 ? static_cast<std::size_t>(received) : 0};
}

NfnetlinkOutcome NfnetlinkSocket::ask(
    const NfnetlinkRequest& request,
    const std::function<void(const nlmsghdr* message)>& on_message) {
  NfnetlinkOutcome outcome;
  ask_all(
      {&request, 1},
      [&](std::size_t /*index*/, const nlmsghdr* message) { on_message(message); },
      [&](std::size_t /*index*/, const NfnetlinkOutcome& how) { outcome = how; });
  return outcome;
}

void NfnetlinkSocket::ask_all(std::span<const NfnetlinkRequest> requests,
                              const OnMessage& on_message,
                              const OnOutcome& on_outcome) {
  const std::uint32_t first = sequence_ + 1;
  std::size_t used = 0;
  for (const NfnetlinkRequest& request : requests) {
    used = write(request, used);
  }
  send(used);
  std::vector<NfnetlinkOutcome> outcomes(requests.size());
  for (std::size_t waiting = requests.size(); waiting > 0;) {
    auto received = receive();
    while (const nlmsghdr* message = take_message(received)) {
      const std::size_t index = message->nlmsg_seq - first;
      if (index >= requests.size()) {
        continue;  // an answer to what was asked before an error
      }
      NfnetlinkOutcome& outcome = outcomes[index];
      outcome.interrupted = outcome.interrupted || (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
      if (message->nlmsg_type == NLMSG_ERROR) {
        outcome.error = -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message))->error;
      } else if (message->nlmsg_type != NLMSG_DONE) {
        on_message(index, message);
        continue;
      }
      on_outcome(index, outcome);
      --waiting;
    }
  }
}

}  // namespace proxy
