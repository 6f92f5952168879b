#include "rules/net.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace rules {

namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/// Decimal, at least one digit, nothing else; leading zeros count as nothing.
std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t max) {
  if (text.empty() || text.front() == '+' || text.front() == '-') {
    return std::nullopt;
  }
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > max) {
    return std::nullopt;
  }
  return value;
}

std::optional<std::array<std::uint8_t, 4>> parse_ipv4(std::string_view text) {
  std::array<std::uint8_t, 4> bytes{};
  for (std::size_t i = 0; i < 4; ++i) {
    const std::size_t dot = i < 3 ? text.find('.') : text.size();
    if (dot == std::string_view::npos) {
      return std::nullopt;
    }
    const auto octet = parse_number(text.substr(0, dot), 255);
    if (!octet) {
      return std::nullopt;
    }
    bytes[i] = static_cast<std::uint8_t>(*octet);
    text.remove_prefix(std::min(dot + 1, text.size()));
  }
  return bytes;
}

std::optional<std::uint16_t> parse_group(std::string_view text) {
  std::uint16_t value = 0;
  if (text.empty() || text.size() > 4) {
    return std::nullopt;
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

/// Groups of one side of "::", the last of which may be a dotted quad. False if malformed.
bool parse_groups(std::string_view text,
                  bool quad_allowed,
                  std::array<std::uint16_t, 8>& groups,
                  std::size_t& count) {
  while (!text.empty()) {
    const std::size_t colon = text.find(':');
    const std::string_view word = text.substr(0, colon);
    if (colon == std::string_view::npos && quad_allowed &&
        word.find('.') != std::string_view::npos) {
      const auto quad = parse_ipv4(word);
      if (!quad || count + 2 > groups.size()) {
        return false;
      }
      groups[count++] = static_cast<std::uint16_t>((*quad)[0] << 8 | (*quad)[1]);
      groups[count++] = static_cast<std::uint16_t>((*quad)[2] << 8 | (*quad)[3]);
      return true;
    }
    const auto group = parse_group(word);
    if (!group || count == groups.size()) {
      return false;
    }
    groups[count++] = *group;
    if (colon == std::string_view::npos) {
      return true;
    }
    text.remove_prefix(colon + 1);
    if (text.empty()) {
      return false;  // a single colon at the end
    }
  }
  return true;
}

std::optional<std::array<std::uint8_t, 16>> parse_ipv6(std::string_view text) {
  std::array<std::uint16_t, 8> head{};
  std::array<std::uint16_t, 8> tail{};
  std::size_t head_count = 0;
  std::size_t tail_count = 0;
  const std::size_t gap = text.find("::");
  if (gap == std::string_view::npos) {
    if (text.empty() || !parse_groups(text, true, head, head_count) || head_count != 8) {
      return std::nullopt;
    }
  } else if (!parse_groups(text.substr(0, gap), false, head, head_count) ||
             !parse_groups(text.substr(gap + 2), true, tail, tail_count) ||
             head_count + tail_count > 7) {
    return std::nullopt;
  }
  std::copy(tail.begin(),
            tail.begin() + static_cast<std::ptrdiff_t>(tail_count),
            head.end() - static_cast<std::ptrdiff_t>(tail_count));
  std::array<std::uint8_t, 16> bytes{};
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[2 * i] = static_cast<std::uint8_t>(head[i] >> 8);
    bytes[2 * i + 1] = static_cast<std::uint8_t>(head[i] & 0xff);
  }
  return bytes;
}

void append_hex(std::string& out, std::uint16_t number) {
  std::array<char, 4> buffer{};
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number, 16);
  out.append(buffer.data(), result.ptr);
}

/// RFC 5952: lower case, no leading zeros, the longest (first) run of at least two zero groups
/// becomes "::".
void append_ipv6(std::string& out, std::span<const std::uint8_t> bytes) {
  const auto group = [&](std::size_t i) {
    return static_cast<std::uint16_t>(bytes[2 * i] << 8 | bytes[2 * i + 1]);
  };
  std::size_t gap = 8;
  std::size_t gap_length = 1;
  for (std::size_t i = 0; i < 8; ++i) {
    std::size_t end = i;
    while (end < 8 && group(end) == 0) {
      ++end;
    }
    if (end - i > gap_length) {
      gap = i;
      gap_length = end - i;
    }
    i = std::max(i, end);
  }
  for (std::size_t i = 0; i < 8; ++i) {
    if (i == gap) {
      out += "::";
      i += gap_length - 1;
      continue;
    }
    if (i > 0 && out.back() != ':') {
      out += ':';
    }
    append_hex(out, group(i));
  }
}

}  // namespace

std::string_view to_string(Family family) {
  return family == Family::kIpv4 ? "IPv4" : "IPv6";
}

std::string_view to_string(Protocol protocol) {
  switch (protocol) {
    case Protocol::kTcp:
      return "tcp";
    case Protocol::kUdp:
      return "udp";
    case Protocol::kSctp:
      return "sctp";
  }
  return {};
}

