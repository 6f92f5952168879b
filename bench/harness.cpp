#include "bench/harness.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <stdexcept>

#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>

namespace bench {

namespace {

std::size_t max_rss_bytes(int who) {
  rusage usage{};
  getrusage(who, &usage);
  return static_cast<std::size_t>(usage.ru_maxrss) * 1024;
}

double now_ms(Clock clock) {
  timespec time{};
  clock_gettime(clock == Clock::kCpu ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

}  // namespace

double Timing::percentile(double part) const {
  if (runs_ms.empty()) {
    return 0;
  }
  const auto last = static_cast<double>(runs_ms.size() - 1);
  return runs_ms[static_cast<std::size_t>(part * last + 0.5)];
}

Timing measure(Clock clock,
               int runs,
               const std::function<void()>& work,
               const std::function<void()>& prepare) {
  Timing timing;
  for (int run = -1; run < runs; ++run) {
    if (prepare) {
      prepare();
    }
    const double start = now_ms(clock);
    work();
    if (run >= 0) {
      timing.runs_ms.push_back(now_ms(clock) - start);
    }
  }
  std::sort(timing.runs_ms.begin(), timing.runs_ms.end());
  return timing;
}

double cpu_ms() {
  return now_ms(Clock::kCpu);
}

std::size_t heap_bytes() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

std::size_t peak_rss_bytes() {
  return max_rss_bytes(RUSAGE_SELF);
}

std::size_t children_peak_rss_bytes() {
  return max_rss_bytes(RUSAGE_CHILDREN);
}

void JsonLine::begin(std::string_view name) {
  text_ += text_.empty() ? "{" : ",";
  text_ += fmt::format("\"{}\":", name);
}

void write_file(const std::string& path, const std::string& content) {
  std::ofstream file(path);
  file << content;
  if (!file.flush()) {
    throw std::runtime_error("cannot write " + path);
  }
}

JsonLine& JsonLine::field(std::string_view name, double value) {
  begin(name);
  text_ += fmt::format("{:.6g}", value);
  return *this;
}

JsonLine& JsonLine::field(std::string_view name, std::string_view value) {
  begin(name);
  text_ += fmt::format("\"{}\"", value);
  return *this;
}

JsonLine& JsonLine::field(std::string_view name, const Timing& timing) {
  for (const auto& [suffix, part] :
       {std::pair{"p50", 0.5}, std::pair{"p90", 0.9}, std::pair{"p99", 0.99}}) {
    field(fmt::format("{}_{}_ms", name, suffix), timing.percentile(part));
  }
  return *this;
}

void JsonLine::print() const {
  std::puts((text_ + "}").c_str());
}

}  // namespace bench
