#include "proxy/nft/attributes.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include <endian.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

namespace proxy {

namespace {

using Bytes = NftAttributes::Bytes;

Bytes bytes_after_headers(const nlmsghdr* message) {
  constexpr std::size_t kHeaders = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(nfgenmsg));
  const auto* begin = static_cast<const std::uint8_t*>(static_cast<const void*>(message));
  return message->nlmsg_len < kHeaders ? Bytes()
                                       : Bytes(begin, message->nlmsg_len).subspan(kHeaders);
}

template <typename T>
std::optional<T> load(std::optional<Bytes> bytes) {
  T value = 0;
  if (!bytes || bytes->size() != sizeof value) {
    return std::nullopt;
  }
  std::memcpy(&value, bytes->data(), sizeof value);
  return value;
}

}  // namespace

NftAttributes::NftAttributes(const nlmsghdr* message) : bytes_(bytes_after_headers(message)) {}

std::optional<NftAttributes::Attribute> NftAttributes::take_first(Bytes& bytes) {
  nlattr header{};
  if (bytes.size() < sizeof header) {
    return std::nullopt;
  }
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.nla_len < sizeof header || header.nla_len > bytes.size()) {
    return std::nullopt;
  }
  const Attribute first{.type = header.nla_type & NLA_TYPE_MASK,
                        .data = bytes.first(header.nla_len).subspan(sizeof header)};
  const auto space = static_cast<std::size_t>(NLA_ALIGN(header.nla_len));
  bytes = bytes.subspan(std::min(space, bytes.size()));
  return first;
}

std::optional<Bytes> NftAttributes::find(int type) const {
  for (Bytes rest = bytes_; const auto next = take_first(rest);) {
    if (next->type == type) {
      return next->data;
    }
  }
  return std::nullopt;
}

std::optional<std::string_view> NftAttributes::text(int type) const {
  const Bytes data = bytes(type);
  const auto end = std::find(data.begin(), data.end(), 0);
  if (end == data.end()) {
    return std::nullopt;
  }
  return std::string_view(static_cast<const char*>(static_cast<const void*>(data.data())),
                          static_cast<std::size_t>(end - data.begin()));
}

std::optional<std::uint32_t> NftAttributes::number(int type) const {
  const auto raw = load<std::uint32_t>(find(type));
  return raw ? std::optional(be32toh(*raw)) : std::nullopt;
}

std::optional<std::uint64_t> NftAttributes::long_number(int type) const {
  const auto raw = load<std::uint64_t>(find(type));
  return raw ? std::optional(be64toh(*raw)) : std::nullopt;
}

Bytes NftAttributes::bytes(int type) const {
  return find(type).value_or(Bytes());
}

}  // namespace proxy
