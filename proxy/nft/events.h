#pragma once

#include <memory>

#include "proxy/host/descriptor.h"
#include "proxy/host/waker.h"
#include "proxy/nft/announcements.h"
#include "proxy/tables/foreign_changes.h"

namespace proxy {

/// The kernel's announcements (NFNLGRP_NFTABLES) of transactions on our chains of a family and the
/// built-in ones of mangle, filter and nat, as they come in.
class NftEvents : public TableWatch {
 public:
  /// `own` as in NftAnnouncements; it listens with its listeners. Throws std::system_error without
  /// the right to listen.
  NftEvents(rules::Family family, std::shared_ptr<NftCommits> own);
  NftEvents(const NftEvents&) = delete;
  NftEvents& operator=(const NftEvents&) = delete;
  ~NftEvents() override;

  ChangedChains changes() override { return drain(true); }

  ChangedChains changes_of_others() override { return drain(false); }

  /// Where own commits are known by their number, the number of the last one tells.
  ChangedChains recheck() override;

  int descriptor() const override { return either_.get(); }

  bool announces_all() const override { return true; }

 private:
  /// Takes in what has been announced since; `any` as in NftAnnouncements. Throws
  /// std::system_error.
  ChangedChains drain(bool any);

  Descriptor socket_;
  Waker has_missed_;                 // some announcements
  Descriptor either_;                // epoll: of these two
  std::shared_ptr<NftCommits> own_;  // may be null
  NftAnnouncements announcements_;
};

}  // namespace proxy
