#pragma once

#include <memory>

#include "proxy/host/descriptor.h"
#include "proxy/nft/announcements.h"

namespace proxy {

/// The kernel's announcements (NFNLGRP_NFTABLES) as they come in. For one thread.
class NftEvents {
 public:
  /// `own` as in NftAnnouncements. Throws std::system_error without the right to listen.
  NftEvents(rules::Family family, std::shared_ptr<const NftCommits> own);

  /// Takes in what has been announced since; `any` as in NftAnnouncements. Throws
  /// std::system_error.
  ChangedChains drain(bool any);

 private:
  Descriptor socket_;
  bool knows_own_;
  NftAnnouncements announcements_;
};

}  // namespace proxy
