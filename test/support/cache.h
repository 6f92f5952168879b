#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <type_traits>
#include <utility>
#include <variant>

#include "k8sclient/objects/types.h"

namespace test {

/// What a reflector's sink should hold. Thread-safe.
template <typename T>
class Cache {
 public:
  using Objects = std::map<k8sclient::ObjectName, T>;

  void apply(k8sclient::Event<T> event) {
    const std::lock_guard lock(mutex_);
    if (auto* listed = std::get_if<k8sclient::Listed<T>>(&event)) {
      objects_.clear();
      for (T& object : listed->objects) {
        auto name = object.name;
        objects_.insert_or_assign(std::move(name), std::move(object));
      }
      ++lists_;
    } else if (auto* changed = std::get_if<k8sclient::Changed<T>>(&event)) {
      auto name = changed->object.name;
      objects_.insert_or_assign(std::move(name), std::move(changed->object));
    } else {
      objects_.erase(std::get<k8sclient::Deleted>(event).name);
    }
    changed_.notify_all();
  }

  /// Waits, but not for ever, until the condition holds of the objects.
  template <typename Condition>
  bool wait(Condition condition, std::chrono::seconds patience = std::chrono::seconds(20)) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [&] { return lists_ > 0 && condition(objects_); });
  }

  Objects objects() const {
    const std::lock_guard lock(mutex_);
    return objects_;
  }

  /// How many lists came.
  int lists() const {
    const std::lock_guard lock(mutex_);
    return lists_;
  }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  Objects objects_;
  int lists_ = 0;
};

}  // namespace test
