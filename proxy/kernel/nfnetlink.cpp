#include "proxy/kernel/nfnetlink.h"

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
constexpr std::size_t kReadSize = 32 * 1024;

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

NfnetlinkSocket::NfnetlinkSocket() : socket_(open_nfnetlink()), buffer_(kReadSize) {}

void NfnetlinkSocket::send(const NfnetlinkRequest& request) {
  std::size_t used = 0;
  const auto put_border = [&](int type) {
    if (request.is_transaction) {
      const NfnetlinkHeader border{.type = type, .resource = request.subsystem};
      used += start_message(buffer_.data() + used, border)->nlmsg_len;
    }
  };
  put_border(NFNL_MSG_BATCH_BEGIN);
  nlmsghdr* message =
      start_message(buffer_.data() + used,
                    {.type = (request.subsystem << 8) | request.command,
                     .flags = NLM_F_ACK | request.flags,
                     .family = request.family ? address_family(*request.family) : AF_UNSPEC});
  for (const auto& [type, text] : request.strings) {
    mnl_attr_put_strz(message, static_cast<std::uint16_t>(type), text.c_str());
  }
  used += message->nlmsg_len;
  put_border(NFNL_MSG_BATCH_END);
  if (mnl_socket_sendto(socket_.get(), buffer_.data(), used) < 0) {
    throw_errno("cannot ask netfilter");
  }
}

NfnetlinkOutcome NfnetlinkSocket::ask(
    const NfnetlinkRequest& request,
    const std::function<void(const nlmsghdr* message)>& on_message) {
  send(request);
  NfnetlinkOutcome outcome;
  while (true) {
    const ssize_t received = mnl_socket_recvfrom(socket_.get(), buffer_.data(), buffer_.size());
    if (received < 0) {
      throw_errno("no answer from netfilter");
    }
    int rest = static_cast<int>(received);
    const auto* message = static_cast<const nlmsghdr*>(static_cast<const void*>(buffer_.data()));
    for (; mnl_nlmsg_ok(message, rest); message = mnl_nlmsg_next(message, &rest)) {
      outcome.interrupted = outcome.interrupted || (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
      if (message->nlmsg_type == NLMSG_ERROR) {
        outcome.error = -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message))->error;
        return outcome;
      }
      if (message->nlmsg_type == NLMSG_DONE) {
        return outcome;
      }
      on_message(message);
    }
  }
}

}  // namespace proxy
