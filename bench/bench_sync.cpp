// What a sync costs until it is in the kernel: see README.md. Needs root.

#include <algorithm>
#include <cstdio>
#include <exception>
#include <iterator>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "bench/apart.h"
#include "bench/live_measure.h"
#include "bench/machine.h"
#include "bench/sync_measure.h"
#include "bench/sync_report.h"

namespace {

constexpr int kSkipped = 77;  // for CTest

struct Options {
  std::vector<std::string> sizes{"100x10", "1000x10", "10000x10"};
  std::vector<std::string> ways{"libiptc", "netlink", "restore-nft"};
  std::vector<std::string> layouts{"kube-proxy", "compact"};
  std::vector<std::string> proxy_modes{"iptables", "nftables"};
  int runs = 7;
  bool is_cpu = false;
  bool is_json = false;
  std::string html;
};

bench::Way way_of(std::string_view name) {
  using bench::Way;
  for (const Way way : {Way::kLibiptc, Way::kRestoreLegacy, Way::kNetlink, Way::kRestoreNft}) {
    if (name_of(way) == name) {
      return way;
    }
  }
  throw std::invalid_argument(fmt::format("unknown way \"{}\"", name));
}

rules::Layout layout_of(const std::string& name) {
  const auto layout = rules::parse_layout(name);
  if (!layout) {
    throw std::invalid_argument(
        fmt::format("unknown layout \"{}\": it is kube-proxy or compact", name));
  }
  return *layout;
}

void append(std::vector<bench::Figures>& all, const std::vector<bench::Figures>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

/// The layouts of one way stand beside each other.
std::vector<std::pair<bench::Way, rules::Layout>> pairs(const std::vector<bench::Way>& ways,
                                                        const std::vector<rules::Layout>& layouts) {
  std::vector<std::pair<bench::Way, rules::Layout>> all;
  for (const bench::Way way : ways) {
    for (const rules::Layout layout : layouts) {
      all.emplace_back(way, layout);
    }
  }
  return all;
}

bench::Report measure(const Options& options) {
  const auto clock = options.is_cpu ? bench::Clock::kCpu : bench::Clock::kWall;
  bench::Report report{
      .machine = bench::this_machine(options.is_cpu ? "processor time" : "wall time"),
      .figures = {}};
  std::vector<bench::Size> sizes;
  std::transform(
      options.sizes.begin(), options.sizes.end(), std::back_inserter(sizes), bench::parse_size);
  std::vector<bench::Way> ways;
  std::transform(options.ways.begin(), options.ways.end(), std::back_inserter(ways), way_of);
  const auto programs = test::ClusterPrograms::from_environment();
  std::vector<rules::Layout> layouts;
  std::ranges::transform(options.layouts, std::back_inserter(layouts), layout_of);
  for (const bench::Size& size : sizes) {
    for (const auto& [way, layout] : pairs(ways, layouts)) {
      const bench::Figures figures{.way = way, .layout = layout, .size = size};
      append(report.figures, bench::run_apart([&](const bench::Sink& sink) {
               sink(bench::measure_syncer(figures, clock, options.runs));
             }));
    }
    if (programs) {
      append(
          report.figures, bench::run_apart([&](const bench::Sink& sink) {
            bench::measure_live(*programs, {ways, options.proxy_modes, size, options.runs}, sink);
          }));
    }
  }
  return report;
}

void run(const Options& options) {
  const bench::Report report = measure(options);
  std::fputs((options.is_json ? to_json(report) : to_text(report)).c_str(), stdout);
  if (!options.html.empty()) {
    bench::write_file(options.html, to_html(report));
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Measures what a sync costs until it is in the kernel.");
  Options options;
  app.add_option("sizes", options.sizes, "SERVICESxENDPOINTS")->capture_default_str();
  app.add_option("--way", options.ways, "libiptc, restore-legacy, netlink, restore-nft")
      ->capture_default_str();
  app.add_option("--layout", options.layouts, "kube-proxy, compact")->capture_default_str();
  app.add_option("--proxy-mode", options.proxy_modes, "Modes of kube-proxy, where it is named")
      ->check(CLI::IsMember({"iptables", "nftables"}))
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
