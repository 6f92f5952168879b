// What an API server meets when many nodes lose it together: requests and lists in each tenth of a
// second after it is there again. The nodes are the real watches, all in this process; the server
// is that of the tests. Fails if a node does not come back.

#include <algorithm>
#include <cstdio>
#include <exception>
#include <iterator>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <sys/resource.h>

#include "bench/harness.h"
#include "k8sclient/watch/reflector.h"
#include "proxy/log/logging.h"
#include "test/support/fake_api.h"

namespace {

using Clock = std::chrono::steady_clock;
using k8sclient::Delays;

constexpr auto kTick = std::chrono::milliseconds(100);
constexpr const char* kResources[] = {"services", "endpointslices", "nodes"};

struct Options {
  std::size_t nodes = 500;
  int away_seconds = 10;
};

/// The three watches of a node.
class Node {
 public:
  Node(const std::string& url, const Delays& delays)
      : transport_(k8sclient::make_transport({.url = url}, "bench")),
        settings_{.delays = delays, .loss = std::make_shared<k8sclient::ServerLoss>()} {
    follow<k8sclient::Service>(k8sclient::services_query());
    follow<k8sclient::EndpointSlice>(k8sclient::endpoint_slices_query());
    follow<k8sclient::Node>(k8sclient::node_query("node-0"));
  }

  void stop() {
    for (std::jthread& thread : threads_) {
      thread.request_stop();
    }
  }

 private:
  template <typename T>
  void follow(k8sclient::Query query) {
    threads_.emplace_back([this, query = std::move(query)](std::stop_token stop) {
      k8sclient::Reflector<T>(
          *transport_, query, [](auto) {}, settings_)
          .run(std::move(stop));
    });
  }

  std::unique_ptr<k8sclient::Transport> transport_;
  k8sclient::ReflectorSettings settings_;
  std::vector<std::jthread> threads_;
};

bool is_list(const test::HttpRequest& request) {
  return !request.query.contains("watch") || request.query.contains("sendInitialEvents");
}

bool is_question(const test::HttpRequest& request) {
  return request.query.contains("limit") && request.query.at("limit") == "1";
}

/// Requests by tenth of a second since the server was there again.
struct Arrivals {
  std::map<std::int64_t, int> all;
  std::map<std::int64_t, int> lists;
  int most = 0;        // in a tenth of a second
  int most_lists = 0;  // likewise
  int total = 0;
  int total_lists = 0;
};

Arrivals arrivals_since(const test::FakeApi& api, Clock::time_point start) {
  Arrivals arrivals;
  for (const test::HttpRequest& request : api.requests()) {
    if (request.arrived < start) {
      continue;
    }
    const auto tick = (request.arrived - start) / kTick;
    arrivals.most = std::max(arrivals.most, ++arrivals.all[tick]);
    ++arrivals.total;
    if (is_list(request) && !is_question(request)) {
      arrivals.most_lists = std::max(arrivals.most_lists, ++arrivals.lists[tick]);
      ++arrivals.total_lists;
    }
  }
  return arrivals;
}

void await_all(test::FakeApi& api, std::size_t nodes) {
  for (const char* resource : kResources) {
    if (!api.wait_for_watches(resource, nodes)) {
      throw std::runtime_error(fmt::format("not all nodes watch {}", resource));
    }
  }
}

struct Loss {
  const char* name;
  Delays delays;
  int away_seconds = 0;  // 0: the connections break, and another server is there at once
};

// How the nodes find back.
Arrivals measure(const Loss& loss, std::size_t count) {
  constexpr std::size_t kRequests = 1'000'000;
  test::FakeApi api;
  api.keep_requests(kRequests);
  api.put("nodes", {"", "node-0"}, "");
  std::vector<std::unique_ptr<Node>> nodes;
  for (std::size_t i = 0; i < count; ++i) {
    nodes.push_back(std::make_unique<Node>(api.url(), loss.delays));
  }
  await_all(api, count);

  const std::size_t requests = api.requests().size();
  auto start = Clock::now();
  if (loss.away_seconds == 0) {
    for (const char* resource : kResources) {
      api.strike(resource, test::Fault::kCutObject);
    }
  } else {
    api.go_away();
    std::this_thread::sleep_for(std::chrono::seconds(loss.away_seconds));
    start = Clock::now();
    api.come_back();
  }
  if (!api.wait_for_requests(requests + count * std::size(kResources))) {
    throw std::runtime_error("not all nodes asked again");
  }
  await_all(api, count);
  const auto end = Clock::now();
  const Arrivals arrivals = arrivals_since(api, start);
  for (const auto& node : nodes) {
    node->stop();
  }
  bench::JsonLine()
      .field("bench", "herd")
      .field("loss", loss.name)
      .field("nodes", static_cast<double>(count))
      .field("away_s", loss.away_seconds)
      .field("requests", arrivals.total)
      .field("most_requests_in_100_ms", arrivals.most)
      .field("lists", arrivals.total_lists)
      .field("most_lists_in_100_ms", arrivals.most_lists)
      .field("all_back_after_ms", std::chrono::duration<double, std::milli>(end - start).count())
      .print();
  return arrivals;
}

// Each watch takes two, since its server is in this process.
void allow_descriptors() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

void run(const Options& options) {
  const Delays none{.spread = {}, .longest_list_delay = {}};
  measure({"fail-over, without spreading", none}, options.nodes);
  measure({"fail-over", Delays{}}, options.nodes);
  measure({"restart, without spreading", none, options.away_seconds}, options.nodes);
  measure({"restart", Delays{}, options.away_seconds}, options.nodes);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("What an API server meets when many nodes lose it together");
  Options options;
  app.add_option("--nodes", options.nodes)->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--away", options.away_seconds, "seconds that a restart takes")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  proxy::set_up_logging({.write = [](std::string_view) {}});
  allow_descriptors();
  try {
    run(options);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_herd: {}\n", error.what());
    return 1;
  }
}
