#include <atomic>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <thread>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/nft/tables.h"
#include "proxy/nft/transaction.h"
#include "proxy/sync/syncer.h"
#include "test/netns/backends.h"
#include "test/support/network_namespace.h"

// What may go wrong between a process and the kernel while nftables are written.

using namespace test;
using proxy::NftMessages;
using rules::Family;

namespace {

rules::ServicePortEntry service(int number, int endpoints) {
  rules::ServicePort port{.port = 80};
  port.cluster_ip =
      *rules::IpAddress::parse(fmt::format("10.96.{}.{}", number / 250, number % 250 + 1));
  for (int i = 0; i < endpoints; ++i) {
    port.endpoints.push_back({.address = *rules::SocketAddress::parse(fmt::format(
                                  "10.{}.{}.{}:8080", 128 + number % 100, i / 250, i % 250 + 1))});
  }
  return {
      rules::ServicePortName{"default", fmt::format("svc-{}", number), "", rules::Protocol::kTcp},
      std::make_shared<const rules::ServicePort>(std::move(port))};
}

rules::Context context_of_node() {
  return {.node_ip = *rules::IpAddress::parse("192.168.0.2"),
          .counts_invalid_drops = false,
          .counts_localhost_node_ports = false};
}

rules::Ruleset wanted(const std::vector<rules::ServicePortEntry>& services) {
  return rules::Compiler().compile(rules::make_snapshot(Family::kIpv4, services),
                                   context_of_node());
}

/// Deletes so many chains that are not there.
NftMessages refused_messages(std::uint32_t count) {
  NftMessages messages;
  for (std::uint32_t i = 1; i <= count; ++i) {
    const auto message = messages.start({.type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_DELCHAIN,
                                         .flags = NLM_F_ACK,
                                         .family = AF_INET},
                                        i);
    messages.put(NFTA_CHAIN_TABLE, "nat");
    messages.put(NFTA_CHAIN_NAME, fmt::format("KUBE-SVC-{}", i));
    messages.finish(message);
  }
  return messages;
}

/// Runs in a process of its own, which is root in its own namespaces only: it may change nftables
/// there, and the kernel refuses it buffers beyond net.core.wmem_max. Its exit status, 0 for true.
int without_forced_buffers(const std::function<bool()>& work) {
  const pid_t child = fork();
  if (child == 0) {
    const std::string identity = fmt::format("0 {} 1", getuid());
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
      _exit(77);
    }
    std::ofstream("/proc/self/uid_map") << identity;
    try {
      _exit(work() ? 0 : 1);
    } catch (const std::exception& error) {
      fmt::print(stderr, "{}\n", error.what());
      _exit(2);
    }
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

constexpr int kFarBeyondWmemMax = 64 << 20;

/// Bytes that a socket's buffer gets at most without the right to more.
int room() {
  int wmem_max = 0;
  std::ifstream("/proc/sys/net/core/wmem_max") >> wmem_max;
  return 2 * wmem_max;
}

constexpr int kLeastPerEndpoint = 500;  // bytes of its messages

bool may_force_buffers() {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  const bool may =
      setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &kFarBeyondWmemMax, sizeof kFarBeyondWmemMax) == 0;
  close(fd);
  return may;
}

/// Interrupts the calling thread all the time while it lives.
class Interruptions {
 public:
  Interruptions() : victim_(pthread_self()) {
    struct sigaction action {};

    action.sa_handler = [](int) { ++count_; };  // and no SA_RESTART
    sigaction(SIGUSR2, &action, &before_);
    thread_ = std::thread([this] {
      while (!ends_) {
        pthread_kill(victim_, SIGUSR2);
        std::this_thread::sleep_for(std::chrono::microseconds(200));
      }
    });
  }

  ~Interruptions() {
    ends_ = true;
    thread_.join();
    sigaction(SIGUSR2, &before_, nullptr);
  }

  static int count() { return count_; }

