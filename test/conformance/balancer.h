#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <thread>

#include "test/support/lab/lab.h"

namespace test::lab {

/// What a cloud's load balancer does: it asks every node for its health, again and again, and a new
/// connection goes to one of the healthy ones. Lives on the machine outside, on a thread of its
/// own.
class Balancer {
 public:
  /// Asks `GET /healthz` at that port. `network` must outlive this.
  Balancer(const Network& network, std::uint16_t health_port);

  bool is_healthy(std::size_t node) const { return healthy_[node - 1]; }

  /// The node for the n-th connection, as the mark of its packets; node 1 if none is healthy.
  std::uint32_t mark(std::uint64_t connection) const;

 private:
  std::array<std::atomic<bool>, kNodes> healthy_{};
  std::jthread thread_;
};

}  // namespace test::lab
