#pragma once

#include <cstdint>

namespace proxy {

/// What the kernel says about this process; the standard Prometheus process metrics.
struct ProcessStats {
  double cpu_seconds = 0;  // user and system
  double start_time = 0;   // seconds since 1970
  std::uint64_t resident_bytes = 0;
  std::uint64_t virtual_bytes = 0;
  double max_virtual_bytes = 0;  // may be infinite
  std::uint64_t open_descriptors = 0;
  double max_descriptors = 0;  // may be infinite
  // Of the network namespace, not of the process alone: the kernel counts no finer.
  std::uint64_t received_bytes = 0;
  std::uint64_t sent_bytes = 0;
};

/// What cannot be read is 0.
ProcessStats read_process_stats();

}  // namespace proxy
