#include "proxy/kernel/nfnetlink.h"

#include <cerrno>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include "proxy/nft/rule.h"
#include "test/support/network_namespace.h"

// Which messages are taken for the answer to a question.

using proxy::NfnetlinkOutcome;
using proxy::NfnetlinkRequest;
using proxy::NfnetlinkSocket;
using test::NetworkNamespace;
using test::shell;

namespace {

const NfnetlinkRequest kGeneration{.subsystem = NFNL_SUBSYS_NFTABLES, .command = NFT_MSG_GETGEN};

/// The types of all messages in the answer, without the subsystem, and how it ended.
struct Answer {
  std::vector<int> types;
  NfnetlinkOutcome outcome;
};

Answer ask(NfnetlinkSocket& socket, const NfnetlinkRequest& request) {
  Answer answer;
  answer.outcome = socket.ask(request, [&](const nlmsghdr* message) {
    answer.types.push_back(message->nlmsg_type & 0xff);
  });
  return answer;
}

/// The only socket for netfilter's messages in this namespace, by the address that netlink gave it.
std::uint32_t only_port() {
  std::ifstream sockets("/proc/thread-self/net/netlink");
  std::string line;
  std::getline(sockets, line);
  std::vector<std::uint32_t> ports;
  std::string kernel_address;
  int protocol = 0;
  std::uint32_t port = 0;
  while (sockets >> kernel_address >> protocol >> port && std::getline(sockets, line)) {
    if (protocol == NETLINK_NETFILTER && port != 0) {
      ports.push_back(port);
    }
  }
  REQUIRE(ports.size() == 1);
  return ports.front();
}

/// What another process with rights may send: a refusal of the question of that number.
void refuse_as_a_stranger(std::uint32_t port, std::uint32_t sequence) {
  struct Refusal {
    nlmsghdr header;
    nlmsgerr error;
  };

  Refusal refusal{
      .header = {.nlmsg_len = sizeof(Refusal), .nlmsg_type = NLMSG_ERROR, .nlmsg_seq = sequence},
      .error = {.error = -EPERM}};
  const proxy::NetlinkHandle stranger = proxy::open_nfnetlink();
  const sockaddr_nl receiver{.nl_family = AF_NETLINK, .nl_pid = port};
  REQUIRE(::sendto(mnl_socket_get_fd(stranger.get()),
                   &refusal,
                   sizeof refusal,
                   0,
                   static_cast<const sockaddr*>(static_cast<const void*>(&receiver)),
                   sizeof receiver) == sizeof refusal);
}

}  // namespace

TEST_CASE("nfnetlink: an answer that comes when nobody waits any more answers no later question",
          "[netns][nfnetlink]") {
  const NetworkNamespace space;
  shell(
      "for i in $(seq 500); do echo \"-A INPUT -s 10.0.$((i / 250)).$((i % 250)) -j DROP\"; done"
      " | (echo '*filter'; cat; echo COMMIT) | iptables-nft-restore");
  const auto rules = proxy::rules_of_chain(rules::Family::kIpv4, "filter", "INPUT");
  NfnetlinkSocket socket;
  REQUIRE(ask(socket, rules).types.size() == 500);

  CHECK_THROWS_AS(
      socket.ask(rules, [](const nlmsghdr*) { throw std::runtime_error("no more patience"); }),
      std::runtime_error);

  const Answer generation = ask(socket, kGeneration);
  CHECK(generation.types == std::vector<int>{NFT_MSG_NEWGEN});
  CHECK(generation.outcome.error == 0);
  const Answer chain =
      ask(socket,
          {.subsystem = NFNL_SUBSYS_NFTABLES,
           .command = NFT_MSG_GETCHAIN,
           .family = rules::Family::kIpv4,
           .strings = {{NFTA_CHAIN_TABLE, "filter"}, {NFTA_CHAIN_NAME, "no-such-chain"}}});
  CHECK(chain.types.empty());
  CHECK(chain.outcome.error == ENOENT);
}

TEST_CASE("nfnetlink: only the kernel answers", "[netns][nfnetlink]") {
  const NetworkNamespace space;
  NfnetlinkSocket socket;

  refuse_as_a_stranger(only_port(), 1);

  const Answer generation = ask(socket, kGeneration);
  CHECK(generation.types == std::vector<int>{NFT_MSG_NEWGEN});
  CHECK(generation.outcome.error == 0);
}
