#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "k8sclient/watch/reflector.h"
#include "k8sclient/watch/transport.h"
#include "test/support/cache.h"

namespace test {

/// How a Follower differs from the program: by delays of milliseconds.
struct Pace {
  k8sclient::TransportLimits limits{.head = std::chrono::milliseconds(500),
                                    .silence = std::chrono::milliseconds(1000)};
  k8sclient::ReflectorSettings settings{
      .delays = {.first = std::chrono::milliseconds(10), .longest = std::chrono::milliseconds(50)}};
};

/// A reflector at work, in a thread of its own, and the cache that it fills.
template <typename T>
class Follower {
 public:
  Follower(k8sclient::ApiServer server, k8sclient::Query query, const Pace& pace = {})
      : transport_(k8sclient::make_transport(std::move(server), "test", pace.limits)),
        reflector_(
            *transport_,
            std::move(query),
            [this](k8sclient::Event<T> event) { cache.apply(std::move(event)); },
            pace.settings),
        thread_([this](std::stop_token stop) { reflector_.run(std::move(stop)); }) {}

  Follower(const std::string& url, k8sclient::Query query)
      : Follower(k8sclient::ApiServer{.url = url}, std::move(query)) {}

  k8sclient::WatchStatus status() const { return reflector_.status(); }

  Cache<T> cache;

 private:
  std::unique_ptr<k8sclient::Transport> transport_;
  k8sclient::Reflector<T> reflector_;
  std::jthread thread_;
};

}  // namespace test
