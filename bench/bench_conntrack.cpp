// Conntrack clean-up at scale: fills a real connection tracking table, in a network namespace of
// its own, with UDP flows through translated Services, then measures the first walk after a start
// (nothing is stale) and the walk after one endpoint of each tenth Service went (a tenth is).
// The kernel limits all tables together (nf_conntrack_max of the initial namespace): fewer flows
// are made than are asked for, unless --raise-limit raises that setting for the time of the run.
// Judging alone is measured at the number asked for in any case. Prints JSON lines.
//
// Usage: bench_conntrack [--raise-limit] [flows]        needs root

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/harness.h"
#include "proxy/kernel/conntrack.h"
#include "proxy/kernel/udp_flows.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kServices = 5000;
constexpr std::uint32_t kEndpoints = 10;

rules::IpAddress address(std::uint32_t host_order) {
  return rules::IpAddress::from_bytes(std::vector<std::uint8_t>{
      static_cast<std::uint8_t>(host_order >> 24U),
      static_cast<std::uint8_t>(host_order >> 16U),
      static_cast<std::uint8_t>(host_order >> 8U),
      static_cast<std::uint8_t>(host_order),
  });
}

constexpr std::uint32_t kServiceNetwork = 0x0a600000;   // 10.96.0.0
constexpr std::uint32_t kPodNetwork = 0x0af40000;       // 10.244.0.0
constexpr std::uint32_t kOtherPodNetwork = 0x0af50000;  // 10.245.0.0

/// The endpoint that all flows of a Service go to: the kernel maps network to network.
rules::SocketAddress used_endpoint(std::uint32_t service) {
  return {address(kPodNetwork + service + 1), 53};
}

constexpr const char* kLimitFile = "/proc/sys/net/netfilter/nf_conntrack_max";

/// The kernel's limit, set back at the end if this raised it. It must be made, and end, in the
/// initial network namespace: the file means the namespace of whoever opens it.
class TableLimit {
 public:
  TableLimit() : before_(read()) {}

  ~TableLimit() {
    if (read() != before_) {
      write(before_);
    }
  }

  TableLimit(const TableLimit&) = delete;
  TableLimit& operator=(const TableLimit&) = delete;

  void raise_to(std::uint64_t entries) const {
    if (entries > before_ && !write(entries)) {
      fmt::print(stderr, "{} cannot be raised here\n", kLimitFile);
    }
  }

  static std::uint64_t read() {
    std::uint64_t limit = 0;
    std::ifstream(kLimitFile) >> limit;
    return limit;
  }

 private:
  static bool write(std::uint64_t entries) {
    std::ofstream file(kLimitFile);
    file << entries << std::flush;
    return file.good();
  }

  const std::uint64_t before_;
};

/// Each tenth Service lacks the endpoint that its flows go to if `shrunk`.
std::shared_ptr<const rules::Snapshot> cluster(bool shrunk) {
  std::vector<rules::ServicePortEntry> entries;
  for (std::uint32_t i = 0; i < kServices; ++i) {
    rules::ServicePort port;
    port.cluster_ip = address(kServiceNetwork + i + 1);
    port.port = 53;
    if (!shrunk || i % 10 != 0) {
      port.endpoints.push_back({.address = used_endpoint(i)});
    }
    for (std::uint32_t e = 1; e < kEndpoints; ++e) {
      port.endpoints.push_back({.address = {address(kOtherPodNetwork + e), 53}});
    }
    entries.emplace_back(
        rules::ServicePortName{"bench", fmt::format("s{}", i), "", rules::Protocol::kUdp},
        std::make_shared<const rules::ServicePort>(std::move(port)));
  }
  return std::make_shared<const rules::Snapshot>(
      rules::make_snapshot(rules::Family::kIpv4, std::move(entries)));
}

void shell(const std::string& command_line) {
  if (std::system(command_line.c_str()) != 0) {
    fmt::print(stderr, "failed: {}\n", command_line);
    std::exit(1);
  }
}

const sockaddr* generic(const sockaddr_in& address) {
  return static_cast<const sockaddr*>(static_cast<const void*>(&address));
}

