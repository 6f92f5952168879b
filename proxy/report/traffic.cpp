#include "proxy/report/traffic.h"

#include <algorithm>
#include <exception>
#include <string_view>
#include <utility>

#include "proxy/log/logging.h"

namespace proxy {

namespace {

constexpr std::chrono::seconds kMinAge{1};

/// Looking takes at most this part of a core: a hundredth.
constexpr int kLookingShare = 100;

/// Whose chain is whose; the names are those of the Ruleset.
std::unordered_map<std::string_view, const rules::ServicePortName*> owners(
    const rules::Ruleset& wanted) {
  std::unordered_map<std::string_view, const rules::ServicePortName*> owners;
  for (const auto& shard : wanted.shards()) {
    if (!shard) {
      continue;
    }
    for (const auto& service : *shard) {
      for (const auto& chain : service->chains) {
        if (!chain.id.name.view().starts_with("KUBE-SEP-")) {
          owners.emplace(chain.id.name.view(), &service->name);
        }
      }
    }
  }
  return owners;
}

}  // namespace

void TrafficSum::add(const rules::Ruleset& wanted, const std::vector<EntranceCount>& entrances) {
  const auto owner_of = owners(wanted);
  std::unordered_map<std::uint64_t, Counter> now;
  Traffic traffic;
  for (const auto& [chain, owner] : owner_of) {
    const auto known = traffic_.find(*owner);
    traffic.emplace(*owner, known == traffic_.end() ? Counter{} : known->second);
  }
  for (const EntranceCount& entrance : entrances) {
    const auto owner = owner_of.find(entrance.chain.view());
    if (owner == owner_of.end() || !now.emplace(entrance.rule, entrance.counter).second) {
      continue;  // nobody's, or the same rule twice, of which the second is never reached
    }
    const auto before = last_.find(entrance.rule);
    const bool goes_on =
        before != last_.end() && before->second.packets <= entrance.counter.packets;
    Counter& sum = traffic[*owner->second];
    sum.packets += entrance.counter.packets - (goes_on ? before->second.packets : 0);
    sum.bytes += entrance.counter.bytes - (goes_on ? before->second.bytes : 0);
  }
  last_ = std::move(now);
  traffic_ = std::move(traffic);
}

std::shared_ptr<const Traffic> TrafficMeter::traffic(rules::Family family,
                                                     const rules::Ruleset& wanted,
                                                     Clock::time_point now) {
  OfFamily& state = families_[family];
  if (now >= state.next_look) {
    const auto start = Clock::now();
    look(family, wanted, state);
    const auto took = Clock::now() - start;
    state.next_look = now + std::max<Clock::duration>(kMinAge, took * kLookingShare);
  }
  return state.known;
}

void TrafficMeter::look(rules::Family family, const rules::Ruleset& wanted, OfFamily& state) {
  try {
    const auto entrances = read_(family);
    if (!entrances) {
      state = {};
      return;
    }
    state.sum.add(wanted, *entrances);
    state.known = std::make_shared<const Traffic>(state.sum.traffic());
  } catch (const std::exception& error) {
    log_warning("Cannot read the counters of rules",
                {{"family", to_string(family)}, {"error", error.what()}});
  }
}

TrafficWatch::TrafficWatch(TrafficMeter::Read read)
    : meter_(std::move(read)), thread_([this](const std::stop_token& stop) { run(stop); }) {}

std::shared_ptr<const Traffic> TrafficWatch::traffic(rules::Family family,
                                                     const rules::Ruleset& wanted) {
  const k8sclient::MutexLock lock(mutex_);
  wanted_[family] = wanted;
  asked_.notify_one();
  return known_[family];
}

/// Nothing if that failed in a way that the meter does not know: no exception ends the process.
std::optional<std::shared_ptr<const Traffic>> TrafficWatch::look(rules::Family family,
                                                                 const rules::Ruleset& wanted) {
  try {
    return meter_.traffic(family, wanted, TrafficMeter::Clock::now());
  } catch (...) {
    log_warning("Looking at the counters of rules failed", {{"family", to_string(family)}});
    return std::nullopt;
  }
}

void TrafficWatch::run(const std::stop_token& stop) {
  const auto is_asked = [this]() REQUIRES(mutex_) {
    return wanted_[rules::Family::kIpv4].has_value() || wanted_[rules::Family::kIpv6].has_value();
  };
  k8sclient::MutexLock lock(mutex_);
  while (asked_.wait(lock, stop, is_asked)) {
    for (const rules::Family family : kFamilies) {
      if (const auto wanted = std::exchange(wanted_[family], std::nullopt)) {
        lock.unlock();
        auto found = look(family, *wanted);
        lock.lock();
        if (found) {
          known_[family] = *std::move(found);
        }
      }
    }
  }
}

}  // namespace proxy
