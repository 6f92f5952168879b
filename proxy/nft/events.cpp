#include "proxy/nft/events.h"

#include <cerrno>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "proxy/kernel/nfnetlink.h"
#include "proxy/nft/tables.h"

namespace proxy {

namespace {

Descriptor open_listener() {
  Descriptor socket(
      ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER));
  if (!socket) {
    throw_errno("netlink socket for nftables events");
  }
  sockaddr_nl address{.nl_family = AF_NETLINK};
  const auto* generic = static_cast<const sockaddr*>(static_cast<const void*>(&address));
  if (::bind(socket.get(), generic, sizeof address) != 0 || !listen_to_nftables(socket.get())) {
    throw_errno("joining the nftables events");
  }
  // What large syncs announce, of the other family as well, has to fit in between two looks.
  constexpr int kBufferBytes = 8 << 20;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kBufferBytes, sizeof kBufferBytes);
  return socket;
}

/// Readable when one of them is.
Descriptor either_of(int one, int other) {
  Descriptor either(epoll_create1(EPOLL_CLOEXEC));
  for (const int descriptor : {one, other}) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = descriptor}};
    if (!either || epoll_ctl(either.get(), EPOLL_CTL_ADD, descriptor, &event) != 0) {
      throw_errno("epoll for nftables events");
    }
  }
  return either;
}

std::uint32_t current_generation() {
  NfnetlinkSocket socket;
  return nft_generation(socket);
}

}  // namespace

NftEvents::NftEvents(rules::Family family, std::shared_ptr<NftCommits> own)
    : socket_(open_listener()),
      either_(either_of(socket_.get(), has_missed_.descriptor())),
      own_(std::move(own)),
      announcements_(
          family, own_, own_ != nullptr ? std::optional(current_generation()) : std::nullopt) {
  if (own_ != nullptr) {
    own_->listeners().add(socket_.get(), has_missed_);
  }
}

NftEvents::~NftEvents() {
  if (own_ != nullptr) {
    own_->listeners().remove(socket_.get());
  }
}

ChangedChains NftEvents::drain(bool any) {
  ChangedChains changed;
  bool has_lost = has_missed_.take();
  if (has_lost) {
    changed.add(announcements_.lost());
  }
  std::vector<std::uint8_t> buffer(1 << 16);
  while (true) {
    sockaddr_nl sender{};
    socklen_t sender_size = sizeof sender;
    const auto received = ::recvfrom(socket_.get(),
                                     buffer.data(),
                                     buffer.size(),
                                     0,
                                     static_cast<sockaddr*>(static_cast<void*>(&sender)),
                                     &sender_size);
    if (received < 0 && errno == ENOBUFS) {
      has_lost = true;
      changed.add(announcements_.lost());
      continue;
    }
    if (received <= 0) {
      break;
    }
    if (sender.nl_pid == 0) {  // from the kernel
      changed.add(announcements_.take({buffer.data(), static_cast<std::size_t>(received)}, any));
    }
  }
  if (has_lost && own_ != nullptr) {
    changed.add(announcements_.lost_until(current_generation()));
  }
  return changed;
}

ChangedChains NftEvents::recheck() {
  if (own_ == nullptr) {
    drain(true);
    return {.all = true, .chains = {}};
  }
  const auto turn = own_->take_turn();  // a commit of ours is not known as such before its end
  ChangedChains changed = drain(true);
  changed.add(announcements_.lost_until(current_generation()));
  return changed;
}

}  // namespace proxy
