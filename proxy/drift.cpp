#include "proxy/drift.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <string_view>
#include <system_error>
#include <utility>

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include "proxy/address_family.h"
#include "proxy/descriptor.h"
#include "proxy/logging.h"
#include "proxy/xtables_socket.h"

namespace proxy {

namespace {

using rules::Table;

constexpr std::array kTables{Table::kMangle, Table::kFilter, Table::kNat};

/// The names of our own restore programs, as the kernel cuts them.
constexpr std::array<std::string_view, 2> kOwnPrograms{"iptables-nft-re", "ip6tables-nft-r"};

/// What one netlink message says about a transaction.
struct Message {
  bool is_commit = false;    // the last message of a transaction
  int chain_attribute = 0;   // which attribute names the chain; 0 for what is in no chain
  std::string_view table;    // that it changes; empty for a commit
  std::string_view chain;    // likewise; empty for what is in no chain
  std::string_view program;  // who committed
};

int chain_attribute(int type) {
  switch (type) {
    case NFT_MSG_NEWRULE:
    case NFT_MSG_DELRULE:
      return NFTA_RULE_CHAIN;
    case NFT_MSG_NEWCHAIN:
    case NFT_MSG_DELCHAIN:
      return NFTA_CHAIN_NAME;
    default:
      return 0;
  }
}

int read_place(const nlattr* attribute, void* data) {
  constexpr int kTableAttribute = 1;  // NFTA_TABLE_NAME, NFTA_CHAIN_TABLE and NFTA_RULE_TABLE alike
  Message& said = *static_cast<Message*>(data);
  const int type = mnl_attr_get_type(attribute);
  if (type == kTableAttribute) {
    said.table = mnl_attr_get_str(attribute);
  } else if (type == said.chain_attribute) {
    said.chain = mnl_attr_get_str(attribute);
  }
  return MNL_CB_OK;
}

/// Other tools have chains of their own in our tables, and change them with every pod: no reason to
/// read ours.
bool concerns_us(const Message& said) {
  constexpr std::array<std::string_view, 5> kBuiltIn{
      "PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"};
  return rules::parse_table(said.table) &&
         (said.chain.empty() || said.chain.starts_with("KUBE-") ||
          std::find(kBuiltIn.begin(), kBuiltIn.end(), said.chain) != kBuiltIn.end());
}

int read_commit(const nlattr* attribute, void* data) {
  if (mnl_attr_get_type(attribute) == NFTA_GEN_PROC_NAME) {
    static_cast<Message*>(data)->program = mnl_attr_get_str(attribute);
  }
  return MNL_CB_OK;
}

/// The kernel's announcements of nftables transactions.
class NftEvents {
 public:
  explicit NftEvents(rules::Family family)
      : family_(address_family(family)),
        socket_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER)) {
    if (!socket_) {
      throw_errno("netlink socket for nftables events");
    }
    sockaddr_nl address{.nl_family = AF_NETLINK, .nl_groups = 1U << (NFNLGRP_NFTABLES - 1)};
    const auto* generic = static_cast<const sockaddr*>(static_cast<const void*>(&address));
    if (::bind(socket_.get(), generic, sizeof address) != 0) {
      throw_errno("joining the nftables events");
    }
    constexpr int kBufferBytes = 1 << 20;
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &kBufferBytes, sizeof kBufferBytes);
  }

  /// Takes in what has been announced since. `any` asks for a commit by whomever, otherwise by
  /// others than us.
  bool drain(bool any) {
    bool changed = false;
    std::array<char, 1 << 16> buffer{};
    while (true) {
      const auto received = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
      if (received < 0 && errno == ENOBUFS) {
        changed =
            changed || any;  // announcements were lost; of a sync of our own that is to be expected
        continue;
      }
      if (received <= 0) {
        return changed;
      }
      changed = take(buffer.data(), static_cast<int>(received), any) || changed;
    }
  }

 private:
  bool take(const char* data, int size, bool any) {
    bool changed = false;
    const auto* message = static_cast<const nlmsghdr*>(static_cast<const void*>(data));
    for (; mnl_nlmsg_ok(message, size); message = mnl_nlmsg_next(message, &size)) {
      const Message said = read(message);
      if (!said.is_commit) {
        concerns_us_ = concerns_us_ || concerns_us(said);
        continue;
      }
      const bool is_ours =
          std::find(kOwnPrograms.begin(), kOwnPrograms.end(), said.program) != kOwnPrograms.end();
      changed = changed || (std::exchange(concerns_us_, false) && (any || !is_ours));
    }
    return changed;
  }

  Message read(const nlmsghdr* message) const {
    Message said;
    const int type = message->nlmsg_type & 0xff;
    said.is_commit = type == NFT_MSG_NEWGEN;
    const auto* header = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(message));
    if (said.is_commit) {
      mnl_attr_parse(message, sizeof(nfgenmsg), read_commit, &said);
    } else if (header->nfgen_family == family_) {
      said.chain_attribute = chain_attribute(type);
      mnl_attr_parse(message, sizeof(nfgenmsg), read_place, &said);
    }
    return said;
  }

  int family_;
  Descriptor socket_;
  bool concerns_us_ = false;  // the transaction that is being announced changes what is ours
};

/// The shapes of the legacy tables that exist.
class LegacyShapes {
 public:
  explicit LegacyShapes(rules::Family family) : family_(family), socket_(family) {}

  /// True if a table is not as it was when this was last asked.
  bool look() {
    bool changed = false;
    for (const Table table : kTables) {
      const TableShape shape =
          legacy_table_exists(family_, table) ? socket_.shape(table) : TableShape{};
      TableShape& known = known_[table];
      changed = changed || shape != known;
      known = shape;
    }
    return changed;
  }

 private:
  rules::Family family_;
  XtablesSocket socket_;
  std::map<Table, TableShape> known_;
};

}  // namespace

DriftWatch watch_drift(rules::Family family, Variant variant) {
  try {
    if (variant == Variant::kLegacy) {
      auto shapes = std::make_shared<LegacyShapes>(family);
      return {.has_changed = [shapes] { return shapes->look(); },
              .settle = [shapes] { shapes->look(); }};
    }
    auto events = std::make_shared<NftEvents>(family);
    auto missed =
        std::make_shared<bool>(false);  // a change by others in the middle of our own sync
    return {.has_changed =
                [events, missed] { return events->drain(true) || std::exchange(*missed, false); },
            .settle = [events, missed] { *missed = events->drain(false) || *missed; }};
  } catch (const std::system_error& error) {
    log_warning("Drift is noticed only by reading the tables regularly",
                {{"family", to_string(family)}, {"error", error.what()}});
    return {.has_changed = [] { return false; }, .settle = [] {}};
  }
}

}  // namespace proxy
