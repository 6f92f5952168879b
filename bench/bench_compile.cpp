// What the pure part costs in processor time: compile, recompile after one change, diff, render and
// parse, for each cluster size given, in both layouts.
//   bench_compile [SERVICESxENDPOINTS]...      default: 100x10 1000x10 10000x10 100000x10

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "bench/clusters.h"
#include "bench/harness.h"
#include "rules/diff.h"
#include "rules/save_text.h"
#include "rules/text.h"

namespace {

constexpr double kMegabyte = 1e6;
constexpr std::size_t kMostWithText = 20'000;  // Services: of 100,000 it is a gigabyte
constexpr auto kCpu = bench::Clock::kCpu;

std::vector<rules::Rule> all_rules(const rules::Ruleset& ruleset) {
  std::vector<rules::Rule> all;
  for (const auto& service : ruleset.services()) {
    for (const auto& section : ruleset.block(*service).chains) {
      all.insert(all.end(), section.rules.begin(), section.rules.end());
    }
  }
  return all;
}

std::string rendered(const std::vector<rules::Rule>& all) {
  std::string text;
  for (const rules::Rule& rule : all) {
    rules::append(text, rule, rules::Family::kIpv4);
    text += '\n';
  }
  return text;
}

void parse_lines(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (!rules::parse_rule(text.substr(0, end), rules::Family::kIpv4)) {
      std::abort();
    }
    text.remove_prefix(end + 1);
  }
}

/// What rules cost as text: written, read, and line by line.
void add_texts(bench::JsonLine& line, const rules::Ruleset& ruleset) {
  std::string text;
  const auto save_text = bench::measure(kCpu, 3, [&] { text = rules::to_save_text(ruleset); });
  const auto read_text =
      bench::measure(kCpu, 3, [&] { rules::parse_installed(text, rules::Family::kIpv4); });
  const std::vector<rules::Rule> all = all_rules(ruleset);
  std::string lines;
  const auto render = bench::measure(kCpu, 3, [&] { lines = rendered(all); });
  const auto parse = bench::measure(kCpu, 3, [&] { parse_lines(lines); });
  const auto megabytes = static_cast<double>(lines.size()) / kMegabyte;
  line.field("text_mb", static_cast<double>(text.size()) / kMegabyte)
      .field("save_text", save_text)
      .field("read_text", read_text)
      .field("render_mb_per_s", megabytes / render.percentile(0.5) * 1e3)
      .field("parse_mb_per_s", megabytes / parse.percentile(0.5) * 1e3);
}

struct OneChange {
  bench::Timing compile;
  bench::Timing diff;
};

/// What follows from one change after the other to the cluster.
template <typename Change>
OneChange measure_change(rules::Snapshot cluster, const rules::Context& context, Change change) {
  rules::Compiler compiler;
  rules::Ruleset ruleset = compiler.compile(cluster, context);
  rules::Installed have;
  rules::Changes changes;
  OneChange took;
  took.compile = bench::measure(
      kCpu,
      200,
      [&] { ruleset = compiler.compile(cluster, context); },
      [&] { cluster = change(cluster); });
  took.diff = bench::measure(
      kCpu,
      200,
      [&] { changes = rules::diff(have, ruleset); },
      [&] {
        have.base = ruleset;
        cluster = change(cluster);
        ruleset = compiler.compile(cluster, context);
      });
  return took;
}

void run(std::size_t services, std::size_t endpoints, rules::Layout layout) {
  const rules::Snapshot snapshot = bench::plain_cluster(services, endpoints);
  rules::Context context = bench::node_of(snapshot);
  context.layout = layout;

  const std::size_t before = bench::heap_bytes();
  rules::Compiler compiler;
  rules::Ruleset ruleset = compiler.compile(snapshot, context);
  const auto held = static_cast<double>(bench::heap_bytes() - before);

  const auto compile =
      bench::measure(kCpu, 5, [&] { rules::Compiler{}.compile(snapshot, context); });

  std::size_t round = 0;
  const OneChange endpoint = measure_change(snapshot, context, [&](const rules::Snapshot& cluster) {
    return bench::with_moved_endpoint(cluster, services / 2, ++round);
  });
  const OneChange service = measure_change(snapshot, context, [&](const rules::Snapshot& cluster) {
    return bench::with_added_service(cluster, services + ++round, endpoints);
  });
  rules::Changes changes;
  const auto full_diff =
      bench::measure(kCpu, 3, [&] { changes = rules::diff(rules::Installed{}, ruleset); });

  bench::JsonLine line;
  line.field("bench", "compile")
      .field("layout", rules::to_string(layout))
      .field("services", static_cast<double>(services))
      .field("endpoints", static_cast<double>(endpoints))
      .field("nat_rules", static_cast<double>(ruleset.rule_count(rules::Table::kNat)))
      .field("compile", compile)
      .field("compiled_mb", held / kMegabyte)
      .field("recompile_one_endpoint", endpoint.compile)
      .field("diff_one_endpoint", endpoint.diff)
      .field("recompile_one_service", service.compile)
      .field("diff_one_service", service.diff)
      .field("diff_from_nothing", full_diff);
  if (services <= kMostWithText) {
    add_texts(line, ruleset);
  }
  line.field("peak_rss_mb", static_cast<double>(bench::peak_rss_bytes()) / kMegabyte).print();
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> sizes(argv + 1, argv + argc);
  if (sizes.empty()) {
    sizes = {"100x10", "1000x10", "10000x10", "100000x10"};
  }
  for (const std::string& size : sizes) {
    const std::size_t cross = size.find('x');
    const std::size_t services = std::strtoul(size.c_str(), nullptr, 10);
    const std::size_t endpoints =
        cross == std::string::npos ? 0 : std::strtoul(size.c_str() + cross + 1, nullptr, 10);
    if (services == 0 || endpoints == 0) {
      fmt::print(stderr, "bench_compile: \"{}\" is not SERVICESxENDPOINTS\n", size);
      return 2;
    }
    run(services, endpoints, rules::Layout::kKubeProxy);
    run(services, endpoints, rules::Layout::kCompact);
  }
}
