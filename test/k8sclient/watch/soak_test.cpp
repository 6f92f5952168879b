#include <algorithm>
#include <cstdlib>
#include <functional>
#include <random>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "test/support/eventually.h"
#include "test/support/fake_api.h"
#include "test/support/faults.h"
#include "test/support/follower.h"
#include "test/support/footprint.h"

using k8sclient::EndpointSlice;
using k8sclient::ObjectName;
using k8sclient::Service;
using test::FakeApi;
using test::Fault;

namespace {

// The delays of a follower are short, but a machine may be busy.
constexpr std::chrono::seconds kPatience{120};

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
    } else if (dice < 99) {
      api_.compact();
    } else if (below(10) == 0) {
      restart();
    }
    std::this_thread::sleep_for(std::chrono::microseconds(below(3000)));
  }

 private:
  std::uint64_t below(std::uint64_t end) {
    return std::uniform_int_distribution<std::uint64_t>(0, end - 1)(random_);
  }

  void restart() {
    api_.go_away();
    std::this_thread::sleep_for(std::chrono::milliseconds(below(200)));
    api_.come_back();
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

// Objects come and go for that long; from time to time the caches are compared, and at_rest() is
// called.
class Soak {
 public:
  explicit Soak(std::uint64_t seed) : churn_(api_, seed) {}

  void run(std::chrono::seconds duration, const std::function<void()>& at_rest) {
    const auto end = std::chrono::steady_clock::now() + duration;
    while (std::chrono::steady_clock::now() < end) {
      for (int i = 0; i < 100; ++i) {
        churn_.step();
      }
      compare();
      at_rest();
    }
  }

  std::uint64_t failures() const {
    return std::min(services_.status().failures, slices_.status().failures);
  }

 private:
  void compare() const {
    const auto services = held_by<Service>(api_, "services", k8sclient::decode_service);
    const auto slices =
        held_by<EndpointSlice>(api_, "endpointslices", k8sclient::decode_endpoint_slice);
    REQUIRE(
        services_.cache.wait([&](const auto& cached) { return cached == services; }, kPatience));
    REQUIRE(slices_.cache.wait([&](const auto& cached) { return cached == slices; }, kPatience));
  }

  FakeApi api_;
  const test::Follower<Service> services_{api_.url(), k8sclient::services_query()};
  const test::Follower<EndpointSlice> slices_{api_.url(), k8sclient::endpoint_slices_query()};
  Churn churn_;
};

// A middle value of what was seen in a part of the time, from 0 to 1.
double middle(const std::vector<double>& samples, double from, double to) {
  const auto at = [&](double part) {
    return samples.begin() +
           static_cast<std::ptrdiff_t>(part * static_cast<double>(samples.size()));
  };
  std::vector<double> some(at(from), at(to));
  std::ranges::sort(some);
  return some.at(some.size() / 2);
}

}  // namespace

TEST_CASE("soak: after random churn with faults each cache equals what the server holds",
          "[k8sclient][soak]") {
  const auto seconds = std::chrono::seconds(from_environment("IPTPROXY_SOAK_SECONDS", 3));
  const auto seed = from_environment("IPTPROXY_SEED", 1);
  CAPTURE(seed);
  Soak soak(seed);

  soak.run(seconds, [] {});

  CHECK(soak.failures() > 0);
}

// For an hour of its own: IPTPROXY_SOAK_SECONDS says how long, and the first sixth is to warm up.
TEST_CASE("soak: in the long run nothing piles up", "[.][long-soak]") {
  const auto seconds = std::chrono::seconds(from_environment("IPTPROXY_SOAK_SECONDS", 1800));
  const auto seed = from_environment("IPTPROXY_SEED", 1);
  CAPTURE(seed);
  Soak(seed).run(std::chrono::seconds(1), [] {});  // what is made once in a process
  const std::size_t descriptors = test::footprint().descriptors;
  std::vector<double> heap;
  std::vector<double> resident;
  std::uint64_t failures = 0;
  {
    Soak soak(seed);
    soak.run(seconds, [&] {
      const test::Footprint now = test::footprint();
      heap.push_back(now.heap_mb);
      resident.push_back(now.resident_mb);
    });
    failures = soak.failures();
  }

  constexpr double kWarm = 1.0 / 6;
  constexpr double kPart = 1.0 / 6;
  constexpr double kFlat = 1.05;
  const double heap_before = middle(heap, kWarm, kWarm + kPart);
  const double heap_after = middle(heap, 1 - kPart, 1);
  const double resident_before = middle(resident, kWarm, kWarm + kPart);
  const double resident_after = middle(resident, 1 - kPart, 1);
  WARN(
      fmt::format("{} comparisons, {} failures; heap {:.2f} to {:.2f} MB, resident {:.1f} to "
                  "{:.1f} MB",
                  heap.size(),
                  failures,
                  heap_before,
                  heap_after,
                  resident_before,
                  resident_after));
  CHECK(heap_after <= heap_before * kFlat);
  CHECK(resident_after <= resident_before * kFlat);
  CHECK(test::eventually([&] { return test::footprint().descriptors <= descriptors; }));
}
