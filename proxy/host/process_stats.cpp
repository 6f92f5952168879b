#include "proxy/host/process_stats.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>
#include <string>
#include <system_error>

#include <sys/resource.h>
#include <unistd.h>

namespace proxy {

namespace {

double limit(__rlimit_resource resource) {
  rlimit value{};
  ::getrlimit(resource, &value);
  return value.rlim_cur == RLIM_INFINITY ? std::numeric_limits<double>::infinity()
                                         : static_cast<double>(value.rlim_cur);
}

/// Seconds since 1970 at which the machine started.
double boot_time() {
  std::ifstream file("/proc/stat");
  for (std::string word; file >> word;) {
    if (word == "btime") {
      double seconds = 0;
      file >> seconds;
      return seconds;
    }
  }
  return 0;
}

/// Fills in what /proc/self/stat has (proc(5)): fields after the name in parentheses.
void read_stat(ProcessStats& stats) {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  std::istringstream fields(line.substr(std::min(line.rfind(')') + 1, line.size())));
  constexpr int kUserTime = 14;
  constexpr int kSystemTime = 15;
  constexpr int kStartTime = 22;
  constexpr int kVirtualSize = 23;
  constexpr int kResidentPages = 24;
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  std::string field;
  for (int number = 3; fields >> field; ++number) {
    const double value = std::strtod(field.c_str(), nullptr);
    if (number == kUserTime || number == kSystemTime) {
      stats.cpu_seconds += value / ticks;
    } else if (number == kStartTime) {
      stats.start_time = boot_time() + value / ticks;
    } else if (number == kVirtualSize) {
      stats.virtual_bytes = static_cast<std::uint64_t>(value);
    } else if (number == kResidentPages) {
      stats.resident_bytes =
          static_cast<std::uint64_t>(value) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    }
  }
}

/// /proc/net/netstat has lines in pairs, names and values, each after a common prefix.
void read_netstat(ProcessStats& stats) {
  std::ifstream file("/proc/self/net/netstat");
  std::string names_line;
  std::string values_line;
  while (std::getline(file, names_line) && std::getline(file, values_line)) {
    if (!names_line.starts_with("IpExt:")) {
      continue;
    }
    std::istringstream names(names_line);
    std::istringstream values(values_line);
    std::string name;
    std::string value;
    while (names >> name && values >> value) {
      if (name == "InOctets") {
        stats.received_bytes = std::strtoull(value.c_str(), nullptr, 10);
      } else if (name == "OutOctets") {
        stats.sent_bytes = std::strtoull(value.c_str(), nullptr, 10);
      }
    }
  }
}

std::uint64_t count_descriptors() {
  std::error_code error;
  std::filesystem::directory_iterator descriptors("/proc/self/fd", error);
  if (error) {
    return 0;
  }
  // Reading the folder takes a descriptor of its own.
  return static_cast<std::uint64_t>(
             std::distance(descriptors, std::filesystem::directory_iterator())) -
         1;
}

}  // namespace

ProcessStats read_process_stats() {
  ProcessStats stats{.max_virtual_bytes = limit(RLIMIT_AS),
                     .open_descriptors = count_descriptors(),
                     .max_descriptors = limit(RLIMIT_NOFILE)};
  read_stat(stats);
  read_netstat(stats);
  return stats;
}

}  // namespace proxy
