#include <cstdlib>
#include <random>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "test/support/fake_api.h"
#include "test/support/faults.h"
#include "test/support/follower.h"

using k8sclient::EndpointSlice;
using k8sclient::ObjectName;
using k8sclient::Service;
using test::FakeApi;
using test::Fault;

namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::stoull(text);
}

// Objects and faults that come and go at random.
class Churn {
 public:
  Churn(FakeApi& api, std::uint64_t seed) : api_(api), random_(seed) {
    for (const test::KnownFault& known : test::known_faults()) {
      (known.is_slow ? slow_ : quick_).push_back(known.fault);
    }
  }

  void step() {
    const auto dice = below(100);
    if (dice < 50) {
      put();
    } else if (dice < 75) {
      remove();
    } else if (dice < 85) {
      api_.strike(resource(), fault());
    } else if (dice < 93) {
      api_.fail_next(resource(), std::vector<Fault>(1 + below(3), fault()));
    } else if (dice < 97) {
      api_.bookmark();
    } else {
      api_.compact();
    }
    std::this_thread::sleep_for(std::chrono::microseconds(below(3000)));
  }

 private:
  std::uint64_t below(std::uint64_t end) {
    return std::uniform_int_distribution<std::uint64_t>(0, end - 1)(random_);
  }

  std::string resource() { return below(2) == 0 ? "services" : "endpointslices"; }

  // One in twenty is a slow one.
  Fault fault() {
    const auto& faults = below(20) == 0 ? slow_ : quick_;
    return faults[below(faults.size())];
  }

  ObjectName name() { return {"soak", fmt::format("object-{}", below(40))}; }

  // One in twenty is malformed.
  void put() {
    const auto port = below(20) == 0 ? 70000 : 1 + below(65535);
    if (resource() == "services") {
      api_.put("services", name(), fmt::format(R"("spec":{{"ports":[{{"port":{}}}]}})", port));
    } else {
      api_.put("endpointslices",
               name(),
               fmt::format(R"("addressType":"IPv4","ports":[{{"name":"a","port":{}}}],)"
                           R"("endpoints":[{{"addresses":["10.0.0.1"]}}])",
                           port));
    }
  }

  void remove() {
    const auto from = resource();
    const auto objects = api_.names(from);
    if (!objects.empty()) {
      api_.remove(from, objects[below(objects.size())]);
    }
  }

  FakeApi& api_;
  std::mt19937_64 random_;
  std::vector<Fault> quick_;
  std::vector<Fault> slow_;
};

// The well-formed objects of the server.
template <typename T, typename Decode>
typename test::Cache<T>::Objects held_by(const FakeApi& api, const char* resource, Decode decode) {
  typename test::Cache<T>::Objects objects;
  for (const std::string& json : api.objects(resource)) {
    try {
      T object = decode(json);
      auto name = object.name;
      objects.emplace(std::move(name), std::move(object));
    } catch (const k8sclient::DecodeError&) {
      // Counts as absent.
    }
  }
  return objects;
}

}  // namespace

TEST_CASE("soak: after random churn with faults each cache equals what the server holds",
          "[k8sclient][soak]") {
  const auto seconds = std::chrono::seconds(from_environment("IPTPROXY_SOAK_SECONDS", 3));
  const auto seed = from_environment("IPTPROXY_SEED", 1);
  CAPTURE(seed);
  FakeApi api;
  const test::Follower<Service> services(api.url(), k8sclient::services_query());
  const test::Follower<EndpointSlice> slices(api.url(), k8sclient::endpoint_slices_query());
  Churn churn(api, seed);

  const auto end = std::chrono::steady_clock::now() + seconds;
  while (std::chrono::steady_clock::now() < end) {
    for (int i = 0; i < 100; ++i) {
      churn.step();
    }
    const auto services_held = held_by<Service>(api, "services", k8sclient::decode_service);
    const auto slices_held =
        held_by<EndpointSlice>(api, "endpointslices", k8sclient::decode_endpoint_slice);
    REQUIRE(services.cache.wait([&](const auto& cached) { return cached == services_held; }));
    REQUIRE(slices.cache.wait([&](const auto& cached) { return cached == slices_held; }));
  }

  CHECK(services.status().failures > 0);
  CHECK(slices.status().failures > 0);
}
