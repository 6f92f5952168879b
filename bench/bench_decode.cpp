// What it costs to decode endpoint slices as an API server sends them (metadata, managed fields and
// target references included), in JSON and in protobuf, as a watch and as a list: bytes, processor
// time, and what is held afterwards.
//   bench_decode [SLICESxENDPOINTS]...      default: 1000x10 10000x10

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "bench/api_objects.h"
#include "bench/harness.h"
#include "k8sclient/objects/decode.h"
#include "test/support/proto_text.h"

namespace {

using k8sclient::Encoding;
using k8sclient::EndpointSlice;

constexpr double kMegabyte = 1e6;

std::string slice(std::size_t index, std::size_t endpoints) {
  const bench::ApiObject slice = bench::slice_object(index, endpoints);
  return fmt::format(
      R"({{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{{"name":"{}",)"
      R"("namespace":"{}","resourceVersion":"{}","labels":{{"{}":"{}","{}":"{}"}},{}}},{}}})",
      slice.name.name,
      slice.name.name_space,
      index,
      slice.labels.begin()->first,
      slice.labels.begin()->second,
      slice.labels.rbegin()->first,
      slice.labels.rbegin()->second,
      slice.metadata,
      slice.fields);
}

std::vector<EndpointSlice> decode_events(const std::vector<std::string>& events,
                                         Encoding encoding) {
  std::vector<EndpointSlice> slices;
  for (const std::string& event : events) {
    slices.push_back(*k8sclient::decode_watch_line<EndpointSlice>(event, encoding).object);
  }
  return slices;
}

struct Measured {
  std::string_view how;
  Encoding encoding = Encoding::kJson;
  std::size_t bytes = 0;
};

void measure(const Measured& what, const std::function<std::vector<EndpointSlice>()>& decode) {
  constexpr int kRuns = 10;
  std::vector<EndpointSlice> result;
  const std::size_t before = bench::heap_bytes();
  const auto timing = bench::measure(
      bench::Clock::kCpu, kRuns, [&] { result = decode(); }, [&] { result = {}; });
  bench::JsonLine()
      .field("bench", "decode")
      .field("how", what.how)
      .field("encoding", what.encoding == Encoding::kJson ? "json" : "protobuf")
      .field("slices", static_cast<double>(result.size()))
      .field("input_mb", static_cast<double>(what.bytes) / kMegabyte)
      .field("decode", timing)
      .field("mb_per_s", static_cast<double>(what.bytes) / 1e3 / timing.percentile(0.5))
      .field("held_mb", static_cast<double>(bench::heap_bytes() - before) / kMegabyte)
      .field("peak_rss_mb", static_cast<double>(bench::peak_rss_bytes()) / kMegabyte)
      .print();
}

// The slices as a watch and as one list.
void run(std::size_t slices, std::size_t endpoints, Encoding encoding) {
  const bool is_json = encoding == Encoding::kJson;
  std::vector<std::string> events;
  std::string list = R"({"kind":"EndpointSliceList","apiVersion":"discovery.k8s.io/v1",)"
                     R"("metadata":{"resourceVersion":"1"},"items":[)";
  std::size_t event_bytes = 0;
  for (std::size_t i = 0; i < slices; ++i) {
    const std::string object = slice(i, endpoints);
    list += (i == 0 ? "" : ",") + object;
    events.push_back(is_json ? R"({"type":"ADDED","object":)" + object + "}"
                             : test::protobuf_frame("ADDED", object).substr(4));
    event_bytes += events.back().size();
  }
  list += "]}";
  if (!is_json) {
    list = test::to_protobuf(list);
  }
  measure({"watch", encoding, event_bytes}, [&] { return decode_events(events, encoding); });
  measure({"list", encoding, list.size()},
          [&] { return k8sclient::decode_list<EndpointSlice>(list, encoding).objects; });
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> sizes(argv + 1, argv + argc);
  if (sizes.empty()) {
    sizes = {"1000x10", "10000x10"};
  }
  for (const std::string& size : sizes) {
    std::size_t slices = 0;
    std::size_t endpoints = 0;
    if (std::sscanf(size.c_str(), "%zux%zu", &slices, &endpoints) != 2) {
      fmt::print(stderr, "bench_decode: {} is no SLICESxENDPOINTS\n", size);
      return 1;
    }
    run(slices, endpoints, Encoding::kJson);
    run(slices, endpoints, Encoding::kProtobuf);
  }
}
