#pragma once

#include <string>
#include <thread>

#include "k8sclient/reflector.h"
#include "test/support/cache.h"
#include "test/support/fake_api.h"

namespace test {

/// Waits, but not for ever, until a condition holds that nothing announces.
template <typename Condition>
bool eventually(Condition condition) {
  const auto give_up_at = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > give_up_at) {
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

/// A reflector at work, in a thread of its own, with delays of milliseconds, and the cache that it
/// fills.
template <typename T>
class Follower {
 public:
  Follower(const std::string& url, k8sclient::Query query)
      : transport_(k8sclient::make_transport(
            {.url = url},
            "test",
            {.head = std::chrono::milliseconds(500), .silence = std::chrono::milliseconds(1000)})),
        reflector_(*transport_,
                   std::move(query),
                   [this](k8sclient::Event<T> event) { cache.apply(std::move(event)); },
                   {.first_delay = std::chrono::milliseconds(10),
                    .longest_delay = std::chrono::milliseconds(50)}),
        thread_([this](std::stop_token stop) { reflector_.run(std::move(stop)); }) {}

  k8sclient::WatchStatus status() const { return reflector_.status(); }

  Cache<T> cache;

 private:
  std::unique_ptr<k8sclient::Transport> transport_;
  k8sclient::Reflector<T> reflector_;
  std::jthread thread_;
};

}  // namespace test
