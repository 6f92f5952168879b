#include "proxy/nft/listeners.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

namespace proxy {

namespace {

bool set_membership_of(int socket, int option) {
  constexpr int kGroup = NFNLGRP_NFTABLES;
  return ::setsockopt(socket, SOL_NETLINK, option, &kGroup, sizeof kGroup) == 0;
}

}  // namespace

bool listen_to_nftables(int socket) {
  return set_membership_of(socket, NETLINK_ADD_MEMBERSHIP);
}

void NftListeners::add(int socket, const Waker& waker) {
  const k8sclient::MutexLock lock(mutex_);
  listeners_[socket] = &waker;
}

void NftListeners::remove(int socket) {
  const k8sclient::MutexLock lock(mutex_);
  listeners_.erase(socket);
}

void NftListeners::set_membership(int option) {
  const k8sclient::MutexLock lock(mutex_);
  for (const auto& [socket, waker] : listeners_) {
    set_membership_of(socket, option);
  }
}

void NftListeners::tell_all() {
  const k8sclient::MutexLock lock(mutex_);
  for (const auto& [socket, waker] : listeners_) {
    waker->wake();
  }
}

NftListeners::Pause::Pause(NftListeners& listeners) : listeners_(listeners) {
  listeners_.set_membership(NETLINK_DROP_MEMBERSHIP);
}

void NftListeners::Pause::end() {
  is_over_ = true;
  listeners_.set_membership(NETLINK_ADD_MEMBERSHIP);
}

NftListeners::Pause::~Pause() {
  if (!is_over_) {
    end();
  }
  if (has_escaped_) {
    listeners_.tell_all();
  }
}

}  // namespace proxy
