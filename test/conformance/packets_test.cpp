#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "test/conformance/cluster.h"
#include "test/conformance/setups.h"
#include "test/support/eventually.h"
#include "test/support/native_address.h"

// Packets that are not the usual ones: very many, very large, or out of order.

using namespace test::lab;
using rules::Family;
using rules::Protocol;
using test::service;

namespace {

void apply_web(Lab& lab, const std::vector<Member>& members) {
  Objects objects;
  objects.services = {service("default/web", cluster_ips(70))
                          .type("NodePort")
                          .port("tcp", 80)
                          .node_port(30070)
                          .port("udp", 80, "UDP")
                          .node_port(30070)
                          .build()};
  add(objects, lab, {"default/web", {{"tcp"}, {"udp", kPodPort, "UDP"}}, members});
  lab.apply(objects);
}

struct LargeRequest {
  std::string_view from;
  std::string_view to;
  std::uint16_t port;
};

constexpr LargeRequest kLargeRequests[] = {{"pod-1a", "cluster 70", 80},  // to another node
                                           {"pod-2b", "cluster 70", 80},  // on the same node
                                           {"pod-2a", "cluster 70", 80},  // to oneself
                                           {"node-3", "cluster 70", 80},
                                           {"outside", "node-1", 30070}};

constexpr std::size_t kLargeStream = 3'000'000;
constexpr std::size_t kLargeDatagram = 40'000;  // in fragments, on each of its ways
constexpr std::size_t kManyBytes = 200'000'000;

std::uint16_t port_of(const proxy::Descriptor& socket) {
  sockaddr_in own{};
  socklen_t length = sizeof own;
  REQUIRE(::getsockname(socket.get(), static_cast<sockaddr*>(static_cast<void*>(&own)), &length) ==
          0);
  return ntohs(own.sin_port);
}

std::uint32_t sum_of(const std::uint8_t* bytes, std::size_t size) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < size; i += 2) {
    sum += static_cast<std::uint32_t>(bytes[i] << 8U | bytes[i + 1]);
  }
  return sum;
}

/// The numbers of the bytes that a socket of TCP sends and expects next.
struct Numbers {
  std::uint32_t sent = 0;
  std::uint32_t expected = 0;
};

Numbers numbers_of(const proxy::Descriptor& socket) {
  constexpr int kOn = 1;
  constexpr int kOffWithoutProbe = -1;
  REQUIRE(::setsockopt(socket.get(), IPPROTO_TCP, TCP_REPAIR, &kOn, sizeof kOn) == 0);
  const auto number_of = [&](int queue) {
    std::uint32_t number = 0;
    socklen_t length = sizeof number;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof queue);
    ::getsockopt(socket.get(), IPPROTO_TCP, TCP_QUEUE_SEQ, &number, &length);
    return number;
  };
  constexpr int kReceiveQueue = 1;
  constexpr int kSendQueue = 2;
  const Numbers numbers{number_of(kSendQueue), number_of(kReceiveQueue)};
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_REPAIR, &kOffWithoutProbe, sizeof kOffWithoutProbe);
  return numbers;
}

/// Sends what the other end of a connection of TCP over IPv4 might send, were it not far beyond the
/// window.
void send_out_of_window(const Host& from, const rules::SocketAddress& to, const Numbers& numbers) {
  constexpr std::uint32_t kFarBeyond = 100'000'000;
  const proxy::Descriptor socket = from.space.within(
      [] { return proxy::Descriptor(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP)); });
  std::array<std::uint8_t, 20> segment{};
  const auto put = [&](std::size_t at, std::uint32_t value, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) {
      segment[at + i] = static_cast<std::uint8_t>(value >> (8 * (size - 1 - i)));
    }
  };
  put(0, kPodPort, 2);
  put(2, to.port, 2);
  put(4, numbers.expected + kFarBeyond, 4);
  put(8, numbers.sent, 4);
  segment[12] = 5 << 4U;
  segment[13] = TH_ACK;
  put(14, 1000, 2);
  std::uint32_t sum = sum_of(segment.data(), segment.size()) + IPPROTO_TCP +
                      static_cast<std::uint32_t>(segment.size());
  for (const rules::IpAddress& address : {from.own.ipv4, to.address}) {
    sum += sum_of(address.bytes().data(), 4);
  }
  sum = (sum & 0xffffU) + (sum >> 16U);
  put(16, ~(sum + (sum >> 16U)) & 0xffffU, 2);
  test::NativeAddress native = test::to_native({to.address, 0});
  REQUIRE(::sendto(socket.get(), segment.data(), segment.size(), 0, native.get(), native.length) ==
          static_cast<ssize_t>(segment.size()));
}

}  // namespace

