#include "proxy/nft/messages.h"

#include <algorithm>
#include <cstring>

#include <endian.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

namespace proxy {

namespace {

constexpr std::size_t aligned(std::size_t size) {
  return (size + 3) & ~std::size_t{3};
}

constexpr std::size_t kHeaderSpace = aligned(sizeof(nlmsghdr)) + aligned(sizeof(nfgenmsg));

}  // namespace

void NftMessages::clear() {
  bytes_.clear();
  count_ = 0;
}

template <typename T>
void NftMessages::store(Place place, const T& value) {
  std::memcpy(bytes_.data() + place, &value, sizeof value);
}

NftMessages::Place NftMessages::start(const NfnetlinkHeader& header, std::uint32_t sequence) {
  const Place place = bytes_.size();
  bytes_.resize(place + kHeaderSpace);
  start_message(bytes_.data() + place, header)->nlmsg_seq = sequence;
  ++count_;
  return place;
}

void NftMessages::finish(Place message) {
  store(message + offsetof(nlmsghdr, nlmsg_len),
        static_cast<std::uint32_t>(bytes_.size() - message));
}

NftMessages::Place NftMessages::add_attribute(int type, std::size_t size) {
  const Place place = bytes_.size();
  bytes_.resize(place + sizeof(nlattr) + aligned(size));
  store(place,
        nlattr{.nla_len = static_cast<std::uint16_t>(sizeof(nlattr) + size),
               .nla_type = static_cast<std::uint16_t>(type)});
  return place + sizeof(nlattr);
}

void NftMessages::put(int type, Bytes data) {
  const Place place = add_attribute(type, data.size());
  std::copy(data.begin(), data.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(place));
}

void NftMessages::put(int type, std::string_view text) {
  const Place place = add_attribute(type, text.size() + 1);
  std::copy(text.begin(), text.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(place));
}

void NftMessages::put(int type, std::uint32_t number) {
  store(add_attribute(type, sizeof number), htobe32(number));
}

void NftMessages::put_long(int type, std::uint64_t number) {
  store(add_attribute(type, sizeof number), htobe64(number));
}

NftMessages::Place NftMessages::begin_nest(int type) {
  return add_attribute(type | NLA_F_NESTED, 0) - sizeof(nlattr);
}

void NftMessages::end_nest(Place nest) {
  store(nest + offsetof(nlattr, nla_len), static_cast<std::uint16_t>(bytes_.size() - nest));
}

void NftMessages::overwrite_long(Place data, std::uint64_t number) {
  store(data, htobe64(number));
}

const nlmsghdr* find_message(NftMessages::Bytes bytes, std::uint32_t sequence) {
  while (const nlmsghdr* message = take_message(bytes)) {
    if (message->nlmsg_seq == sequence) {
      return message;
    }
  }
  return nullptr;
}

}  // namespace proxy
