#pragma once

#include <array>
#include <utility>

#include "rules/net.h"

namespace proxy {

inline constexpr std::array kFamilies = {rules::Family::kIpv4, rules::Family::kIpv6};

/// One T for each family: whatever exists twice because iptables and ip6tables do.
template <typename T>
class PerFamily {
 public:
  PerFamily() = default;

  PerFamily(T ipv4, T ipv6) : ipv4_(std::move(ipv4)), ipv6_(std::move(ipv6)) {}

  T& operator[](rules::Family family) { return family == rules::Family::kIpv4 ? ipv4_ : ipv6_; }

  const T& operator[](rules::Family family) const {
    return family == rules::Family::kIpv4 ? ipv4_ : ipv6_;
  }

  bool operator==(const PerFamily&) const = default;

 private:
  T ipv4_{};
  T ipv6_{};
};

}  // namespace proxy
