// What a proxy costs while nothing changes: see README.md. Needs root and real programs; works in
// namespaces of its own.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "bench/apart.h"
#include "bench/harness.h"
#include "bench/live_measure.h"
#include "bench/live_node.h"

namespace {

using bench::Subject;
using bench::Way;
using test::ClusterPrograms;
using test::LiveCluster;

constexpr int kSkipped = 77;  // for CTest

struct Options {
  std::string size = "1000x6";
  int windows = 5;
  int seconds = 60;  // of each
  int settle = 45;   // before the first
};

/// Milliseconds of processor time. That of children counts when they have ended, and in steps of
/// ten milliseconds.
struct Cpu {
  double own = 0;
  double children = 0;
};

Cpu cpu_of(pid_t pid) {
  Cpu cpu;
  constexpr double kNanosecond = 1e-6;
  for (const auto& task : std::filesystem::directory_iterator(fmt::format("/proc/{}/task", pid))) {
    double running = 0;
    std::ifstream(task.path() / "schedstat") >> running;
    cpu.own += running * kNanosecond;
  }
  std::string line;
  std::getline(std::ifstream(fmt::format("/proc/{}/stat", pid)), line);
  std::istringstream fields(line.substr(line.rfind(')') + 1));
  constexpr int kBeforeChildren = 13;  // proc(5): state is the first, cutime and cstime follow
  std::string skipped;
  for (int field = 0; field < kBeforeChildren; ++field) {
    fields >> skipped;
  }
  double user = 0;
  double system = 0;
  fields >> user >> system;
  cpu.children = (user + system) * 1000 / static_cast<double>(::sysconf(_SC_CLK_TCK));
  return cpu;
}

/// Measures the program that runs on the node, prints it, and returns the milliseconds of a minute.
double measure(const bench::LiveNode& node, const std::string& who, const Options& options) {
  std::this_thread::sleep_for(std::chrono::seconds(options.settle));
  const double minutes = options.seconds / 60.0;
  bench::Timing own;
  const Cpu begin = cpu_of(node.program().pid());
  Cpu end = begin;
  for (int window = 0; window < options.windows; ++window) {
    const double before = end.own;
    std::this_thread::sleep_for(std::chrono::seconds(options.seconds));
    end = cpu_of(node.program().pid());
    own.runs_ms.push_back((end.own - before) / minutes);
  }
  std::ranges::sort(own.runs_ms);
  const double children = (end.children - begin.children) / (minutes * options.windows);
  const double whole = (end.own - begin.own) / (minutes * options.windows) + children;
  bench::JsonLine()
      .field("program", who)
      .field("own_a_minute", own)
      .field("children_a_minute_ms", children)
      .field("a_minute_ms", whole)
      .print();
  return whole;
}

void run(const Options& options, const ClusterPrograms& programs) {
  const bench::Size size = bench::parse_size(options.size);
  bench::become_control_plane();
  LiveCluster cluster(programs, bench::kApiAddress);
  bench::fill(cluster, size);
  for (const auto& [way, theirs] : {std::pair(Way::kLibiptc, Way::kRestoreLegacy),
                                    std::pair(Way::kNetlink, Way::kRestoreNft)}) {
    const std::string variant(bench::variant_of(way));
    const std::size_t rules = bench::least_rules(size, variant == "legacy");
    const auto idle = [&](const bench::Contestant& contestant, const std::string& name) {
      bench::LiveNode node(variant, cluster.folder());
      node.start(bench::command_of(contestant, programs, cluster));
      node.await(std::chrono::steady_clock::now(),
                 [&] { return node.rules_in("KUBE-SERVICES") >= rules; });
      return measure(node, fmt::format("{}, {}", name, variant), options);
    };
    const double others = idle({Subject::kKubeProxy, theirs}, "kube-proxy");
    const double ours = idle({Subject::kIptproxy, way}, "iptproxy");
    if (ours > 0) {  // in a short run there may be nothing to divide by
      bench::JsonLine().field("variant", variant).field("ratio", others / ours).print();
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("What a proxy costs while nothing changes");
  Options options;
  app.add_option("size", options.size, "SERVICESxENDPOINTS")->capture_default_str();
  app.add_option("--windows", options.windows, "How many are measured")->capture_default_str();
  app.add_option("--seconds", options.seconds, "Of each")->capture_default_str();
  app.add_option("--settle", options.settle, "Seconds before the first")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    const auto programs = ClusterPrograms::from_environment();
    if (!programs) {
      fmt::print("SKIPPED: KUBE_PROXY, KUBE_APISERVER and ETCD do not name programs\n");
      return kSkipped;
    }
    const bench::OwnLockFile lock;
    bench::in_namespace(proxy::Descriptor(), [&] { run(options, *programs); });
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_idle: {}\n", error.what());
    return 1;
  }
}
