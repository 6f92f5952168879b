#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "k8sclient/objects/decode.h"
#include "test/support/generators.h"
#include "test/support/manifests.h"
#include "test/support/proto_text.h"

using k8sclient::decode_list;
using k8sclient::decode_watch_line;
using k8sclient::Encoding;
using k8sclient::EndpointSlice;
using k8sclient::Node;
using k8sclient::Service;

namespace {

// The objects of that kind among manifests, which have one a line.
std::vector<std::string> objects_of(std::string_view manifests, std::string_view kind) {
  std::vector<std::string> objects;
  const std::string wanted = fmt::format("\"kind\":\"{}\"", kind);
  while (!manifests.empty()) {
    const std::size_t end = std::min(manifests.find('\n'), manifests.size());
    std::string_view line = manifests.substr(0, end);
    manifests.remove_prefix(std::min(end + 1, manifests.size()));
    if (line.ends_with(',')) {
      line.remove_suffix(1);
    }
    if (line.find(wanted) != std::string_view::npos && line.ends_with('}')) {
      objects.emplace_back(line);
    }
  }
  return objects;
}

// What nobody reads, and an API server sends nevertheless.
std::string with_metadata(std::string object) {
  const std::string_view start = "\"metadata\":{";
  return object.insert(object.find(start) + start.size(),
                       R"("generateName":"x-","generation":3,"resourceVersion":"7",)"
                       R"("creationTimestamp":"2024-05-01T10:00:00Z","finalizers":["a"],)"
                       R"("managedFields":[{"manager":"kubectl","operation":"Update"}],)");
}

template <typename T>
void check_agreement(const std::string& manifests, std::string_view kind) {
  std::string items;
  for (const std::string& object : objects_of(manifests, kind)) {
    CAPTURE(object);
    const std::string full = with_metadata(object);
    const auto json = decode_watch_line<T>(R"({"type":"ADDED","object":)" + full + "}");
    const auto proto = decode_watch_line<T>(
        std::string_view(test::protobuf_frame("ADDED", full)).substr(4), Encoding::kProtobuf);
    REQUIRE(json.object);
    REQUIRE(proto.object);
    CHECK(*proto.object == *json.object);
    CHECK(proto.name == json.name);
    CHECK(proto.resource_version == json.resource_version);
    items += (items.empty() ? "" : ",") + full;
  }
  REQUIRE_FALSE(items.empty());
  const std::string list = fmt::format(
      R"({{"kind":"{}List","metadata":{{"resourceVersion":"9"}},"items":[{}]}})", kind, items);
  CHECK(decode_list<T>(test::to_protobuf(list), Encoding::kProtobuf).objects ==
        decode_list<T>(list).objects);
}

}  // namespace

TEST_CASE("property: JSON and protobuf of the same object are read alike", "[property][encoding]") {
  const auto seed = GENERATE(range(1U, 21U));
  CAPTURE(seed);
  const std::string manifests = test::to_manifests(test::random_cluster(seed));

  check_agreement<Service>(manifests, "Service");
  check_agreement<EndpointSlice>(manifests, "EndpointSlice");
  check_agreement<Node>(manifests, "Node");
}
