#include "proxy/kernel/conntrack_entry.h"

#include <algorithm>
#include <cstring>
#include <span>

#include <endian.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

#include "rules/protocol_number.h"

namespace proxy {

namespace {

using Bytes = std::span<const std::uint8_t>;

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

/// One direction of an entry.
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

bool is_assured(Bytes status) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, status.data(), std::min(status.size(), sizeof bits));
  return (be32toh(bits) & IPS_ASSURED) != 0;
}

}  // namespace

std::optional<Flow> read_flow(const nlmsghdr* message) {
  Tuple original;
  Tuple reply;
  bool assured = true;  // unless the kernel says otherwise
  // The reply tuple follows the original one; of UDP nothing else matters.
  for_each_attribute(attributes(message), [&](int type, Bytes parts) {
    if (type == CTA_TUPLE_ORIG) {
      original = read_tuple(parts);
    } else if (type == CTA_TUPLE_REPLY) {
      reply = read_tuple(parts);
      return original.protocol != IPPROTO_UDP;
    } else if (type == CTA_STATUS) {
      assured = is_assured(parts);
      return false;
    }
    return true;
  });
  const auto protocol = rules::protocol_of(original.protocol);
  if (!protocol) {
    return std::nullopt;
  }
  return Flow{.protocol = *protocol,
              .original_destination = original.destination,
              .reply_source = reply.source,
              .is_assured = assured};
}

}  // namespace proxy
