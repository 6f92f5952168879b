// What watching costs an API server and a node: bytes and processor time of a start and of changes,
// in JSON and in protobuf, with one node and with many. The server is that of the tests, so its
// processor time is that of writing to sockets, and no measure of kube-apiserver's.

#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "bench/api_clients.h"
#include "bench/api_objects.h"
#include "bench/harness.h"
#include "bench/sync_figures.h"
#include "test/support/fake_api.h"

namespace {

using bench::Size;

constexpr double kMegabyte = 1e6;
constexpr const char* kProtobuf = "application/vnd.kubernetes.protobuf";

struct Options {
  std::vector<std::string> sizes{"1000x10", "10000x10", "100x1000"};
  std::size_t nodes = 100;
  std::size_t changes = 1000;
  bool is_json = false;
};

struct Figures {
  std::string content_type;
  Size size;
  double start_mb = 0;            // all that one node is sent at its start
  double start_cpu_ms = 0;        // of that node, its process included
  double change_kb = 0;           // of one change of a slice, sent to one node
  double changes_cpu_ms = 0;      // of a node, for 1,000 changes
  double server_cpu_ms = 0;       // of the server, for 1,000 changes and one node
  double server_cpu_ms_many = 0;  // and with all nodes
};

test::FakeApi::Content content_of(const bench::ApiObject& object) {
  return {.fields = object.fields, .labels = object.labels, .metadata = object.metadata};
}

void fill(test::FakeApi& api, Size size) {
  api.put("nodes",
          {"", "node-0"},
          R"("status":{"addresses":[{"type":"InternalIP","address":"192.168.0.2"}]})");
  for (std::size_t i = 0; i < size.services; ++i) {
    const bench::ApiObject service = bench::service_object(i);
    api.put("services", service.name, content_of(service));
    const bench::ApiObject slice = bench::slice_object(i, size.endpoints);
    api.put("endpointslices", slice.name, content_of(slice));
  }
  api.compact();  // that this happened is of interest to nobody
}

// One endpoint of one slice after the other moves, a thousand a second. Processor time of this
// process until the node knows the last one, without that of making the objects up.
double change_slices(test::FakeApi& api,
                     Size size,
                     const std::vector<bench::ApiObject>& changes,
                     const bench::NodeClient& node) {
  const double start = bench::cpu_ms();
  auto next = std::chrono::steady_clock::now();
  for (const bench::ApiObject& slice : changes) {
    api.put("endpointslices", slice.name, content_of(slice));
    next += std::chrono::milliseconds(size.endpoints > 100 ? 10 : 1);
    std::this_thread::sleep_until(next);
  }
  node.follow(api.resource_version());
  return bench::cpu_ms() - start;
}

std::vector<bench::ApiObject> make_changes(Size size, std::size_t count, std::size_t round) {
  std::vector<bench::ApiObject> changes;
  for (std::size_t i = 0; i < count; ++i) {
    changes.push_back(
        bench::slice_object(i % size.services, size.endpoints, 1 + round + i / size.services));
  }
  return changes;
}

// Of large slices fewer, as all of them are held in memory.
std::size_t changes_of(Size size, const Options& options) {
  constexpr std::size_t kEndpoints = 100'000;
  return std::clamp<std::size_t>(kEndpoints / size.endpoints, 1, options.changes);
}

Figures measure(Size size, const std::string& content_type, const Options& options) {
  // Before this process has threads.
  const bench::NodeClient node(content_type);
  const bench::OtherNodes others;
  test::FakeApi api;
  fill(api, size);
  Figures figures{.content_type = content_type, .size = size};
  const std::size_t changes = changes_of(size, options);
  const auto per_thousand = 1000.0 / static_cast<double>(changes);

  const double started = node.start(api.url());
  figures.start_cpu_ms = started;
  figures.start_mb = static_cast<double>(api.bytes_sent()) / kMegabyte;

  const auto bytes_before = api.bytes_sent();
  const auto few = make_changes(size, changes, 0);
  figures.server_cpu_ms = change_slices(api, size, few, node) * per_thousand;
  figures.change_kb =
      static_cast<double>(api.bytes_sent() - bytes_before) / 1e3 / static_cast<double>(changes);
  figures.changes_cpu_ms = (node.follow(api.resource_version()) - started) * per_thousand;

  if (options.nodes > 1) {
    others.watch({.port = api.port(),
                  .count = options.nodes - 1,
                  .version = api.resource_version(),
                  .content_type = content_type});
    if (!api.wait_for_watches("endpointslices", options.nodes)) {
      throw std::runtime_error("not all nodes could watch");
    }
    const auto many = make_changes(size, changes, changes);
    figures.server_cpu_ms_many = change_slices(api, size, many, node) * per_thousand;
  }
  return figures;
}

// Of one more node, for one change.
double microseconds_a_node(const Figures& figures, std::size_t nodes) {
  return nodes < 2 ? 0
                   : (figures.server_cpu_ms_many - figures.server_cpu_ms) /
                         static_cast<double>(nodes - 1);
}

void print_json(const Figures& figures, const Options& options) {
  bench::JsonLine()
      .field("bench", "api")
      .field("content_type", figures.content_type)
      .field("services", static_cast<double>(figures.size.services))
      .field("endpoints", static_cast<double>(figures.size.endpoints))
      .field("nodes", static_cast<double>(options.nodes))
      .field("start_mb", figures.start_mb)
      .field("start_cpu_ms", figures.start_cpu_ms)
      .field("change_kb", figures.change_kb)
      .field("cpu_ms_per_1000_changes", figures.changes_cpu_ms)
      .field("server_cpu_ms_per_1000_changes", figures.server_cpu_ms)
      .field("server_cpu_us_per_change_and_node", microseconds_a_node(figures, options.nodes))
      .print();
}

void print_text(const Figures& figures, const Options& options) {
  fmt::print("{:>6}x{:<5} {:<9} {:>9.2f} MB {:>8.0f} ms {:>9.2f} KB {:>9.0f} ms {:>9.1f} us\n",
             figures.size.services,
             figures.size.endpoints,
             figures.content_type == kProtobuf ? "protobuf" : "JSON",
             figures.start_mb,
             figures.start_cpu_ms,
             figures.change_kb,
             figures.changes_cpu_ms,
             microseconds_a_node(figures, options.nodes));
  std::fflush(stdout);
}

void print_head() {
  fmt::print("{:<12} {:<9} {:>12} {:>11} {:>12} {:>12} {:>12}\n",
             "size",
             "encoding",
             "start",
             "its CPU",
             "a change",
             "1,000's CPU",
             "server/node");
}

void run(const Options& options) {
  if (!options.is_json) {
    print_head();
  }
  for (const std::string& text : options.sizes) {
    for (const char* content_type : {"application/json", kProtobuf}) {
      const Figures figures = measure(bench::parse_size(text), content_type, options);
      options.is_json ? print_json(figures, options) : print_text(figures, options);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("What watching costs an API server and a node");
  Options options;
  app.add_option("size", options.sizes, "SERVICESxENDPOINTS, one slice for each Service")
      ->capture_default_str();
  app.add_option("--nodes", options.nodes, "that watch at the same time")->capture_default_str();
  app.add_option("--changes", options.changes, "of one endpoint each")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_flag("--json", options.is_json, "one JSON object a line");
  CLI11_PARSE(app, argc, argv);
  try {
    run(options);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_api: {}\n", error.what());
    return 1;
  }
}
