#include "proxy/kernel/conntrack.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

#include "proxy/host/address_family.h"
#include "proxy/host/address_watch.h"
#include "proxy/host/descriptor.h"
#include "proxy/kernel/conntrack_entry.h"
#include "proxy/kernel/nfnetlink.h"
#include "proxy/kernel/read_ahead.h"
#include "proxy/kernel/stray_flows.h"
#include "proxy/kernel/udp_flows.h"

namespace proxy {

namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr int kMaxDumps = 5;

// Of a dump the kernel fills at most 32 KiB per read.
constexpr std::size_t kReadSize = std::size_t{64} * 1024;

// Read while the block before is judged: large enough that handing it over costs little.
constexpr std::size_t kBlockSize = std::size_t{256} * 1024;

// Acknowledgements of one batch must fit into the socket's receive buffer.
constexpr std::size_t kBatchMessages = 64;
constexpr std::size_t kMessageSize = 512;

// Kernel-internal bit of CTA_FILTER_ORIG_FLAGS: compare CTA_PROTO_NUM (nf_internals.h,
// CTA_FILTER_F_CTA_PROTO_NUM). Linux before 5.8 ignores the filter.
constexpr std::uint32_t kCompareProtocol = 1U << 3U;

constexpr int kGetEntries = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET;
constexpr int kDeleteEntry = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE;

template <typename Visit>
void for_each_message(Bytes bytes, const Visit& visit) {
  while (const nlmsghdr* message = take_message(bytes)) {
    visit(message);
  }
}

int family_of(const nlmsghdr* message) {
  return static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(message))->nfgen_family;
}

void request_udp_only(nlmsghdr* message) {
  nlattr* tuple = mnl_attr_nest_start(message, CTA_TUPLE_ORIG);
  nlattr* protocol = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);
  mnl_attr_put_u8(message, CTA_PROTO_NUM, IPPROTO_UDP);
  mnl_attr_nest_end(message, protocol);
  mnl_attr_nest_end(message, tuple);
  nlattr* filter = mnl_attr_nest_start(message, CTA_FILTER);
  mnl_attr_put_u32(message, CTA_FILTER_ORIG_FLAGS, kCompareProtocol);
  mnl_attr_put_u32(message, CTA_FILTER_REPLY_FLAGS, 0);
  mnl_attr_nest_end(message, filter);
}

/// Deletes entries in batches over a socket of its own, while the dump goes on.
class Deletions {
 public:
  /// `entry` is a message of the dump.
  void add(const nlmsghdr* entry) {
    const std::unique_ptr<nf_conntrack, decltype(&nfct_destroy)> whole(nfct_new(), &nfct_destroy);
    const std::unique_ptr<nf_conntrack, decltype(&nfct_destroy)> key(nfct_new(), &nfct_destroy);
    if (!whole || !key || nfct_nlmsg_parse(entry, whole.get()) < 0) {
      throw_errno("conntrack: cannot read an entry");
    }
    nfct_copy(key.get(), whole.get(), NFCT_CP_ORIG);
    if (nfct_attr_is_set(whole.get(), ATTR_ZONE) > 0) {
      nfct_set_attr_u16(key.get(), ATTR_ZONE, nfct_get_attr_u16(whole.get(), ATTR_ZONE));
    }
    nlmsghdr* message =
        start_message(buffer_.data() + used_,
                      {.type = kDeleteEntry, .flags = NLM_F_ACK, .family = family_of(entry)});
    if (nfct_nlmsg_build(message, key.get()) < 0) {
      throw_errno("conntrack: cannot name an entry");
    }
    // Left out by nfct_nlmsg_build; with it the kernel deletes this entry and no successor.
    mnl_attr_put_u32(message, CTA_ID, htonl(nfct_get_attr_u32(whole.get(), ATTR_ID)));
    used_ += message->nlmsg_len;
    if (++pending_ == kBatchMessages) {
      flush();
    }
  }

  /// Waits for the kernel's answers. Throws if one is an error; that an entry is gone is none.
  void flush() {
    if (pending_ == 0) {
      return;
    }
    if (mnl_socket_sendto(socket_.get(), buffer_.data(), used_) < 0) {
      throw_errno("conntrack: cannot delete");
    }
    while (pending_ > 0) {
      const ssize_t size = mnl_socket_recvfrom(socket_.get(), answer_.data(), answer_.size());
      if (size < 0) {
        throw_errno("conntrack: no answer to a deletion");
      }
      for_each_message(Bytes(answer_).first(static_cast<std::size_t>(size)),
                       [this](const nlmsghdr* message) { count_answer(message); });
    }
    used_ = 0;
  }

  std::uint64_t deleted() const { return deleted_; }

 private:
  void count_answer(const nlmsghdr* message) {
    if (message->nlmsg_type != NLMSG_ERROR) {
      return;
    }
    --pending_;
    const int error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message))->error;
    if (error == 0) {
      ++deleted_;
    } else if (error != -ENOENT) {
      errno = -error;
      throw_errno("conntrack: cannot delete an entry");
    }
  }

  NetlinkHandle socket_ = open_nfnetlink();
  std::array<std::uint8_t, kBatchMessages * kMessageSize> buffer_{};
  std::array<std::uint8_t, kReadSize> answer_{};
  std::size_t used_ = 0;
  std::size_t pending_ = 0;
  std::uint64_t deleted_ = 0;
};

/// A part of a dump, in a buffer that is used again and again.
struct Block {
  std::vector<std::uint8_t> buffer = std::vector<std::uint8_t>(kBlockSize);
  std::size_t used = 0;

  Bytes bytes() const { return Bytes(buffer).first(used); }
};

enum class DumpState { kGoesOn, kComplete, kInconsistent, kGivenUp };

