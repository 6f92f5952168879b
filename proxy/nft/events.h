#pragma once

#include "proxy/host/descriptor.h"
#include "proxy/tables/foreign_changes.h"
#include "rules/net.h"

namespace proxy {

/// The kernel's announcements of nftables transactions (NFNLGRP_NFTABLES) on our chains of a family
/// and the built-in ones of mangle, filter and nat.
class NftEvents : public TableWatch {
 public:
  /// Throws std::system_error without the right to listen.
  explicit NftEvents(rules::Family family);

  ChangedChains changes() override { return drain(true); }

  ChangedChains changes_of_others() override { return drain(false); }

  int descriptor() const override { return socket_.get(); }

  bool announces_all() const override { return true; }

 private:
  /// Takes in what has been announced since. `any` asks for commits by whomever, otherwise by
  /// others than us.
  ChangedChains drain(bool any);
  ChangedChains take(const char* data, int size, bool any);

  int family_;
  Descriptor socket_;
  ChangedChains announced_;  // in a transaction whose end is still to come
};

}  // namespace proxy
