#include "test/conformance/balancer.h"

#include <chrono>

#include "test/support/lab/http_status.h"

namespace test::lab {

namespace {

constexpr int kOk = 200;
constexpr std::chrono::milliseconds kBetweenChecks{20};

}  // namespace

Balancer::Balancer(const Network& network, std::uint16_t health_port)
    : thread_([this, &network, health_port](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
          for (std::size_t node = 1; node <= kNodes; ++node) {
            healthy_[node - 1] = http_status(network.outside(),
                                             {network.node(node).own.ipv4, health_port},
                                             "/healthz") == kOk;
          }
          std::this_thread::sleep_for(kBetweenChecks);
        }
      }) {}

std::uint32_t Balancer::mark(std::uint64_t connection) const {
  for (std::uint64_t i = 0; i < kNodes; ++i) {
    const std::size_t node = (connection + i) % kNodes + 1;
    if (is_healthy(node)) {
      return static_cast<std::uint32_t>(node);
    }
  }
  return 1;
}

}  // namespace test::lab
