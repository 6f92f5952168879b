#include "proxy/nft/transaction.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <span>

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include "proxy/host/descriptor.h"

namespace proxy {

namespace {

constexpr std::uint32_t kFrame = std::numeric_limits<std::uint32_t>::max();  // its number

NftMessages beginning(std::uint32_t generation) {
  NftMessages frame;
  const auto place =
      frame.start({.type = NFNL_MSG_BATCH_BEGIN, .resource = NFNL_SUBSYS_NFTABLES}, kFrame);
  frame.put(NFNL_BATCH_GENID, generation);
  frame.finish(place);
  return frame;
}

NftMessages ending() {
  NftMessages frame;
  frame.finish(frame.start({.type = NFNL_MSG_BATCH_END, .resource = NFNL_SUBSYS_NFTABLES}, kFrame));
  return frame;
}

std::string detail_in(const nlmsghdr* message) {
  if ((message->nlmsg_flags & NLM_F_ACK_TLVS) == 0 || (message->nlmsg_flags & NLM_F_CAPPED) == 0) {
    return {};
  }
  std::string detail;
  const auto take = [](const nlattr* attribute, void* data) {
    if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MSG &&
        mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0) {
      *static_cast<std::string*>(data) = mnl_attr_get_str(attribute);
    }
    return MNL_CB_OK;
  };
  mnl_attr_parse(message, sizeof(nlmsgerr), take, &detail);
  return detail;
}

void enable(mnl_socket* socket, int option) {
  int on = 1;
  mnl_socket_setsockopt(socket, option, &on, sizeof on);  // older kernels say more, or less
}

}  // namespace

NftTransactions::NftTransactions(std::size_t bytes)
    : socket_(open_nfnetlink()), room_(make_room(bytes)), buffer_(1 << 16) {
  enable(socket_.get(), NETLINK_CAP_ACK);
  enable(socket_.get(), NETLINK_EXT_ACK);
}

std::size_t NftTransactions::make_room(std::size_t bytes) {
  const int descriptor = mnl_socket_get_fd(socket_.get());
  const int wanted =
      static_cast<int>(std::min(bytes, std::size_t{std::numeric_limits<int>::max() / 2}));
  if (::setsockopt(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof wanted) != 0) {
    ::setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted);
  }
  int given = 0;
  socklen_t size = sizeof given;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &given, &size) != 0) {
    throw_errno("cannot ask for the room of a netlink socket");
  }
  constexpr int kKept = 32;  // by the kernel
  return static_cast<std::size_t>(std::max(given - kKept, 0));
}

NftOutcome NftTransactions::commit(std::uint32_t generation,
                                   std::initializer_list<const NftMessages*> messages) {
  const NftMessages begin = beginning(generation);
  const NftMessages end = ending();
  std::vector<iovec> parts;
  std::size_t total = 0;
  const auto add = [&](const NftMessages& part) {
    // The kernel only reads them, though the structure says nothing of that.
    parts.push_back(
        {.iov_base = const_cast<std::uint8_t*>(part.bytes().data()), .iov_len = part.size()});
    total += part.size();
  };
  add(begin);
  for (const NftMessages* part : messages) {
    add(*part);
  }
  add(end);
  if (total > room_ && (room_ = make_room(total)) < total) {
    return {.error = EMSGSIZE};
  }
  sockaddr_nl kernel{.nl_family = AF_NETLINK};
  const msghdr whole{.msg_name = &kernel,
                     .msg_namelen = sizeof kernel,
                     .msg_iov = parts.data(),
                     .msg_iovlen = parts.size()};
  discard_answers();
  ssize_t sent = 0;
  do {
    sent = ::sendmsg(mnl_socket_get_fd(socket_.get()), &whole, 0);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? NftOutcome{.error = errno} : read_answers();
}

void NftTransactions::discard_answers() {
  while (::recv(mnl_socket_get_fd(socket_.get()), buffer_.data(), buffer_.size(), MSG_DONTWAIT) >=
             0 ||
         errno == EINTR || errno == ENOBUFS) {
  }
}

/// The kernel has done everything, and has answered, before sendmsg() returns.
NftOutcome NftTransactions::read_answers() {
  NftOutcome outcome{.error = ENOBUFS};  // until an answer is there
  bool is_refused = false;
  while (true) {
    sockaddr_nl sender{};
    socklen_t sender_size = sizeof sender;
    const auto received = ::recvfrom(mnl_socket_get_fd(socket_.get()),
                                     buffer_.data(),
                                     buffer_.size(),
                                     MSG_DONTWAIT,
                                     static_cast<sockaddr*>(static_cast<void*>(&sender)),
                                     &sender_size);
    if (received < 0 && (errno == EINTR || errno == ENOBUFS)) {
      continue;
    }
    if (received < 0) {
      return outcome;
    }
    if (sender.nl_pid != 0) {
      continue;  // not the kernel
    }
    std::span<const std::uint8_t> answers(buffer_.data(), static_cast<std::size_t>(received));
    while (const nlmsghdr* message = take_message(answers)) {
      if (message->nlmsg_type != NLMSG_ERROR ||
          mnl_nlmsg_get_payload_len(message) < sizeof(nlmsgerr) || is_refused) {
        continue;
      }
      const int error = -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message))->error;
      const bool is_of_frame = message->nlmsg_seq == kFrame;
      outcome = {.error = error,
                 .sequence = is_of_frame ? 0 : message->nlmsg_seq,
                 .detail = detail_in(message)};
      is_refused = error != 0;
    }
  }
}

}  // namespace proxy
