// What the first packet of a connection costs: TCP connects and UDP exchanges through a random
// Service, and to an address that is no Service's, beside the same without any rules.
//   bench_packet [SERVICESxENDPOINTS]... [--runs N]      as root; in namespaces of its own
// Microseconds of p50, p90 and p99. One JSON object a line; a table for people on standard error.

#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "bench/clusters.h"
#include "bench/harness.h"
#include "bench/packet_lab.h"
#include "proxy/backends/variant.h"
#include "rules/diff.h"

namespace {

using bench::Timing;
using proxy::Variant;
using rules::Layout;

struct Size {
  std::size_t services = 0;
  std::size_t endpoints = 0;
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

void report(const std::string& rules, const Size& size, const std::string& what, const Timing& t) {
  constexpr double kMicroseconds = 1000;
  bench::JsonLine()
      .field("bench", "packet")
      .field("rules", rules)
      .field("services", static_cast<double>(size.services))
      .field("endpoints", static_cast<double>(size.endpoints))
      .field("what", what)
      .field("took", t)
      .print();
  fmt::print(stderr,
             "{:>6} x {:<5} {:<20} {:<14} {:>8.1f} {:>8.1f} {:>8.1f} us\n",
             size.services,
             size.endpoints,
             rules,
             what,
             t.percentile(0.5) * kMicroseconds,
             t.percentile(0.9) * kMicroseconds,
             t.percentile(0.99) * kMicroseconds);
}

/// Rules that are in the kernel now.
struct Programmed {
  const Size& size;
  const rules::Snapshot& cluster;
  std::string rules;  // their variant and layout
};

void measure(const bench::PacketLab& lab, std::size_t runs, const Programmed& now) {
  std::mt19937 random(1);
  const auto any_of = [&](rules::Protocol protocol) {
    return [&random, all = addresses_of(now.cluster, protocol)](std::size_t /*round*/) {
      return all[random() % all.size()];
    };
  };
  const auto node = [](std::size_t /*round*/) { return bench::PacketLab::node(); };
  report(now.rules, now.size, "tcp service", lab.connects(runs, any_of(rules::Protocol::kTcp)));
  report(now.rules, now.size, "udp service", lab.exchanges(runs, any_of(rules::Protocol::kUdp)));
  report(now.rules, now.size, "tcp other", lab.connects(runs, node));
  report(now.rules, now.size, "udp other", lab.exchanges(runs, node));
}

void measure_all(const bench::PacketLab& lab, const Size& size, std::size_t runs) {
  const rules::Snapshot cluster = cluster_of(size);
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
      measure(lab,
              runs,
              {.size = size,
               .cluster = cluster,
               .rules = fmt::format("{} {}", proxy::to_string(variant), rules::to_string(layout))});
      apply(*backend, {.base = ruleset}, {});
    }
  }
}

Size parse_size(const std::string& text) {
  const std::size_t cross = text.find('x');
  Size size{std::strtoul(text.c_str(), nullptr, 10),
            cross == std::string::npos ? 0 : std::strtoul(text.c_str() + cross + 1, nullptr, 10)};
  if (size.services < 2 || size.endpoints == 0) {
    throw std::runtime_error(
        fmt::format("\"{}\" is not SERVICESxENDPOINTS, of at least 2 Services", text));
  }
  return size;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("What the first packet of a connection costs");
  std::vector<std::string> sizes{
      "100x10", "1000x10", "10000x10", "30000x10", "100x100", "100x1000"};
  std::size_t runs = 3000;
  app.add_option("sizes", sizes, "SERVICESxENDPOINTS");
  app.add_option("--runs", runs, "Connections for each figure");
  CLI11_PARSE(app, argc, argv);
  try {
    std::vector<Size> parsed;
    for (const std::string& size : sizes) {
      parsed.push_back(parse_size(size));
    }
    const bench::PacketLab lab;
    const auto node = [](std::size_t /*round*/) { return bench::PacketLab::node(); };
    report("none", {}, "tcp other", lab.connects(runs, node));
    report("none", {}, "udp other", lab.exchanges(runs, node));
    for (const Size& size : parsed) {
      measure_all(lab, size, runs);
    }
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_packet: {}\n", error.what());
    return 1;
  }
}
