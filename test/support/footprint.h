#pragma once

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <malloc.h>
#include <unistd.h>

namespace test {

/// What this process holds.
struct Footprint {
  double heap_mb = 0;      // handed out by malloc
  double resident_mb = 0;  // after what is free was given back to the kernel
  std::size_t descriptors = 0;
};

inline Footprint footprint() {
  constexpr double kMegabyte = 1e6;
  ::malloc_trim(0);
  const struct mallinfo2 heap = ::mallinfo2();
  std::size_t size = 0;
  std::size_t resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::filesystem::directory_iterator descriptors("/proc/self/fd");
  return {.heap_mb = static_cast<double>(heap.uordblks + heap.hblkhd) / kMegabyte,
          .resident_mb = static_cast<double>(resident * page) / kMegabyte,
          // Without the one that reads them.
          .descriptors =
              static_cast<std::size_t>(std::distance(begin(descriptors), end(descriptors))) - 1};
}

}  // namespace test
