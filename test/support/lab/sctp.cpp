#include "test/support/lab/sctp.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <random>
#include <span>

#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "test/support/native_address.h"

namespace test::lab {

namespace {

using proxy::Descriptor;
using proxy::throw_errno;
using rules::Family;
using rules::SocketAddress;
using Bytes = std::vector<std::uint8_t>;

enum Chunk : std::uint8_t {
  kData = 0,
  kInit = 1,
  kInitAck = 2,
  kSack = 3,
  kCookieEcho = 10,
  kCookieAck = 11,
};

constexpr std::size_t kHeader = 12;
constexpr std::size_t kChunkHeader = 4;
constexpr std::size_t kInitBody = 16;
constexpr std::size_t kDataBody = 12;
constexpr std::uint32_t kServerTag = 0x5ec7a600;
constexpr std::uint8_t kWholeMessage = 3;  // flags B and E of DATA
constexpr std::uint16_t kStateCookie = 7;
constexpr std::uint32_t kFirstNumber = 1;
constexpr std::uint32_t kWindow = 65536;

void put(Bytes& bytes, std::uint64_t value, int size) {
  for (int i = size; i-- > 0;) {
    bytes.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  }
}

std::uint32_t get(std::span<const std::uint8_t> bytes, std::size_t at, std::size_t size) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < size; ++i) {
    value = value << 8U | (at + i < bytes.size() ? bytes[at + i] : 0U);
  }
  return value;
}

/// CRC32c, in the order in which SCTP sends it.
std::uint32_t checksum(const Bytes& bytes) {
  std::uint32_t crc = ~0U;
  for (const std::uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) {
      crc = crc >> 1U ^ (0x82f63b78U & (0U - (crc & 1U)));
    }
  }
  return __builtin_bswap32(~crc);
}

struct Ports {
  std::uint16_t source = 0;
  std::uint16_t destination = 0;
};

/// One packet in the making.
class Packet {
 public:
  Packet(Ports ports, std::uint32_t tag) {
    put(bytes_, ports.source, 2);
    put(bytes_, ports.destination, 2);
    put(bytes_, tag, 4);
    put(bytes_, 0, 4);
  }

  Packet& chunk(Chunk type, std::uint8_t flags, const Bytes& body) {
    put(bytes_, type, 1);
    put(bytes_, flags, 1);
    put(bytes_, kChunkHeader + body.size(), 2);
    bytes_.insert(bytes_.end(), body.begin(), body.end());
    bytes_.resize((bytes_.size() + 3) / 4 * 4);
    return *this;
  }

  Bytes finish() {
    const std::uint32_t crc = checksum(bytes_);
    for (std::size_t i = 0; i < 4; ++i) {
      bytes_[8 + i] = static_cast<std::uint8_t>(crc >> (8 * (3 - i)));
    }
    return std::move(bytes_);
  }

 private:
  Bytes bytes_;
};

Bytes init_body(std::uint32_t tag) {
  Bytes body;
  put(body, tag, 4);
  put(body, kWindow, 4);
  put(body, 1, 2);  // streams out and in
  put(body, 1, 2);
  put(body, kFirstNumber, 4);
  return body;
}

Bytes data_body(std::string_view text) {
  Bytes body;
  put(body, kFirstNumber, 4);
  put(body, 0, 4);  // stream and number in it
  put(body, 0, 4);  // protocol
  body.insert(body.end(), text.begin(), text.end());
  return body;
}

Bytes sack_body() {
  Bytes body;
  put(body, kFirstNumber, 4);
  put(body, kWindow, 4);
  put(body, 0, 4);
  return body;
}

/// A received packet: what follows the IP header, and whether it is one of SCTP at all.
struct Received {
  Bytes bytes;

  bool is_right() const {
    if (bytes.size() < kHeader + kChunkHeader) {
      return false;
    }
    Bytes blank = bytes;
    std::fill_n(blank.begin() + 8, 4, std::uint8_t{0});
    return checksum(blank) == get(bytes, 8, 4);
  }

  Ports ports() const {
    return {static_cast<std::uint16_t>(get(bytes, 0, 2)),
            static_cast<std::uint16_t>(get(bytes, 2, 2))};
  }

  /// The body of its first chunk of that type.
  std::optional<Bytes> chunk(Chunk type) const {
    std::size_t at = kHeader;
    while (at + kChunkHeader <= bytes.size()) {
      const std::size_t length = get(bytes, at + 2, 2);
      if (length < kChunkHeader || at + length > bytes.size()) {
        return std::nullopt;
      }
      const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(at);
      if (bytes[at] == type) {
        return Bytes(begin + kChunkHeader, begin + static_cast<std::ptrdiff_t>(length));
      }
      at += (length + 3) / 4 * 4;
    }
    return std::nullopt;
  }
};

Descriptor raw_socket(Family family) {
  Descriptor socket(::socket(family == Family::kIpv4 ? AF_INET : AF_INET6,
                             SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                             IPPROTO_SCTP));
  if (!socket) {
    throw_errno("raw socket for SCTP");
  }
  return socket;
}

/// Nothing if there is none; errno tells why.
std::optional<Received> receive(int socket, Family family, NativeAddress& peer) {
  std::array<std::uint8_t, 4096> bytes{};
  const ssize_t size = ::recvfrom(socket, bytes.data(), bytes.size(), 0, peer.get(), &peer.length);
  if (size < 0) {
    return std::nullopt;
  }
  // Of IPv4, raw sockets show the IP header.
  const std::size_t skipped = family == Family::kIpv4 ? (bytes[0] & 0xfU) * 4U : 0U;
  const auto end = bytes.begin() + size;
  const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(
                                         skipped, static_cast<std::size_t>(size)));
  return Received{Bytes(begin, end)};
}

