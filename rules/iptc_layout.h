#pragma once

// Bytes of the legacy kernel interface, for rules/iptc_*.cpp only.

#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include <arpa/inet.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nfnetlink_acct.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_bpf.h>
#include <linux/netfilter/xt_comment.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_nfacct.h>
#include <linux/netfilter/xt_recent.h>
#include <linux/netfilter/xt_statistic.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv4/ipt_REJECT.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <linux/netfilter_ipv6/ip6t_REJECT.h>

#include "rules/net.h"

namespace rules::iptc {

/// linux/netfilter/xt_sctp.h is no C++ (it uses _Bool), so its structure stands here again.
struct SctpInfo {
  static constexpr std::uint32_t kSourcePorts = 1;
  static constexpr std::uint32_t kDestinationPorts = 2;

  std::uint16_t destination[2];
  std::uint16_t source[2];
  std::uint32_t chunks[64];
  std::uint32_t chunk_match_type;

  struct {
    std::uint8_t type;
    std::uint8_t flag;
    std::uint8_t mask;
  } flag_info[4];

  std::int32_t flag_count;
  std::uint32_t flags;
  std::uint32_t inverted;
};

/// What XT_ALIGN of the kernel's header says, which is no C++ before 2023: it uses typeof.
constexpr std::size_t aligned(std::size_t bytes) {
  return (bytes + alignof(_xt_align) - 1) / alignof(_xt_align) * alignof(_xt_align);
}

/// A match or target of iptables: its name, and the revision and data that we use.
template <typename T>
struct Extension {
  using Data = T;
  const char* name;
  std::uint8_t revision;

  /// Bytes of the header and the data.
  static constexpr std::size_t size() { return aligned(sizeof(xt_entry_match) + sizeof(T)); }
};

inline constexpr Extension<xt_comment_info> kComment{"comment", 0};
inline constexpr Extension<xt_tcp> kTcp{"tcp", 0};
inline constexpr Extension<xt_udp> kUdp{"udp", 0};
inline constexpr Extension<SctpInfo> kSctp{"sctp", 0};
inline constexpr Extension<xt_bpf_info_v1> kBpf{"bpf", 1};
inline constexpr Extension<xt_conntrack_mtinfo3> kConntrack{"conntrack", 3};
inline constexpr Extension<xt_mark_mtinfo1> kMark{"mark", 1};
inline constexpr Extension<xt_addrtype_info_v1> kAddressType{"addrtype", 1};
inline constexpr Extension<xt_statistic_info> kStatistic{"statistic", 0};
inline constexpr Extension<xt_recent_mtinfo_v1> kRecent{"recent", 1};
inline constexpr Extension<xt_nfacct_match_info_v1> kAccounting{"nfacct", 1};

inline constexpr Extension<int> kStandard{"", 0};
inline constexpr Extension<ipt_reject_info> kReject{"REJECT", 0};
inline constexpr Extension<ip6t_reject_info> kReject6{"REJECT", 0};
inline constexpr Extension<xt_mark_tginfo2> kSetMark{"MARK", 2};
inline constexpr Extension<nf_nat_ipv4_multi_range_compat> kMasquerade{"MASQUERADE", 0};
inline constexpr Extension<nf_nat_range> kMasquerade6{"MASQUERADE", 0};
inline constexpr Extension<nf_nat_range2> kDnat{"DNAT", 2};

static_assert(sizeof(xt_entry_match) == sizeof(xt_entry_target));
static_assert(IPT_INV_SRCIP == IP6T_INV_SRCIP && IPT_INV_DSTIP == IP6T_INV_DSTIP &&
              IPT_INV_VIA_IN == IP6T_INV_VIA_IN);

inline std::size_t header_size(Family family) {
  return family == Family::kIpv4 ? sizeof(ipt_entry) : sizeof(ip6t_entry);
}

/// A kernel structure out of bytes that need not be aligned.
template <typename T>
T load(std::span<const std::uint8_t> bytes) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

template <typename T>
void store(std::span<std::uint8_t> bytes, const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  std::memcpy(bytes.data(), &value, sizeof(T));
}

}  // namespace rules::iptc
