#include "proxy/kernel/nfnetlink.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include <catch2/catch.hpp>
#include <linux/netlink.h>

using proxy::take_message;

namespace {

/// A buffer of `size` bytes that begins with a message of the said length.
std::vector<std::uint8_t> beginning_with(std::uint32_t length, std::size_t size) {
  std::vector<std::uint8_t> bytes(std::max(size, sizeof(nlmsghdr)));
  const nlmsghdr header{.nlmsg_len = length};
  std::memcpy(bytes.data(), &header, sizeof header);
  bytes.resize(size);
  return bytes;
}

}  // namespace

TEST_CASE("nfnetlink: messages are taken one by one, each as long as it says, padded to 4 bytes",
          "[proxy][nfnetlink]") {
  // Length that is said, bytes that are there, bytes that are left; nothing: it is no message.
  const auto& [length, size, left] =
      GENERATE(table<std::uint32_t, std::size_t, std::optional<std::size_t>>(
          {{16, 16, 0},
           {16, 40, 24},
           {17, 40, 20},
           {17, 17, 0},
           {40, 40, 0},
           {0, 0, std::nullopt},
           {16, 15, std::nullopt},
           {0, 40, std::nullopt},
           {15, 40, std::nullopt},
           {41, 40, std::nullopt},
           {0x7fffffff, 40, std::nullopt},
           {0x80000000, 40, std::nullopt},
           {0xffffffff, 40, std::nullopt}}));
  CAPTURE(length, size);
  const auto bytes = beginning_with(length, size);
  std::span<const std::uint8_t> rest(bytes);

  const nlmsghdr* message = take_message(rest);

  CHECK((message != nullptr) == left.has_value());
  CHECK(rest.size() == left.value_or(size));
}