void send(int socket, const Bytes& bytes, const NativeAddress& to) {
  NativeAddress native = to;
  if (native.storage.ss_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &native.storage, sizeof in);
    in.sin6_port = 0;  // raw sockets of IPv6 take it for a protocol
    std::memcpy(&native.storage, &in, sizeof in);
  }
  ::sendto(socket, bytes.data(), bytes.size(), 0, native.get(), native.length);
}

std::uint32_t random_number() {
  static thread_local std::mt19937 engine{std::random_device{}()};
  return static_cast<std::uint32_t>(engine());
}

/// What a client has to do next, by what it has received.
class Client {
 public:
  explicit Client(std::uint16_t port)
      : tag_(random_number() | 1U),
        ports_{static_cast<std::uint16_t>(20000 + random_number() % 40000), port} {}

  Bytes first() { return Packet(ports_, 0).chunk(kInit, 0, init_body(tag_)).finish(); }

  bool is_for_us(const Received& packet) const {
    return packet.is_right() && packet.ports().destination == ports_.source &&
           get(packet.bytes, 4, 4) == tag_;
  }

  /// The packet to send now, if any.
  std::optional<Bytes> next(const Received& packet) {
    if (const auto body = packet.chunk(kInitAck); body && body->size() > kInitBody + kChunkHeader) {
      peer_tag_ = get(*body, 0, 4);
      const Bytes cookie(body->begin() + kInitBody + kChunkHeader, body->end());
      return Packet(ports_, peer_tag_).chunk(kCookieEcho, 0, cookie).finish();
    }
    if (packet.chunk(kCookieAck)) {
      return Packet(ports_, peer_tag_).chunk(kData, kWholeMessage, data_body("?")).finish();
    }
    return std::nullopt;
  }

 private:
  std::uint32_t tag_;
  std::uint32_t peer_tag_ = 0;
  Ports ports_;
};

}  // namespace

SctpServer::SctpServer(const Host& host, Family family, std::vector<std::uint16_t> ports)
    : name_(host.name),
      ports_(std::move(ports)),
      socket_(host.space.within([&] { return raw_socket(family); })) {
  NativeAddress native = to_native({host.own.of(family), 0});
  if (::bind(socket_.get(), native.get(), native.length) != 0) {
    throw_errno("bind a raw socket");
  }
}

void SctpServer::serve() {
  NativeAddress peer;
  int domain = 0;
  socklen_t length = sizeof domain;
  ::getsockopt(socket_.get(), SOL_SOCKET, SO_DOMAIN, &domain, &length);
  const auto packet =
      receive(socket_.get(), domain == AF_INET ? Family::kIpv4 : Family::kIpv6, peer);
  if (!packet || !packet->is_right() ||
      std::ranges::find(ports_, packet->ports().destination) == ports_.end()) {
    return;
  }
  const Ports back{packet->ports().destination, packet->ports().source};
  const std::string client = rules::to_string(from_native(peer));
  const std::pair key{client, back.destination};
  if (const auto init = packet->chunk(kInit)) {
    Bytes body = init_body(kServerTag);
    put(body, kStateCookie, 2);
    put(body, kChunkHeader + 4, 2);
    put(body, get(*init, 0, 4), 4);  // the cookie is the peer's tag
    send(socket_.get(), Packet(back, get(*init, 0, 4)).chunk(kInitAck, 0, body).finish(), peer);
  } else if (const auto cookie = packet->chunk(kCookieEcho)) {
    tags_[key] = get(*cookie, 0, 4);
    send(socket_.get(), Packet(back, tags_[key]).chunk(kCookieAck, 0, {}).finish(), peer);
  } else if (const auto data = packet->chunk(kData)) {
    const std::string line = fmt::format("{} {} {}\n", name_, client, data->size() - kDataBody);
    Packet answer(back, tags_[key]);
    answer.chunk(kSack, 0, sack_body()).chunk(kData, kWholeMessage, data_body(line));
    send(socket_.get(), answer.finish(), peer);
  }
}

std::optional<std::string> ask_by_sctp(const Host& from,
                                       const SocketAddress& to,
                                       std::chrono::milliseconds patience) {
  const Family family = to.address.family();
  const Descriptor socket = from.space.within([&] { return raw_socket(family); });
  NativeAddress peer = to_native({to.address, 0});
  if (::connect(socket.get(), peer.get(), peer.length) != 0) {
    throw_errno("connect a raw socket");
  }
  Client client(to.port);
  send(socket.get(), client.first(), peer);
  const auto give_up_at = std::chrono::steady_clock::now() + patience;
  while (std::chrono::steady_clock::now() < give_up_at) {
    pollfd waiting{.fd = socket.get(), .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, 10) <= 0) {
      continue;
    }
    NativeAddress sender;
    const auto packet = receive(socket.get(), family, sender);
    if (!packet) {
      if (errno == ECONNREFUSED) {
        return "refused";
      }
      continue;
    }
    if (!client.is_for_us(*packet)) {
      continue;
    }
    if (const auto data = packet->chunk(kData)) {
      return std::string(data->begin() + kDataBody, data->end());
    }
    if (const auto next = client.next(*packet)) {
      send(socket.get(), *next, peer);
    }
  }
  return std::nullopt;
}

}  // namespace test::lab