 private:
  static inline std::atomic<int> count_{0};
  pthread_t victim_;
  std::atomic<bool> ends_{false};

  struct sigaction before_ {};

  std::thread thread_;
};

}  // namespace

TEST_CASE("nft transaction: the first refusal is told even if the answers overflow",
          "[netns][backend]") {
  const NetworkNamespace network;
  shell("iptables-nft -t nat -N KUBE-X");
  proxy::NfnetlinkSocket socket;
  proxy::NftTransactions transactions(1 << 20);
  const NftMessages messages = refused_messages(20'000);

  const auto outcome = transactions.commit(proxy::nft_generation(socket), {&messages});

  CHECK(outcome.error == ENOENT);
  CHECK(outcome.sequence == 1);
  // What was lost does not spoil the next one.
  const NftMessages one = refused_messages(1);
  CHECK(transactions.commit(proxy::nft_generation(socket), {&one}).error == ENOENT);
}

TEST_CASE("nft transaction: for a generation that is over it is refused as a whole",
          "[netns][backend]") {
  const NetworkNamespace network;
  shell("iptables-nft -t nat -N KUBE-X");
  proxy::NfnetlinkSocket socket;
  proxy::NftTransactions transactions(1 << 20);
  const auto generation = proxy::nft_generation(socket);
  shell("iptables-nft -t nat -N KUBE-Y");
  const NftMessages messages = refused_messages(1);

  CHECK(transactions.commit(generation, {&messages}).error == ERESTART);
}

TEST_CASE("nft transaction: without the right to large buffers, all is written in small batches",
          "[netns][backend]") {
  const int status = without_forced_buffers([] {
    if (may_force_buffers()) {
      return false;
    }
    std::vector<rules::ServicePortEntry> services;
    for (int i = 0; i < room() / kLeastPerEndpoint / 20; ++i) {
      services.push_back(service(i, 20));
    }
    const rules::Ruleset want = wanted(services);
    const auto backend = backend_of(Way::kNetlink, Family::kIpv4);
    proxy::NfnetlinkSocket socket;
    const auto before = proxy::nft_generation(socket);
    return !backend->apply(rules::diff({}, want)) && proxy::nft_generation(socket) > before + 1 &&
           rules::diff(backend->read(rules::Detail::kContents), want).empty() &&
           !backend->apply(rules::diff({.base = want}, {}));
  });

  CHECK(status == 0);
}

TEST_CASE("nft transaction: a Service that has no room in a small buffer costs no other one",
          "[netns][backend]") {
  const int status = without_forced_buffers([] {
    std::vector<rules::ServicePortEntry> services{
        service(0, 10), service(1, room() / kLeastPerEndpoint), service(2, 10)};
    const auto backend = backend_of(Way::kNetlink, Family::kIpv4);
    proxy::Syncer syncer(*backend);
    const auto report =
        syncer.sync(rules::make_snapshot(Family::kIpv4, services), context_of_node());
    services.erase(services.begin() + 1);
    return report.quarantined == std::vector{service(1, 1).first} &&
           rules::diff(backend->read(rules::Detail::kContents), wanted(services)).empty();
  });

  CHECK(status == 0);
}

TEST_CASE("nft transaction: signals in the middle of reading and writing change nothing",
          "[netns][backend]") {
  const NetworkNamespace network;
  std::vector<rules::ServicePortEntry> services;
  for (int i = 0; i < 100; ++i) {
    services.push_back(service(i, 10));
  }
  const rules::Ruleset want = wanted(services);
  const auto backend = backend_of(Way::kNetlink, Family::kIpv4);
  const Interruptions interruptions;

  for (int round = 0; round < 5; ++round) {
    require_applied(*backend, rules::diff({}, want));
    REQUIRE(rules::diff(backend->read(rules::Detail::kContents), want).empty());
    require_applied(*backend, rules::diff({.base = want}, {}));
  }

  CHECK(Interruptions::count() > 100);
}
