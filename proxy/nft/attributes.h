#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

struct nlmsghdr;

namespace proxy {

/// The attributes of one of nftables' messages, or of a nest in one. They are looked at where they
/// lie: the message must outlive all that it gives. Each question is answered by the first
/// attribute of that type; one of another size than is asked for is as none. Total: bytes that end
/// too early end the list.
class NftAttributes {
 public:
  using Bytes = std::span<const std::uint8_t>;

  /// Those of a message; none if it is too short to be one of netfilter.
  explicit NftAttributes(const nlmsghdr* message);

  explicit NftAttributes(Bytes bytes) : bytes_(bytes) {}

  /// Up to its terminating zero, which it must have.
  std::optional<std::string_view> text(int type) const;

  // Numbers are in network order on the wire.
  std::optional<std::uint32_t> number(int type) const;
  std::optional<std::uint64_t> long_number(int type) const;

  /// Empty if there is none.
  Bytes bytes(int type) const;

  /// Without attributes if there is none.
  NftAttributes nest(int type) const { return NftAttributes(bytes(type)); }

  bool contains(int type) const { return find(type).has_value(); }

  /// Calls `visit(nest)` for each attribute of that type, in their order.
  template <typename Visit>
  void for_each(int type, Visit visit) const {
    for (Bytes rest = bytes_; const auto next = take_first(rest);) {
      if (next->type == type) {
        visit(NftAttributes(next->data));
      }
    }
  }

 private:
  struct Attribute {
    int type = 0;
    Bytes data;
  };

  /// Takes it away from the bytes; nothing if they do not begin with a whole one.
  static std::optional<Attribute> take_first(Bytes& bytes);

  std::optional<Bytes> find(int type) const;

  Bytes bytes_;
};

}  // namespace proxy
