#include "proxy/kernel/conntrack.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
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
#include "proxy/host/descriptor.h"
#include "proxy/kernel/nfnetlink.h"
#include "proxy/kernel/read_ahead.h"

namespace proxy {

namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr int kMaxDumps = 5;

// Of a dump the kernel fills at most 32 KiB per read.
constexpr std::size_t kReadSize = 64 * 1024;

// Read while the block before is judged: large enough that handing it over costs little.
constexpr std::size_t kBlockSize = 256 * 1024;

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
  int rest = static_cast<int>(bytes.size());
  const auto* message = static_cast<const nlmsghdr*>(static_cast<const void*>(bytes.data()));
  for (; mnl_nlmsg_ok(message, rest); message = mnl_nlmsg_next(message, &rest)) {
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

/// Calls `visit(type, payload)` for each netlink attribute in `attributes`, until one returns
/// false. Ends at the first that is cut off.
template <typename Visit>
void for_each_attribute(Bytes attributes, const Visit& visit) {
  nlattr header{};
  while (attributes.size() >= sizeof header) {
    std::memcpy(&header, attributes.data(), sizeof header);
    if (header.nla_len < sizeof header || header.nla_len > attributes.size() ||
        !visit(header.nla_type & NLA_TYPE_MASK,
               attributes.subspan(sizeof header, header.nla_len - sizeof header))) {
      return;
    }
    const std::size_t padding = -std::size_t{header.nla_len} % NLA_ALIGNTO;
    attributes = attributes.subspan(std::min(attributes.size(), header.nla_len + padding));
  }
}

/// One direction of an entry, as far as it is UDP.
struct Tuple {
  rules::SocketAddress source;
  rules::SocketAddress destination;
  std::uint8_t protocol = 0;
};

// Entries are looked at here, without the libraries, until one is to be deleted: calls for each of
// their attributes would add a third to the processor time that this program needs for a walk.

void read_addresses(Bytes fields, Tuple& tuple) {
  for_each_attribute(fields, [&](int type, Bytes value) {
    if (type == CTA_IP_V4_SRC || type == CTA_IP_V6_SRC) {
      tuple.source.address = rules::IpAddress::from_bytes(value);
    } else if (type == CTA_IP_V4_DST || type == CTA_IP_V6_DST) {
      tuple.destination.address = rules::IpAddress::from_bytes(value);
    }
    return true;
  });
}

std::uint16_t read_port(Bytes value) {
  return value.size() == 2 ? static_cast<std::uint16_t>(value[0] << 8U | value[1]) : 0;
}

void read_protocol(Bytes fields, Tuple& tuple) {
  for_each_attribute(fields, [&](int type, Bytes value) {
    if (type == CTA_PROTO_NUM && value.size() == 1) {
      tuple.protocol = value[0];
    } else if (type == CTA_PROTO_SRC_PORT) {
      tuple.source.port = read_port(value);
    } else if (type == CTA_PROTO_DST_PORT) {
      tuple.destination.port = read_port(value);
    }
    return true;
  });
}

Tuple read_tuple(Bytes parts) {
  Tuple tuple;
  for_each_attribute(parts, [&](int type, Bytes fields) {
    if (type == CTA_TUPLE_IP) {
      read_addresses(fields, tuple);
    } else if (type == CTA_TUPLE_PROTO) {
      read_protocol(fields, tuple);
    }
    return true;
  });
  return tuple;
}

Bytes attributes(const nlmsghdr* message) {
  const Bytes payload(static_cast<const std::uint8_t*>(mnl_nlmsg_get_payload(message)),
                      mnl_nlmsg_get_payload_len(message));
  return payload.subspan(std::min(payload.size(), sizeof(nfgenmsg)));
}

std::optional<UdpFlow> read_udp_flow(const nlmsghdr* message) {
  Tuple original;
  Tuple reply;
  // The reply tuple follows the original one, and the rest does not matter.
  for_each_attribute(attributes(message), [&](int type, Bytes parts) {
    if (type == CTA_TUPLE_ORIG) {
      original = read_tuple(parts);
    } else if (type == CTA_TUPLE_REPLY) {
      reply = read_tuple(parts);
    }
    return type != CTA_TUPLE_REPLY;
  });
  if (original.protocol != IPPROTO_UDP) {
    return std::nullopt;
  }
  return UdpFlow{.original_destination = original.destination, .reply_source = reply.source};
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

enum class DumpState { kGoesOn, kComplete, kInconsistent };

/// The table as the kernel sends it, block by block.
class Dump {
 public:
  explicit Dump(rules::Family family) {
    std::array<std::uint8_t, kMessageSize> buffer{};
    nlmsghdr* request =
        start_message(buffer.data(),
                      {.type = kGetEntries, .flags = NLM_F_DUMP, .family = address_family(family)});
    request_udp_only(request);
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

/// Walks over one dump. While a block is visited, a thread reads the next one: the kernel does the
/// work of a dump, most of all that is to be done, in the thread that reads.
template <typename Visit>
DumpState walk_dump(rules::Family family, Blocks& blocks, const Visit& visit) {
  Dump dump(family);
  auto state = DumpState::kGoesOn;
  read_ahead(
      blocks,
      [&](Block& block) {
        state = dump.read(block);
        return state == DumpState::kGoesOn;
      },
      [&](const Block& block) { for_each_message(block.bytes(), visit); });
  return state;
}

}  // namespace

ConntrackWalk delete_stale_flows(rules::Family family, const UdpDestinations& destinations) {
  Blocks blocks;
  Deletions deletions;
  std::uint64_t seen = 0;
  const auto judge = [&](const nlmsghdr* message) {
    if (message->nlmsg_type < NLMSG_MIN_TYPE) {
      return;
    }
    ++seen;
    const std::optional<UdpFlow> flow = read_udp_flow(message);
    if (flow && destinations.is_stale(*flow)) {
      deletions.add(message);
    }
  };
  // The last inconsistent dump may have missed entries, and what it showed was true (spec §5.1).
  auto state = DumpState::kInconsistent;
  for (int i = 0; i < kMaxDumps && state == DumpState::kInconsistent; ++i) {
    seen = 0;
    state = walk_dump(family, blocks, judge);
  }
  deletions.flush();
  return {.seen = seen, .deleted = deletions.deleted()};
}

std::optional<ConntrackWalk> Conntrack::reconcile(
    std::shared_ptr<const rules::Snapshot> snapshot,
    const rules::Context& context,
    std::span<const rules::IpAddress> local_addresses) {
  if (reconciled_ && !udp_differs(*reconciled_, *snapshot)) {
    return std::nullopt;
  }
  const UdpDestinations destinations(*snapshot, context, local_addresses, reconciled_.get());
  std::optional<ConntrackWalk> walk;
  if (!destinations.empty()) {
    walk = delete_stale_flows(snapshot->family, destinations);
  }
  reconciled_ = std::move(snapshot);
  return walk;
}

}  // namespace proxy
