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

#include "bench/harness.h"
#include "k8sclient/objects/decode.h"
#include "test/support/proto_text.h"

namespace {

using k8sclient::Encoding;
using k8sclient::EndpointSlice;

constexpr double kMegabyte = 1e6;
constexpr std::size_t kNodes = 5000;

// Endpoint number `index` of the cluster, as the endpoint slice controller writes it.
std::string endpoint(std::size_t index) {
  const std::size_t node = index * 7919 % kNodes;
  return fmt::format(
      R"({{"addresses":["10.{}.{}.{}"],"conditions":{{"ready":true,"serving":true,)"
      R"("terminating":false}},"targetRef":{{"kind":"Pod","namespace":"shop","name":)"
      R"("web-{}-7d4b9c6f5d-x2x{}","uid":"5b6e7c1a-3f0d-4f5e-9a57-{:012}"}},)"
      R"("nodeName":"node-{}.eu-central-1.compute.internal","zone":"eu-central-1{}",)"
      R"("hints":{{"forZones":[{{"name":"eu-central-1{}"}}]}}}})",
      index >> 16U & 255U,
      index >> 8U & 255U,
      index & 255U,
      index,
      index % 1000,
      index,
      node,
      static_cast<char>('a' + node % 3),
      static_cast<char>('a' + node % 3));
}

std::string slice(std::size_t index, std::size_t endpoints) {
  std::string list;
  for (std::size_t i = 0; i < endpoints; ++i) {
    list += (i == 0 ? "" : ",") + endpoint(index * endpoints + i);
  }
  return fmt::format(
      R"({{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{{"name":)"
      R"("web-{0}-x7k2p","generateName":"web-{0}-","namespace":"shop","uid":)"
      R"("0c1d2e3f-aaaa-4bbb-8ccc-{0:012}","resourceVersion":"{0}","generation":3,)"
      R"("creationTimestamp":"2024-05-01T10:00:00Z","labels":{{)"
      R"("endpointslice.kubernetes.io/managed-by":"endpointslice-controller.k8s.io",)"
      R"("kubernetes.io/service-name":"web-{0}"}},"annotations":{{)"
      R"("endpoints.kubernetes.io/last-change-trigger-time":"2024-05-01T10:00:01Z"}},)"
      R"("ownerReferences":[{{"apiVersion":"v1","kind":"Service","name":"web-{0}","uid":)"
      R"("1c1d2e3f-aaaa-4bbb-8ccc-{0:012}","controller":true,"blockOwnerDeletion":true}}],)"
      R"("managedFields":[{{"manager":"kube-controller-manager","operation":"Update",)"
      R"("apiVersion":"discovery.k8s.io/v1","time":"2024-05-01T10:00:01Z","fieldsType":)"
      R"("FieldsV1","fieldsV1":{{"f:addressType":{{}},"f:endpoints":{{}},"f:metadata":{{)"
      R"("f:annotations":{{".":{{}}}},"f:labels":{{".":{{}}}}}},"f:ports":{{}}}}}}]}},)"
      R"("addressType":"IPv4","endpoints":[{1}],"ports":[{{"name":"http","protocol":"TCP",)"
      R"("port":8080}}]}})",
      index,
      list);
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
