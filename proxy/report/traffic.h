#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <thread>
#include <unordered_map>
#include <vector>

#include "k8sclient/base/mutex.h"
#include "proxy/host/per_family.h"
#include "proxy/tables/entrance.h"
#include "rules/compile.h"

namespace proxy {

/// What began at each service port: packets that began a connection to it, and their bytes.
using Traffic = std::map<rules::ServicePortName, Counter>;

/// Adds up what the entrances of one family's service ports count, so that the sums only ever grow:
/// a rule that is new, or was written again, begins at zero in the kernel. What a rule counted
/// between the last look at it and its end is not known. Pure.
class TrafficSum {
 public:
  /// `wanted` says whose chain is whose. Ports that it does not have are forgotten.
  void add(const rules::Ruleset& wanted, const std::vector<EntranceCount>& entrances);

  const Traffic& traffic() const { return traffic_; }

 private:
  std::unordered_map<std::uint64_t, Counter> last_;  // by rule
  Traffic traffic_;
};

/// Traffic, looked up in the kernel only when somebody asks, and not again before a second is over,
/// or a hundred times as long as the last look took. For one thread.
class TrafficMeter {
 public:
  using Clock = std::chrono::steady_clock;
  using Read = std::function<std::optional<std::vector<EntranceCount>>(rules::Family family)>;

  explicit TrafficMeter(Read read) : read_(std::move(read)) {}

  /// Of the service ports in `wanted`; null if the kernel's tables are too large to be read, or
  /// never could be. If they cannot be read now, that is logged and what was known stays.
  std::shared_ptr<const Traffic> traffic(rules::Family family,
                                         const rules::Ruleset& wanted,
                                         Clock::time_point now);

 private:
  struct OfFamily {
    TrafficSum sum;
    std::shared_ptr<const Traffic> known;
    Clock::time_point next_look{};
  };

  void look(rules::Family family, const rules::Ruleset& wanted, OfFamily& state);

  const Read read_;
  PerFamily<OfFamily> families_;
};

/// A TrafficMeter on a thread of its own, so that nobody waits for the kernel: whoever asks gets at
/// once what was found last, and it is looked up anew for the next one. Thread-safe.
class TrafficWatch {
 public:
  explicit TrafficWatch(TrafficMeter::Read read);

  /// As TrafficMeter has it; null also until the first look is over.
  std::shared_ptr<const Traffic> traffic(rules::Family family, const rules::Ruleset& wanted);

 private:
  void run(const std::stop_token& stop);
  std::optional<std::shared_ptr<const Traffic>> look(rules::Family family,
                                                     const rules::Ruleset& wanted);

  TrafficMeter meter_;      // of the thread
  k8sclient::Mutex mutex_;  // of the next three
  std::condition_variable_any asked_;
  PerFamily<std::optional<rules::Ruleset>> wanted_
      GUARDED_BY(mutex_);  // for whom it was asked and not yet looked
  PerFamily<std::shared_ptr<const Traffic>> known_ GUARDED_BY(mutex_);
  std::jthread thread_;  // uses all of these
};

}  // namespace proxy
