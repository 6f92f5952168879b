// What the first packet of a connection costs, through a random Service and beside all of them: see
// README.md. Needs root; works in namespaces of its own.

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "bench/clusters.h"
#include "bench/harness.h"
#include "bench/machine.h"
#include "bench/nftables_mode.h"
#include "bench/packet_lab.h"
#include "bench/packet_report.h"
#include "proxy/backends/variant.h"
#include "rules/diff.h"

namespace {

using bench::PacketFigures;
using bench::PacketLab;
using bench::Size;
using proxy::Variant;
using rules::Layout;

struct Options {
  std::vector<std::string> sizes{
      "100x10", "1000x10", "10000x10", "30000x10", "100x100", "100x1000"};
  std::size_t runs = 1000;
  int rounds = 5;
  bool has_nftables_mode = true;
  bool is_json = false;
  std::string html;
};

/// Every second Service of the cluster speaks UDP.
rules::Snapshot cluster_of(const Size& size) {
  auto entries = rules::sorted_service_ports(bench::plain_cluster(size.services, size.endpoints));
  for (std::size_t i = 1; i < entries.size(); i += 2) {
    entries[i].first.protocol = rules::Protocol::kUdp;
  }
  return rules::make_snapshot(rules::Family::kIpv4, std::move(entries));
}

std::vector<rules::SocketAddress> addresses_of(const rules::Snapshot& cluster,
                                               rules::Protocol protocol) {
  std::vector<rules::SocketAddress> addresses;
  for (const auto& [name, port] : rules::sorted_service_ports(cluster)) {
    if (name.protocol == protocol) {
      addresses.push_back({port->cluster_ip, port->port});
    }
  }
  return addresses;
}

void apply(proxy::Backend& backend, const rules::Installed& have, const rules::Ruleset& want) {
  if (const auto error = backend.apply(rules::diff(have, want))) {
    throw std::runtime_error(error->message);
  }
}

/// Quantiles in microseconds.
bench::Quantiles in_microseconds(bench::Timing timing) {
  constexpr double kMicroseconds = 1000;
  for (double& run : timing.runs_ms) {
    run *= kMicroseconds;
  }
  return bench::quantiles(timing);
}

/// Measures through the rules that are there now.
class Measure {
 public:
  Measure(const PacketLab& lab, std::size_t runs) : lab_(lab), runs_(runs) {}

  void bystanders(const std::string& rules, const Size& size) {
    const auto pod = [](std::size_t /*round*/) { return PacketLab::pod(); };
    const auto internet = [](std::size_t /*round*/) { return PacketLab::internet(); };
    add(rules, size, "tcp to a pod", lab_.connects(runs_, pod));
    add(rules, size, "udp to a pod", lab_.exchanges(runs_, pod));
    add(rules, size, "tcp outside", lab_.connects(runs_, internet));
  }

  void services(const std::string& rules, const Size& size, const rules::Snapshot& cluster) {
    std::mt19937 random(1);
    const auto any_of = [&](rules::Protocol protocol) {
      return [&random, all = addresses_of(cluster, protocol)](std::size_t /*round*/) {
        return all[random() % all.size()];
      };
    };
    add(rules, size, "tcp service", lab_.connects(runs_, any_of(rules::Protocol::kTcp)));
    add(rules, size, "udp service", lab_.exchanges(runs_, any_of(rules::Protocol::kUdp)));
  }

  /// Of what was measured several times, the round with the lowest median: whatever else the
  /// machine does only adds.
  std::vector<PacketFigures> take() && { return std::move(figures_); }

 private:
  void add(const std::string& rules,
           const Size& size,
           const std::string& what,
           bench::Timing timing) {
    const PacketFigures figures{
        .rules = rules, .what = what, .size = size, .us = in_microseconds(std::move(timing))};
    const auto known = std::ranges::find_if(figures_, [&](const PacketFigures& other) {
      return other.rules == rules && other.what == what && other.size == size;
    });
    if (known == figures_.end()) {
      figures_.push_back(figures);
    } else if (figures.us.p50 < known->us.p50) {
      *known = figures;
    }
  }

