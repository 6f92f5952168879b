#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "k8sclient/objects/decode.h"
#include "test/support/generators.h"
#include "test/support/manifests.h"
#include "test/support/proto_text.h"
#include "test/support/random_json.h"

using k8sclient::decode_list;
using k8sclient::decode_watch_line;
using k8sclient::DecodeError;
using k8sclient::Encoding;
using k8sclient::Endpoint;
using k8sclient::EndpointPort;
using k8sclient::EndpointSlice;
using k8sclient::LoadBalancerIngress;
using k8sclient::Node;
using k8sclient::NodeAddress;
using k8sclient::Service;
using k8sclient::ServicePort;

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

// All members of each type: one more or less does not compile.

auto members_of(const Service& object) {
  const auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o] = object;
  return std::tie(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o);
}

auto members_of(const ServicePort& object) {
  const auto& [a, b, c, d] = object;
  return std::tie(a, b, c, d);
}

auto members_of(const LoadBalancerIngress& object) {
  const auto& [a, b] = object;
  return std::tie(a, b);
}

auto members_of(const EndpointSlice& object) {
  const auto& [a, b, c, d, e, f, g] = object;
  return std::tie(a, b, c, d, e, f, g);
}

auto members_of(const Endpoint& object) {
  const auto& [a, b, c, d, e, f, g] = object;
  return std::tie(a, b, c, d, e, f, g);
}

auto members_of(const EndpointPort& object) {
  const auto& [a, b, c] = object;
  return std::tie(a, b, c);
}

auto members_of(const Node& object) {
  const auto& [a, b, c, d, e, f, g] = object;
  return std::tie(a, b, c, d, e, f, g);
}

auto members_of(const NodeAddress& object) {
  const auto& [a, b] = object;
  return std::tie(a, b);
}

// How often each member of a type differed from that of an empty object.
template <typename T>
class Seen {
 public:
  void note(const T& object) {
    static const T kEmpty;
    note_all(members_of(object), members_of(kEmpty), std::make_index_sequence<kMembers>());
  }

  std::size_t least() const { return *std::ranges::min_element(counts_); }

 private:
  static constexpr std::size_t kMembers =
      std::tuple_size_v<decltype(members_of(std::declval<const T&>()))>;

  template <typename Members, std::size_t... kIndex>
  void note_all(const Members& object, const Members& empty, std::index_sequence<kIndex...>) {
    ((counts_[kIndex] += std::get<kIndex>(object) != std::get<kIndex>(empty) ? 1U : 0U), ...);
  }

  std::array<std::size_t, kMembers> counts_{};
};

struct Everything {
  Seen<Service> services;
  Seen<ServicePort> service_ports;
  Seen<LoadBalancerIngress> ingress;
  Seen<EndpointSlice> slices;
  Seen<Endpoint> endpoints;
  Seen<EndpointPort> endpoint_ports;
  Seen<Node> nodes;
  Seen<NodeAddress> addresses;

  void note(const Service& service) {
    services.note(service);
    std::ranges::for_each(service.ports, [&](const auto& port) { service_ports.note(port); });
    std::ranges::for_each(service.ingress, [&](const auto& one) { ingress.note(one); });
  }

  void note(const EndpointSlice& slice) {
    slices.note(slice);
    std::ranges::for_each(slice.endpoints, [&](const auto& one) { endpoints.note(one); });
    std::ranges::for_each(slice.ports, [&](const auto& port) { endpoint_ports.note(port); });
  }

  void note(const Node& node) {
    nodes.note(node);
    std::ranges::for_each(node.addresses, [&](const auto& one) { addresses.note(one); });
  }
};

// The event, or the field for which it is refused as a whole.
template <typename T>
std::pair<k8sclient::WatchLine<T>, std::string> read_event(std::string_view bytes,
                                                           Encoding encoding) {
  try {
    return {decode_watch_line<T>(bytes, encoding), ""};
  } catch (const DecodeError& error) {
    return {{}, error.path()};
  }
}

// The event in both encodings; objects that can be read are noted.
template <typename T>
void check_random_object(const std::string& object, Everything& seen) {
  CAPTURE(object);
  const auto [json, json_refused] =
      read_event<T>(R"({"type":"MODIFIED","object":)" + object + "}", Encoding::kJson);
  const auto [proto, proto_refused] = read_event<T>(
      std::string_view(test::protobuf_frame("MODIFIED", object)).substr(4), Encoding::kProtobuf);

  CHECK(proto_refused == json_refused);
  CHECK(proto.object == json.object);
  CHECK(proto.name == json.name);
  CHECK(proto.resource_version == json.resource_version);
  REQUIRE(proto.error.has_value() == json.error.has_value());
  if (json.error) {
    CHECK(std::string_view(proto.error->what()) == json.error->what());
  } else if (json.object) {
    seen.note(*json.object);
  }
}

// Any bytes changed, removed or added.
std::string damaged(std::string bytes, test::Random& random) {
  for (std::size_t i = 1 + random.below(4); i > 0 && !bytes.empty(); --i) {
    const std::size_t at = random.below(bytes.size());
    const char byte = static_cast<char>(random.below(256));
    switch (random.below(4)) {
      case 0:
        bytes.resize(at);
        break;
      case 1:
        bytes.insert(at, 1, byte);
        break;
      case 2:
        bytes.erase(at, 1);
        break;
      default:
        bytes[at] = byte;
    }
  }
  return bytes;
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

TEST_CASE("property: every field that is read, and those that are not, are alike in both encodings",
          "[property][encoding]") {
  constexpr int kObjects = 1000;
  Everything seen;
  test::Random random(1);

  for (int i = 0; i < kObjects; ++i) {
    check_random_object<Service>(test::random_object_json("Service", random), seen);
    check_random_object<EndpointSlice>(test::random_object_json("EndpointSlice", random), seen);
    check_random_object<Node>(test::random_object_json("Node", random), seen);
  }

  constexpr std::size_t kOften = 10;  // a member that only a change here can leave out
  CHECK(seen.services.least() >= kOften);
  CHECK(seen.service_ports.least() >= kOften);
  CHECK(seen.ingress.least() >= kOften);
  CHECK(seen.slices.least() >= kOften);
  CHECK(seen.endpoints.least() >= kOften);
  CHECK(seen.endpoint_ports.least() >= kOften);
  CHECK(seen.nodes.least() >= kOften);
  CHECK(seen.addresses.least() >= kOften);
}

TEST_CASE("property: damaged protobuf is read or refused as such, and nothing else happens",
          "[property][encoding]") {
  constexpr int kDamages = 5000;
  test::Random random(2);
  int refused = 0;

  for (int i = 0; i < kDamages; ++i) {
    const std::string frame =
        test::protobuf_frame("ADDED", test::random_object_json("EndpointSlice", random)).substr(4);
    const std::string bytes = damaged(frame, random);
    CAPTURE(i);
    try {
      const auto line = decode_watch_line<EndpointSlice>(bytes, Encoding::kProtobuf);
      refused += line.error ? 1 : 0;
    } catch (const DecodeError&) {
      ++refused;
    }
  }

  CHECK(refused > kDamages / 10);
  CHECK(refused < kDamages);
}
