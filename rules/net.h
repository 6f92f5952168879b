#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace rules {

enum class Family : std::uint8_t { kIpv4, kIpv6 };

enum class Protocol : std::uint8_t { kTcp, kUdp, kSctp };

/// "IPv4" or "IPv6", as the Kubernetes API and kube-proxy's metrics spell it.
std::string_view to_string(Family family);

/// "tcp", "udp" or "sctp", as iptables spells it and as chain names hash it (spec §1.1).
std::string_view to_string(Protocol protocol);

/// The protocol of an API object, in upper case ("TCP"), or of a rule, in lower case. Nothing else
/// is accepted.
std::optional<Protocol> parse_protocol(std::string_view text);

/// An IPv4 or IPv6 address; regular value of 17 bytes. IPv4-mapped IPv6 addresses are IPv4 (spec
/// §6.5).
class IpAddress {
 public:
  /// The unspecified IPv4 address.
  IpAddress() = default;

  /// Lenient as Kubernetes is: leading zeros of an IPv4 octet are decimal, never octal (spec §6.5,
  /// CVE-2021-29923). Nothing for any other text; zones and ports are not accepted.
  static std::optional<IpAddress> parse(std::string_view text);

  /// `bytes` in network order: 4 make an IPv4 address, 16 an IPv6 address (kept as such even if
  /// IPv4-mapped).
  static IpAddress from_bytes(std::span<const std::uint8_t> bytes);

  Family family() const { return family_; }

  /// Network order; 4 or 16 bytes. The span points into this address.
  std::span<const std::uint8_t> bytes() const {
    return {bytes_.data(), family_ == Family::kIpv4 ? std::size_t{4} : std::size_t{16}};
  }

  /// 127.0.0.0/8 or ::1.
  bool is_loopback() const;

  /// 0.0.0.0 or ::.
  bool is_unspecified() const;

  auto operator<=>(const IpAddress&) const = default;

 private:
  Family family_ = Family::kIpv4;
  std::array<std::uint8_t, 16> bytes_{};
};

/// How many leading bits of the mask are set; nothing for one that is no prefix.
std::optional<std::uint8_t> prefix_length(std::span<const std::uint8_t> mask);

/// A network; the address is always masked to the prefix length.
struct Cidr {
  IpAddress address;
  std::uint8_t prefix_length = 0;

  /// "address/length", lenient as IpAddress::parse, host bits cleared (10.1.2.3/8 is 10.0.0.0/8).
  static std::optional<Cidr> parse(std::string_view text);

  /// The network that holds just this address (/32 or /128).
  static Cidr host(const IpAddress& address);

  /// False for an address of the other family.
  bool contains(const IpAddress& other) const;

  /// True for /32 of IPv4 and /128 of IPv6.
  bool is_host() const;

  auto operator<=>(const Cidr&) const = default;
};

struct SocketAddress {
  IpAddress address;
  std::uint16_t port = 0;

  /// "10.0.0.1:80" or "[fd00::1]:80"; the port is 1..65535.
  static std::optional<SocketAddress> parse(std::string_view text);

  auto operator<=>(const SocketAddress&) const = default;
};

/// Canonical text appended to `out`: dotted quad, or RFC 5952 for IPv6.
void append(std::string& out, const IpAddress& address);

/// "address/length".
void append(std::string& out, const Cidr& cidr);

/// "address:port", IPv6 in brackets: the endpoint string that chain names hash (spec §1.1).
void append(std::string& out, const SocketAddress& socket);

/// Decimal digits.
void append(std::string& out, std::uint32_t number);

std::string to_string(const IpAddress& address);
std::string to_string(const Cidr& cidr);
std::string to_string(const SocketAddress& socket);

}  // namespace rules