std::optional<Protocol> parse_protocol(std::string_view text) {
  if (text == "TCP" || text == "tcp") {
    return Protocol::kTcp;
  }
  if (text == "UDP" || text == "udp") {
    return Protocol::kUdp;
  }
  if (text == "SCTP" || text == "sctp") {
    return Protocol::kSctp;
  }
  return std::nullopt;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.find(':') == std::string_view::npos) {
    const auto quad = parse_ipv4(text);
    return quad ? std::optional(from_bytes(*quad)) : std::nullopt;
  }
  const auto bytes = parse_ipv6(text);
  if (!bytes) {
    return std::nullopt;
  }
  const std::span<const std::uint8_t> all(*bytes);
  if (std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes->begin())) {
    return from_bytes(all.subspan(kMappedPrefix.size()));
  }
  return from_bytes(all);
}

IpAddress IpAddress::from_bytes(std::span<const std::uint8_t> bytes) {
  IpAddress address;
  address.family_ = bytes.size() == 4 ? Family::kIpv4 : Family::kIpv6;
  std::copy_n(bytes.begin(), std::min(bytes.size(), address.bytes_.size()), address.bytes_.begin());
  return address;
}

bool IpAddress::is_loopback() const {
  if (family_ == Family::kIpv4) {
    return bytes_[0] == 127;
  }
  return bytes_[15] == 1 &&
         std::all_of(bytes_.begin(), bytes_.end() - 1, [](std::uint8_t byte) { return byte == 0; });
}

bool IpAddress::is_unspecified() const {
  return std::all_of(bytes_.begin(), bytes_.end(), [](std::uint8_t byte) { return byte == 0; });
}

std::optional<Cidr> Cidr::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) {
    return std::nullopt;
  }
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) {
    return std::nullopt;
  }
  // A mapped address ("::ffff:10.0.0.0/104") counts its prefix in the IPv6 address that was
  // written.
  const bool mapped = address->family() == Family::kIpv4 &&
                      text.substr(0, slash).find(':') != std::string_view::npos;
  const std::uint32_t skipped = mapped ? 96 : 0;
  const auto bits = static_cast<std::uint32_t>(address->bytes().size() * 8);
  const auto length = parse_number(text.substr(slash + 1), bits + skipped);
  if (!length || *length < skipped) {
    return std::nullopt;
  }
  std::array<std::uint8_t, 16> masked{};
  const std::uint32_t kept = *length - skipped;
  for (std::uint32_t i = 0; i < bits / 8; ++i) {
    const std::uint32_t ones = std::min<std::uint32_t>(8, kept > 8 * i ? kept - 8 * i : 0);
    masked[i] = static_cast<std::uint8_t>(address->bytes()[i] & (0xff00U >> ones));
  }
  return Cidr{IpAddress::from_bytes(std::span(masked).first(bits / 8)),
              static_cast<std::uint8_t>(kept)};
}

Cidr Cidr::host(const IpAddress& address) {
  return Cidr{address, static_cast<std::uint8_t>(address.bytes().size() * 8)};
}

std::optional<std::uint8_t> prefix_length(std::span<const std::uint8_t> mask) {
  int length = 0;
  bool ended = false;
  for (const std::uint8_t byte : mask) {
    const int ones = std::countl_one(byte);
    if ((ended && byte != 0) || static_cast<std::uint8_t>(byte << ones) != 0) {
      return std::nullopt;
    }
    length += ones;
    ended = ended || ones < 8;
  }
  return static_cast<std::uint8_t>(length);
}

bool Cidr::contains(const IpAddress& other) const {
  if (other.family() != address.family()) {
    return false;
  }
  for (std::size_t i = 0; i * 8 < prefix_length; ++i) {
    const std::size_t ones = std::min<std::size_t>(8, prefix_length - 8 * i);
    const auto mask = static_cast<std::uint8_t>(0xff00U >> ones);
    if ((other.bytes()[i] & mask) != address.bytes()[i]) {
      return false;
    }
  }
  return true;
}

bool Cidr::is_host() const {
  return prefix_length == address.bytes().size() * 8;
}

std::optional<SocketAddress> SocketAddress::parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return std::nullopt;
  }
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) {
    host = host.substr(1, host.size() - 2);
  }
  const auto address = IpAddress::parse(host);
  const auto port = parse_number(text.substr(colon + 1), 65535);
  if (!address || !port || *port == 0 || bracketed != (host.find(':') != std::string_view::npos)) {
    return std::nullopt;
  }
  return SocketAddress{*address, static_cast<std::uint16_t>(*port)};
}

void append(std::string& out, std::uint32_t number) {
  std::array<char, 10> buffer{};
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number);
  out.append(buffer.data(), result.ptr);
}

void append(std::string& out, const IpAddress& address) {
  if (address.family() == Family::kIpv6) {
    append_ipv6(out, address.bytes());
    return;
  }
  for (std::size_t i = 0; i < 4; ++i) {
    if (i > 0) {
      out += '.';
    }
    append(out, std::uint32_t{address.bytes()[i]});
  }
}

void append(std::string& out, const Cidr& cidr) {
  append(out, cidr.address);
  out += '/';
  append(out, std::uint32_t{cidr.prefix_length});
}

void append(std::string& out, const SocketAddress& socket) {
  if (socket.address.family() == Family::kIpv6) {
    out += '[';
    append(out, socket.address);
    out += ']';
  } else {
    append(out, socket.address);
  }
  out += ':';
  append(out, std::uint32_t{socket.port});
}

std::string to_string(const IpAddress& address) {
  std::string out;
  append(out, address);
  return out;
}

std::string to_string(const Cidr& cidr) {
  std::string out;
  append(out, cidr);
  return out;
}

std::string to_string(const SocketAddress& socket) {
  std::string out;
  append(out, socket);
  return out;
}

}  // namespace rules