  const PacketLab& lab_;
  std::size_t runs_;
  std::vector<PacketFigures> figures_;
};

std::string name_of(Variant variant, Layout layout) {
  const std::string name(proxy::to_string(variant));
  return layout == Layout::kKubeProxy ? name : fmt::format("{} {}", name, rules::to_string(layout));
}

/// `nftables_mode`: kube-proxy's rules in that mode, if it is there.
void measure_all(Measure& measure, const Size& size, const std::string& nftables_mode) {
  const rules::Snapshot cluster = cluster_of(size);
  if (!nftables_mode.empty()) {
    bench::apply_nftables(nftables_mode);
    measure.services(bench::kNftablesMode, size, cluster);
    measure.bystanders(bench::kNftablesMode, size);
    bench::remove_nftables();
  }
  for (const Variant variant : {Variant::kLegacy, Variant::kNft}) {
    proxy::ForeignChanges unwatched;
    const auto backend = proxy::make_backend(
        rules::Family::kIpv4, {.variant = variant, .in_process = true, .reason = {}}, unwatched);
    for (const Layout layout : {Layout::kKubeProxy, Layout::kCompact}) {
      rules::Context context = bench::node_of(cluster);
      context.layout = layout;
      context.counts_invalid_drops = false;
      context.counts_localhost_node_ports = false;
      const rules::Ruleset ruleset = rules::Compiler{}.compile(cluster, context);
      apply(*backend, {}, ruleset);
      measure.services(name_of(variant, layout), size, cluster);
      measure.bystanders(name_of(variant, layout), size);
      apply(*backend, {.base = ruleset}, {});
    }
  }
}

void run(const Options& options) {
  std::vector<Size> sizes;
  std::ranges::transform(options.sizes, std::back_inserter(sizes), bench::parse_size);
  if (std::ranges::any_of(sizes, [](const Size& size) { return size.services < 2; })) {
    throw std::invalid_argument("it takes two Services: one of TCP, one of UDP");
  }
  bench::PacketReport report{.machine = bench::this_machine("wall time"), .figures = {}};
  const auto programs = test::ClusterPrograms::from_environment();
  std::vector<std::string> nftables_mode(sizes.size());
  for (std::size_t i = 0; programs && options.has_nftables_mode && i < sizes.size(); ++i) {
    nftables_mode[i] = bench::nftables_mode_rules(*programs, cluster_of(sizes[i]));
  }
  const PacketLab lab;
  Measure measure(lab, options.runs);
  for (int round = 0; round < options.rounds; ++round) {
    measure.bystanders(bench::kNoRules, {});
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      measure_all(measure, sizes[i], nftables_mode[i]);
    }
  }
  report.figures = std::move(measure).take();
  std::fputs((options.is_json ? to_json(report) : to_text(report)).c_str(), stdout);
  if (!options.html.empty()) {
    bench::write_file(options.html, to_html(report));
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("What the first packet of a connection costs");
  Options options;
  app.add_option("sizes", options.sizes, "SERVICESxENDPOINTS")->capture_default_str();
  app.add_option("--runs", options.runs, "Connections for each figure and round")
      ->capture_default_str();
  app.add_option("--rounds",
                 options.rounds,
                 "Times that all is measured, so that a busy moment is "
                 "not one figure's alone")
      ->capture_default_str();
  app.add_flag("!--no-nftables-mode",
               options.has_nftables_mode,
               "Leave out kube-proxy's nftables mode, though it is named");
  app.add_flag("--json", options.is_json, "Print JSON instead of text");
  app.add_option("--html", options.html, "Write a page with plots to this file, too");
  CLI11_PARSE(app, argc, argv);
  try {
    run(options);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_packet: {}\n", error.what());
    return 1;
  }
}
