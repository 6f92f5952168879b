#pragma once

#include <memory>

#include "proxy/host/descriptor.h"
#include "proxy/nft/announcements.h"
#include "proxy/tables/foreign_changes.h"

namespace proxy {

/// The kernel's announcements (NFNLGRP_NFTABLES) of transactions on our chains of a family and the
/// built-in ones of mangle, filter and nat, as they come in.
class NftEvents : public TableWatch {
 public:
  /// `own` as in NftAnnouncements. Throws std::system_error without the right to listen.
  NftEvents(rules::Family family, std::shared_ptr<const NftCommits> own);

  ChangedChains changes() override { return drain(true); }

  ChangedChains changes_of_others() override { return drain(false); }

  int descriptor() const override { return socket_.get(); }

  bool announces_all() const override { return true; }

 private:
  /// Takes in what has been announced since; `any` as in NftAnnouncements. Throws
  /// std::system_error.
  ChangedChains drain(bool any);

  Descriptor socket_;
  bool knows_own_;
  NftAnnouncements announcements_;
};

}  // namespace proxy
