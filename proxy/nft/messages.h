#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "proxy/kernel/nfnetlink.h"

namespace proxy {

/// Netlink messages, one behind the other, as they are sent.
class NftMessages {
 public:
  using Bytes = std::span<const std::uint8_t>;

  /// An attribute or message that is still growing, by its place.
  using Place = std::size_t;

  std::size_t size() const { return bytes_.size(); }

  Bytes bytes() const { return bytes_; }

  std::size_t count() const { return count_; }

  void clear();

  /// Everything until finish() belongs to this message.
  Place start(const NfnetlinkHeader& header, std::uint32_t sequence);
  void finish(Place message);

  // Attributes. Numbers are in network order, as nftables has them.
  void put(int type, Bytes data);
  void put(int type, std::string_view text);  // with a terminating zero
  void put(int type, std::uint32_t number);
  void put_long(int type, std::uint64_t number);

  Place begin_nest(int type);
  void end_nest(Place nest);

  /// Writes over an attribute's data that begins there; `put` left it at size() - 8.
  void overwrite_long(Place data, std::uint64_t number);

 private:
  /// The place of its data, which are zeros.
  Place add_attribute(int type, std::size_t size);

  template <typename T>
  void store(Place place, const T& value);

  std::vector<std::uint8_t> bytes_;
  std::size_t count_ = 0;
};

/// The message of that number among those, or null.
const nlmsghdr* find_message(NftMessages::Bytes bytes, std::uint32_t sequence);

}  // namespace proxy
