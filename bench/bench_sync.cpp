// What a sync costs until it is in the kernel: see README.md. Needs root.

#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench/apart.h"
#include "bench/live_measure.h"
#include "bench/sync_measure.h"
#include "bench/sync_report.h"
#include "proxy/host/process.h"
#include "proxy/tables/iptables.h"

namespace {

constexpr int kSkipped = 77;  // for CTest

struct Options {
  std::vector<std::string> sizes{"100x10", "1000x10", "10000x10"};
  std::vector<std::string> ways{"libiptc", "netlink", "restore-nft"};
  int runs = 7;
  bool is_cpu = false;
  bool is_json = false;
  std::string html;
};

bench::Size size_of(const std::string& text) {
  bench::Size size;
  char end = 0;
  if (std::sscanf(text.c_str(), "%zux%zu%c", &size.services, &size.endpoints, &end) != 2 ||
      size.services == 0 || size.endpoints == 0) {
    throw std::invalid_argument(fmt::format("\"{}\" is not SERVICESxENDPOINTS", text));
  }
  return size;
}

bench::Way way_of(std::string_view name) {
  using bench::Way;
  for (const Way way : {Way::kLibiptc, Way::kRestoreLegacy, Way::kNetlink, Way::kRestoreNft}) {
    if (name_of(way) == name) {
      return way;
    }
  }
  throw std::invalid_argument(fmt::format("unknown way \"{}\"", name));
}

std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) {
      return line.substr(line.find(": ") + 2);
    }
  }
  return "unknown processor";
}

bench::Machine this_machine(bench::Clock clock) {
  utsname system{};
  uname(&system);
  std::string version = proxy::run({.argv = {"iptables", "--version"}}).output;
  version.erase(version.find_last_not_of('\n') + 1);
  return {.processor = processor(),
          .cores = std::thread::hardware_concurrency(),
          .kernel = system.release,
          .iptables = version,
          .clock = clock == bench::Clock::kCpu ? "processor time" : "wall time"};
}

void write_file(const std::string& path, const std::string& content) {
  std::ofstream file(path);
  file << content;
  if (!file.flush()) {
    throw std::runtime_error("cannot write " + path);
  }
}

void append(std::vector<bench::Figures>& all, const std::vector<bench::Figures>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

bench::Report measure(const Options& options) {
  const auto clock = options.is_cpu ? bench::Clock::kCpu : bench::Clock::kWall;
  bench::Report report{.machine = this_machine(clock), .figures = {}};
  std::vector<bench::Size> sizes;
  std::transform(options.sizes.begin(), options.sizes.end(), std::back_inserter(sizes), size_of);
  std::vector<bench::Way> ways;
  std::transform(options.ways.begin(), options.ways.end(), std::back_inserter(ways), way_of);
  const auto programs = test::ClusterPrograms::from_environment();
  for (const bench::Size& size : sizes) {
    for (const bench::Way way : ways) {
      append(report.figures, bench::run_apart([&](const bench::Sink& sink) {
               sink(bench::measure_syncer(way, size, clock, options.runs));
             }));
    }
    if (programs) {
      append(report.figures, bench::run_apart([&](const bench::Sink& sink) {
               bench::measure_live(*programs, {ways, size, options.runs}, sink);
             }));
    }
  }
  return report;
}

void run(const Options& options) {
  const bench::Report report = measure(options);
  std::fputs((options.is_json ? to_json(report) : to_text(report)).c_str(), stdout);
  if (!options.html.empty()) {
    write_file(options.html, to_html(report));
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Measures what a sync costs until it is in the kernel.");
  Options options;
  app.add_option("sizes", options.sizes, "SERVICESxENDPOINTS")->capture_default_str();
  app.add_option("--way", options.ways, "libiptc, restore-legacy, restore-nft")
      ->capture_default_str();
  app.add_option("--runs", options.runs, "Runs of each event")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_flag("--cpu", options.is_cpu, "Count this process's time, kernel included: for libiptc");
  app.add_flag("--json", options.is_json, "Print JSON instead of text");
  app.add_option("--html", options.html, "Write a page with plots to this file, too");
  CLI11_PARSE(app, argc, argv);
  if (geteuid() != 0) {
    fmt::print(stderr, "bench_sync: needs root, for a network namespace of its own\n");
    return kSkipped;
  }
  try {
    const bench::OwnLockFile lock;
    run(options);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_sync: {}\n", error.what());
    return 1;
  }
}