/// The table as the kernel sends it, block by block.
class Dump {
 public:
  Dump(rules::Family family, WalkOver what) {
    std::array<std::uint8_t, kMessageSize> buffer{};
    nlmsghdr* request =
        start_message(buffer.data(),
                      {.type = kGetEntries, .flags = NLM_F_DUMP, .family = address_family(family)});
    if (what == WalkOver::kUdp) {
      request_udp_only(request);
    }
    if (mnl_socket_sendto(socket_.get(), request, request->nlmsg_len) < 0) {
      throw_errno("conntrack: cannot request the table");
    }
  }

  /// Fills `block` anew with as many datagrams as fit; each ends with a whole, padded message.
  /// Throws if netlink fails.
  DumpState read(Block& block) {
    for (block.used = 0; block.used + kReadSize <= block.buffer.size();) {
      std::uint8_t* part = block.buffer.data() + block.used;
      const ssize_t size = mnl_socket_recvfrom(socket_.get(), part, kReadSize);
      const auto length = static_cast<std::size_t>(std::max<ssize_t>(size, 0));
      const int state =
          size < 0 ? MNL_CB_ERROR : mnl_cb_run(part, length, 1, port_, nullptr, nullptr);
      if (state < MNL_CB_STOP && errno != EINTR) {
        throw_errno("conntrack: cannot read the table");
      }
      block.used += length;
      if (state <= MNL_CB_STOP) {
        return state == MNL_CB_STOP ? DumpState::kComplete : DumpState::kInconsistent;
      }
    }
    return DumpState::kGoesOn;
  }

 private:
  NetlinkHandle socket_ = open_nfnetlink();
  unsigned port_ = mnl_socket_get_portid(socket_.get());
};

using Blocks = std::array<Block, 2>;

/// Judges entries by the newest rules that are known.
class Judge {
 public:
  Judge(const FlowRules& rules, const rules::Snapshot* before, WalkOver what)
      : udp_(*rules.snapshot, rules.context, rules.local_addresses, before) {
    if (what == WalkOver::kAll) {
      strays_.emplace(*rules.snapshot, rules.context, rules.local_addresses);
    }
  }

  bool is_wrong(const Flow& flow) const {
    return flow.protocol == rules::Protocol::kUdp ? udp_.is_stale(flow)
                                                  : strays_ && strays_->is_stray(flow);
  }

  /// True if no flow whatsoever can be wrong.
  bool empty() const { return udp_.empty() && (!strays_ || strays_->empty()); }

 private:
  UdpDestinations udp_;
  std::optional<StrayFlows> strays_;
};

/// Walks over one dump. While a block is visited, a thread reads the next one: the kernel does the
/// work of a dump, most of all that is to be done, in the thread that reads. `goes_on` is asked
/// before each block.
template <typename Visit, typename GoesOn>
DumpState walk_dump(Dump dump, Blocks& blocks, const Visit& visit, const GoesOn& goes_on) {
  auto state = DumpState::kGoesOn;
  std::atomic<bool> is_wanted = true;
  read_ahead(
      blocks,
      [&](Block& block) {
        state = dump.read(block);
        return is_wanted && state == DumpState::kGoesOn;
      },
      [&](const Block& block) {
        is_wanted = is_wanted && goes_on();
        if (is_wanted) {
          for_each_message(block.bytes(), visit);
        }
      });
  return is_wanted ? state : DumpState::kGivenUp;
}

/// Addresses that node ports can be reached at, and that do not come and go with each pod.
std::vector<rules::IpAddress> node_port_addresses(const FlowRules& rules) {
  return rules.context.node_port_addresses.value_or(
      lasting_addresses(rules.local_addresses, rules.snapshot->family));
}

}  // namespace

std::optional<WalkOver> Conntrack::needed_walk(const FlowRules& rules) const {
  if (!reconciled_ || rules.were_away ||
      node_port_addresses(*reconciled_) != node_port_addresses(rules)) {
    return WalkOver::kAll;
  }
  return udp_differs(*reconciled_->snapshot, *rules.snapshot) ? std::optional(WalkOver::kUdp)
                                                              : std::nullopt;
}

std::optional<ConntrackWalk> Conntrack::reconcile(FlowRules rules, const WalkControl& control) {
  const auto what = needed_walk(rules);
  if (!what) {
    reconciled_ = std::move(rules);
    return std::nullopt;
  }
  const rules::Snapshot* before = reconciled_ ? reconciled_->snapshot.get() : nullptr;
  Judge judge(rules, before, *what);
  if (judge.empty()) {
    reconciled_ = std::move(rules);
    return std::nullopt;
  }
  Blocks blocks;
  Deletions deletions;
  std::uint64_t seen = 0;
  const auto visit = [&](const nlmsghdr* message) {
    if (message->nlmsg_type < NLMSG_MIN_TYPE) {
      return;
    }
    ++seen;
    const std::optional<Flow> flow = read_flow(message);
    if (flow && judge.is_wrong(*flow)) {
      deletions.add(message);
    }
  };
  const auto goes_on = [&] {
    if (const auto newer = control.newer()) {
      judge = Judge(*newer, before, *what);
    }
    return !control.stop.stop_requested();
  };
  // The last inconsistent dump may have missed entries, and what it showed was true (spec §5.1).
  auto state = DumpState::kInconsistent;
  for (int i = 0; i < kMaxDumps && state == DumpState::kInconsistent; ++i) {
    seen = 0;
    state = walk_dump(Dump(rules.snapshot->family, *what), blocks, visit, goes_on);
  }
  deletions.flush();
  if (state != DumpState::kGivenUp) {
    reconciled_ = std::move(rules);
  }
  return ConntrackWalk{.seen = seen, .deleted = deletions.deleted()};
}

}  // namespace proxy
