// What a sync costs until it is in the kernel, in wall time, for each cluster size given and each
// way to the kernel, each in a network namespace of its own. Needs root.
//   bench_apply [--way NAME] [--runs N] [--cpu] [SERVICESxENDPOINTS]...
// Ways: libiptc (what a legacy node uses), restore-legacy, restore-nft. Default: all of them,
// 7 runs, 100x10 1000x10 10000x10. --cpu counts this process's time instead, kernel included: for
// libiptc on a busy machine.

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/clusters.h"
#include "bench/harness.h"
#include "proxy/syncer.h"
#include "proxy/variant.h"
#include "proxy/xtables_socket.h"

namespace {

constexpr double kMegabyte = 1e6;

struct Way {
  std::string_view name;
  proxy::Variant variant;
  bool in_process;
};

constexpr std::array kWays{Way{"libiptc", proxy::Variant::kLegacy, true},
                           Way{"restore-legacy", proxy::Variant::kLegacy, false},
                           Way{"restore-nft", proxy::Variant::kNft, false}};

struct Size {
  std::size_t services;
  std::size_t endpoints;
};

struct Options {
  std::string_view way;  // empty: all
  int runs = 7;
  bench::Clock clock = bench::Clock::kWall;
  std::vector<Size> sizes;
};

std::unique_ptr<proxy::Backend> backend_of(const Way& way) {
  proxy::IptablesChoice choice;
  choice.variant = way.variant;
  choice.in_process = way.in_process;
  return proxy::make_backend(rules::Family::kIpv4, choice);
}

void require(const proxy::SyncReport& report) {
  if (report.outcome == proxy::SyncReport::Outcome::kFailed || !report.quarantined.empty()) {
    fmt::print(stderr, "bench_apply: {}\n", report.error ? report.error->message : "quarantine");
    std::exit(1);
  }
}

/// The smallest commit that the kernel can make in a table of this size: what no program can beat.
/// Legacy: the table is replaced by itself. Nft: the one rule of a fixed chain is written again.
bench::Timing bare_commit(const Way& way, const Options& options, const rules::Ruleset& wanted) {
  if (way.variant == proxy::Variant::kLegacy) {
    const proxy::XtablesSocket socket(rules::Family::kIpv4);
    const proxy::TableShape shape = socket.shape(rules::Table::kNat);
    proxy::EntryBuffer entries;
    socket.read(rules::Table::kNat, shape, entries);
    proxy::CounterBuffer counters;
    counters.resize(shape.entries);
    return bench::measure(options.clock, options.runs, [&] {
      socket.replace(rules::Table::kNat, shape, entries, shape.entries, counters);
    });
  }
  rules::Changes changes{.want = wanted};
  for (const rules::Section& section : wanted.base()->chains) {
    if (section.chain.name.view() == "KUBE-MARK-MASQ") {
      changes.chains.push_back(section);
    }
  }
  const auto backend = backend_of(way);
  return bench::measure(options.clock, options.runs, [&] {
    if (backend->apply(changes)) {
      std::exit(1);
    }
  });
}

void clean_up(proxy::Backend& backend) {
  const auto have = backend.read(rules::Detail::kNames);
  if (const auto error = backend.apply(rules::diff(have, rules::Ruleset()))) {
    fmt::print(stderr, "bench_apply: {}\n", error->message);
    std::exit(1);
  }
}

void run(const Way& way, const Size& size, const Options& options) {
  const rules::Snapshot cluster = bench::plain_cluster(size.services, size.endpoints);
  rules::Context context = bench::node_of(cluster);
  context.counts_invalid_drops = false;  // the accounting objects are not there
  context.counts_localhost_node_ports = false;
  const auto backend = backend_of(way);
  auto syncer = std::make_unique<proxy::Syncer>(*backend);

  const auto sync = [&](const rules::Snapshot& snapshot) {
    require(syncer->sync(snapshot, context));
  };
  const auto cold_start = bench::measure(
      options.clock,
      1,
      [&] { sync(cluster); },
      [&] {
        syncer = std::make_unique<proxy::Syncer>(*backend);
        clean_up(*backend);
      });
  const auto restart = bench::measure(options.clock, std::min(options.runs, 3), [&] {
    proxy::Syncer successor(*backend);
    require(successor.sync(cluster, context));
  });
  std::size_t round = 0;
  rules::Snapshot next = cluster;
  const auto move_endpoint = [&] {
    ++round;
    next = bench::with_moved_endpoint(next, round * 7 % size.services, round);
  };
  const auto one_endpoint = bench::measure(
      options.clock, options.runs, [&] { sync(next); }, [&] { move_endpoint(); });
  const auto hundred_endpoints = bench::measure(
      options.clock,
      options.runs,
      [&] { sync(next); },
      [&] {
        for (std::size_t i = 0; i < 100; ++i) {
          move_endpoint();
        }
      });
  const auto one_service = bench::measure(
      options.clock,
      options.runs,
      [&] { sync(next); },
      [&] { next = bench::with_added_service(next, size.services + ++round, size.endpoints); });
  const auto nothing = bench::measure(options.clock, options.runs, [&] { sync(next); });
  const double peak = static_cast<double>(bench::peak_rss_bytes());
  const double children = static_cast<double>(bench::children_peak_rss_bytes());
  const auto bare = bare_commit(way, options, syncer->wanted());

  bench::JsonLine()
      .field("bench", "apply")
      .field("way", way.name)
      .field("clock", options.clock == bench::Clock::kCpu ? "cpu" : "wall")
      .field("services", static_cast<double>(size.services))
      .field("endpoints", static_cast<double>(size.endpoints))
      .field("nat_rules", static_cast<double>(syncer->wanted().rule_count(rules::Table::kNat)))
      .field("cold_start", cold_start)
      .field("restart", restart)
      .field("one_endpoint", one_endpoint)
      .field("hundred_endpoints", hundred_endpoints)
      .field("one_service", one_service)
      .field("nothing", nothing)
      .field("bare_commit", bare)
      .field("one_endpoint_ratio", one_endpoint.percentile(0.5) / bare.percentile(0.5))
      .field("peak_rss_mb", peak / kMegabyte)
      .field("children_peak_rss_mb", children / kMegabyte)
      .print();
}

/// In a child of its own: a fresh namespace, and a resident set that no other run has touched.
bool run_apart(const Way& way, const Size& size, const Options& options) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    if (unshare(CLONE_NEWNET) != 0) {
      std::perror("bench_apply: cannot make a network namespace");
      std::exit(2);
    }
    run(way, size, options);
    std::exit(0);
  }
  int status = 0;
  return waitpid(child, &status, 0) == child && status == 0;
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word(argv[i]);
    const std::size_t cross = word.find('x');
    if (word == "--way" && i + 1 < argc) {
      options.way = argv[++i];
    } else if (word == "--runs" && i + 1 < argc) {
      options.runs = std::atoi(argv[++i]);
    } else if (word == "--cpu") {
      options.clock = bench::Clock::kCpu;
    } else if (cross != std::string_view::npos) {
      options.sizes.push_back(
          {std::strtoul(argv[i], nullptr, 10), std::strtoul(argv[i] + cross + 1, nullptr, 10)});
    } else {
      fmt::print(stderr, "bench_apply: \"{}\" is not SERVICESxENDPOINTS\n", word);
      std::exit(2);
    }
  }
  if (options.sizes.empty()) {
    options.sizes = {{100, 10}, {1000, 10}, {10000, 10}};
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  bool good = true;
  for (const Size& size : options.sizes) {
    for (const Way& way : kWays) {
      if (options.way.empty() || options.way == way.name) {
        good = run_apart(way, size, options) && good;
      }
    }
  }
  return good ? 0 : 1;
}