int udp_socket(std::uint32_t own_address, std::uint16_t port) {
  const sockaddr_in own{.sin_family = AF_INET,
                        .sin_port = htons(port),
                        .sin_addr = {.s_addr = htonl(own_address)},
                        .sin_zero = {}};
  const int descriptor = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0 || ::bind(descriptor, generic(own), sizeof own) != 0) {
    std::perror("cannot open a UDP socket");
    std::exit(1);
  }
  return descriptor;
}

/// Sends one datagram from `flows` / kServices sockets to each Service.
void fill_table(std::uint64_t flows) {
  const int endpoints = udp_socket(INADDR_ANY, 53);  // never reads: what does not fit is dropped
  for (std::uint64_t sent = 0; sent < flows;) {
    const int client = udp_socket(0xc0000207, 0);  // 192.0.2.7
    for (std::uint32_t i = 0; i < kServices && sent < flows; ++i, ++sent) {
      const sockaddr_in service{.sin_family = AF_INET,
                                .sin_port = htons(53),
                                .sin_addr = {.s_addr = htonl(kServiceNetwork + i + 1)},
                                .sin_zero = {}};
      (void)::sendto(client, "x", 1, 0, generic(service), sizeof service);
    }
    ::close(client);
  }
  ::close(endpoints);
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

/// Runs `work`, which returns the line to print, and completes it with what it took.
template <typename Work>
void measure(std::string_view what, const Work& work) {
  rusage before{};
  rusage after{};
  ::getrusage(RUSAGE_SELF, &before);
  const auto start = Clock::now();
  bench::JsonLine line = work();
  const std::chrono::duration<double> wall = Clock::now() - start;
  ::getrusage(RUSAGE_SELF, &after);
  line.field("bench", "conntrack")
      .field("what", what)
      .field("wall_s", wall.count())
      .field("user_s", seconds(after.ru_utime) - seconds(before.ru_utime))
      .field("kernel_s", seconds(after.ru_stime) - seconds(before.ru_stime))
      .field("peak_rss_growth_kb", static_cast<double>(after.ru_maxrss - before.ru_maxrss))
      .print();
}

bench::JsonLine counts(std::uint64_t flows, std::uint64_t stale) {
  return bench::JsonLine()
      .field("flows", static_cast<double>(flows))
      .field("stale", static_cast<double>(stale));
}

void measure_judging(std::uint64_t flows) {
  const proxy::UdpDestinations destinations(*cluster(true), {}, {});
  measure("judge", [&] {
    std::uint64_t stale = 0;
    for (std::uint64_t i = 0; i < flows; ++i) {
      const auto service = static_cast<std::uint32_t>(i % kServices);
      stale += destinations.is_stale(
          {.original_destination = {address(kServiceNetwork + service + 1), 53},
           .reply_source = used_endpoint(service)});
    }
    return counts(flows, stale);
  });
}

void measure_walks() {
  proxy::Conntrack conntrack;
  for (const bool shrunk : {false, true}) {
    const auto snapshot = cluster(shrunk);
    measure(shrunk ? "walk and delete" : "walk", [&] {
      const auto walk = conntrack.reconcile({.snapshot = snapshot}).value();
      return counts(walk.seen, walk.deleted);
    });
  }
}

int measure_all(std::uint64_t wanted, std::uint64_t flows) {
  if (::unshare(CLONE_NEWNET) != 0) {
    std::perror("needs root: cannot make a network namespace");
    return 1;
  }
  shell("ip link set lo up && ip addr add 192.0.2.7/32 dev lo && ip route add 10.96.0.0/16 dev lo");
  shell("ip route add local 10.244.0.0/16 dev lo");
  shell("iptables -w -t nat -A OUTPUT -p udp -d 10.96.0.0/16 -j NETMAP --to 10.244.0.0/16");
  shell("echo 600 > /proc/sys/net/netfilter/nf_conntrack_udp_timeout");

  measure_judging(wanted);
  fill_table(flows);
  measure_walks();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  const bool raise = !arguments.empty() && arguments.front() == "--raise-limit";
  const char* number = argc > (raise ? 2 : 1) ? argv[argc - 1] : "500000";
  const std::uint64_t wanted = std::strtoull(number, nullptr, 10);
  const TableLimit limit;
  if (raise) {
    limit.raise_to(wanted + wanted / 10);
  }
  const std::uint64_t flows = std::min(wanted, TableLimit::read() / 50 * 49);
  int status = 1;
  std::thread([&] { status = measure_all(wanted, flows); }).join();  // in another namespace
  return status;
}