// e2e: networking.go:448 networking.go:458 dual_stack.go:611 dual_stack.go:618
TEST_CASE("packets: large requests arrive whole, by TCP and UDP", "[netns][conformance]") {
  const Setup setup = in_each_setup();
  CAPTURE(to_string(setup));
  Lab lab({.setup = setup});
  apply_web(lab, ready({"pod-2a"}));
  for (const LargeRequest& row : kLargeRequests) {
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
      for (const Protocol protocol : {Protocol::kTcp, Protocol::kUdp}) {
        CAPTURE(row.from, row.to, rules::to_string(family), rules::to_string(protocol));
        const std::size_t bytes = protocol == Protocol::kTcp ? kLargeStream : kLargeDatagram;
        Answer answer;
        // Over IPv6 a first datagram may be lost where the path's MTU is told by ICMP.
        CHECK(test::eventually([&] {
          answer = ask(lab.host(row.from),
                       {.to = {address_of(lab, row.to, family), row.port},
                        .protocol = protocol,
                        .bytes = bytes,
                        .patience = std::chrono::seconds(protocol == Protocol::kTcp ? 20 : 1)});
          return answer.is_answer();
        }));
        CHECK(answer.from == "pod-2a");
        CHECK(answer.bytes == bytes);
      }
    }
  }
}

// e2e: networking_perf.go:147
TEST_CASE("packets: a stream through a Service flows as one to the pod itself",
          "[netns][conformance]") {
  const Setup setup = in_each_variant();
  CAPTURE(to_string(setup));
  Lab lab({.setup = setup});
  apply_web(lab, ready({"pod-2a"}));
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    for (const std::string_view to : {"pod-2a", "cluster 70"}) {
      const std::uint16_t port = to == "pod-2a" ? kPodPort : 80;
      const Answer answer = ask(lab.host("pod-1a"),
                                {.to = {address_of(lab, to, family), port},
                                 .bytes = kManyBytes,
                                 .patience = std::chrono::seconds(60)});
      // Shown with -s; how fast a machine is, is no fault of the program.
      const auto ms = static_cast<double>(std::max<long>(answer.after.count(), 1));
      CAPTURE(to, rules::to_string(family), ms, 8e-6 * static_cast<double>(kManyBytes) / ms);
      CHECK(answer.bytes == kManyBytes);
    }
  }
}

// e2e: conntrack.go:552
TEST_CASE("packets: one that fits no connection does not break the connection it claims",
          "[netns][conformance]") {
  const Setup setup = in_each_setup();
  CAPTURE(to_string(setup));
  Lab lab({.setup = setup});
  apply_web(lab, ready({"pod-2a"}));
  const Host& client = lab.host("pod-1a");
  Conversation conversation(client, {.to = {address_of(lab, "cluster 70", Family::kIpv4), 80}});
  REQUIRE(conversation.ask().is_answer());

  // The client would not know who that is, and reset the pod's end of its own connection.
  const auto disturb = [&] {
    send_out_of_window(lab.host("pod-2a"),
                       {client.own.ipv4, port_of(conversation.socket())},
                       numbers_of(conversation.socket()));
  };
  for (int i = 0; i < 5; ++i) {
    disturb();
    CHECK(conversation.ask().is_answer());
  }

  // Where nobody drops it, it does.
  for (const std::size_t node : {std::size_t{1}, std::size_t{2}}) {
    lab.kill_proxy(node);
    lab.on_node(node, "iptables -w 5 -F KUBE-FORWARD");
  }
  CHECK(test::eventually([&] {
    disturb();
    return !conversation.ask().is_answer();
  }));
}

// e2e: service.go:2419 service.go:2464
TEST_CASE("packets: where nobody serves, clients are refused before they have to wait",
          "[netns][conformance]") {
  const Setup setup = in_each_variant();
  CAPTURE(to_string(setup));
  Lab lab({.setup = setup});
  apply_web(lab, {});
  for (const LargeRequest& row : kLargeRequests) {
    for (const Protocol protocol : {Protocol::kTcp, Protocol::kUdp}) {
      CAPTURE(row.from, row.to, rules::to_string(protocol));
      const Answer answer = ask(lab.host(row.from),
                                {.to = {address_of(lab, row.to, Family::kIpv4), row.port},
                                 .protocol = protocol,
                                 .patience = std::chrono::seconds(20)});
      CHECK(to_string(answer) == "refused");
      CHECK(answer.repeats == 0);  // by the first packet
    }
  }
}
