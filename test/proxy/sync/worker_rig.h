#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "proxy/sync/worker.h"
#include "test/support/fake_kernel.h"

namespace test {

inline k8sclient::Service http_service(const std::string& name, const std::string& cluster_ip) {
  return {.name = {"default", name},
          .cluster_ip = cluster_ip,
          .cluster_ips = {cluster_ip},
          .ports = {{.name = "http", .port = 80}}};
}

/// A worker on a fake kernel, and a way to wait for what it does.
class WorkerRig {
 public:
  WorkerRig() : store({.node_name = "node"}, proxy::Store::Time::clock::now()) {}

  WorkerRig(const WorkerRig&) = delete;
  WorkerRig& operator=(const WorkerRig&) = delete;

  ~WorkerRig() { stop(); }

  void stop() {
    thread_.request_stop();
    thread_ = {};
  }

  void list(std::vector<k8sclient::Service> services) {
    store.apply(k8sclient::Event<k8sclient::Node>(k8sclient::Listed<k8sclient::Node>{}));
    store.apply(
        k8sclient::Event<k8sclient::EndpointSlice>(k8sclient::Listed<k8sclient::EndpointSlice>{}));
    store.apply(k8sclient::Event<k8sclient::Service>(
        k8sclient::Listed<k8sclient::Service>{std::move(services)}));
  }

  void change(k8sclient::Service service) {
    store.apply(k8sclient::Event<k8sclient::Service>(
        k8sclient::Changed<k8sclient::Service>{std::move(service)}));
  }

  void start() {
    thread_ = std::jthread([this](std::stop_token stop) {
      proxy::Worker worker(rules::Family::kIpv4,
                           {.store = store,
                            .backend = kernel,
                            .current_context =
                                [this](const proxy::Store::Update&, bool large) {
                                  if (failing_contexts > 0) {
                                    --failing_contexts;
                                    throw std::runtime_error("no addresses");
                                  }
                                  return rules::Context{.large_cluster = large};
                                },
                            .follower = [this](const proxy::FamilyEvent& event) { follow(event); },
                            .foreign_changes = foreign_changes_},
                           {.min_sync = min_sync, .sync = sync_period});
      if (reads_ahead) {
        worker.read_ahead();
        is_ahead = true;
      }
      worker.run(stop);
    });
  }

  /// Lists Service "a", starts, and waits for the first sync; false as await_syncs().
  bool serves_a() {
    list({http_service("a", "10.96.0.1")});
    start();
    return await_syncs(1);
  }

  /// Waits until the n-th sync; false after ten seconds.
  bool await_syncs(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(
        lock, std::chrono::seconds(10), [&] { return reports_.size() >= count; });
  }

  proxy::SyncReport report(std::size_t number) {
    const std::lock_guard lock(mutex_);
    return reports_.at(number);
  }

  bool rules_were_away(std::size_t number) {
    const std::lock_guard lock(mutex_);
    return away_.at(number);
  }

  /// The action tells what is announced of it.
  void meddle_with(std::function<proxy::ChangedChains(FakeKernel&)> action) {
    meddle_silently(std::move(action));
    if (announces) {
      announcement_.wake();
    }
  }

  /// It is not announced.
  void meddle_silently(std::function<proxy::ChangedChains(FakeKernel&)> action) {
    const std::lock_guard lock(mutex_);
    meddle_ = std::move(action);
  }

  proxy::Store store;
  FakeKernel kernel;
  std::atomic<int> drifts = 0;
  std::atomic<int> foreign_writes = 0;
  std::atomic<int> failing_contexts = 0;
  std::atomic<bool> next_news_fails = false;
  std::atomic<bool> is_ahead = false;
  std::atomic<int> rechecks = 0;
  // To be set before the start:
  bool follower_fails = false;
  bool reads_ahead = false;
  bool announces = false;  // others, by a descriptor; else they have to be asked for
  std::chrono::nanoseconds min_sync{0};
  std::chrono::nanoseconds sync_period = std::chrono::hours(1);
  bool vouches = false;  // the kernel, when it is asked whether anything escaped

 private:
  void follow(const proxy::FamilyEvent& event) {
    if (std::holds_alternative<proxy::SyncQueued>(event) && next_news_fails.exchange(false)) {
      throw std::runtime_error("no memory");
    }
    if (std::holds_alternative<proxy::DriftFound>(event)) {
      ++drifts;
    }
    if (std::holds_alternative<proxy::ForeignWriteSeen>(event)) {
      ++foreign_writes;
    }
    if (const auto* record = std::get_if<proxy::SyncRecord>(&event)) {
      note(record->report, record->rules_were_away);
      if (follower_fails) {
        throw std::runtime_error("too many open files");
      }
    }
  }

  void note(const proxy::SyncReport& report, bool rules_were_away) {
    const std::lock_guard lock(mutex_);
    reports_.push_back(report);
    away_.push_back(rules_were_away);
    changed_.notify_all();
  }

  /// What the action says of itself, once.
  class Announcements : public proxy::TableWatch {
   public:
    explicit Announcements(WorkerRig& rig) : rig_(rig) {}

    proxy::ChangedChains changes() override {
      rig_.announcement_.take();
      const std::lock_guard lock(rig_.mutex_);
      return rig_.meddle_ ? std::exchange(rig_.meddle_, nullptr)(rig_.kernel)
                          : proxy::ChangedChains{};
    }

    proxy::ChangedChains changes_of_others() override { return {}; }

    proxy::ChangedChains recheck() override {
      ++rig_.rechecks;
      proxy::ChangedChains changed = changes();
      changed.add({.all = !rig_.vouches, .chains = {}});
      return changed;
    }

    int descriptor() const override {
      return rig_.announces ? rig_.announcement_.descriptor() : -1;
    }

    bool announces_all() const override { return rig_.announces; }

   private:
    WorkerRig& rig_;
  };

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<proxy::SyncReport> reports_;
  std::vector<bool> away_;
  proxy::Waker announcement_;
  std::function<proxy::ChangedChains(FakeKernel&)>
      meddle_;  // runs once on the worker's thread, as if by another hand
  proxy::ForeignChanges foreign_changes_{rules::Family::kIpv4,
                                         std::make_unique<Announcements>(*this)};
  std::jthread thread_;
};

}  // namespace test
