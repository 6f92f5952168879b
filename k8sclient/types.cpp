#include "k8sclient/types.h"

#include <algorithm>
#include <mutex>
#include <unordered_set>

namespace k8sclient {

namespace {

// Look-ups by view, without making a string.
struct PoolHash {
  using is_transparent = void;

  std::size_t operator()(std::string_view key) const { return std::hash<std::string_view>{}(key); }

  std::size_t operator()(const std::shared_ptr<const std::string>& key) const {
    return (*this)(*key);
  }
};

struct PoolEqual {
  using is_transparent = void;

  static std::string_view view(std::string_view key) { return key; }

  static std::string_view view(const std::shared_ptr<const std::string>& key) { return *key; }

  bool operator()(const auto& left, const auto& right) const { return view(left) == view(right); }
};

}  // namespace

std::string to_string(const ObjectName& name) {
  return name.name_space.empty() ? name.name : name.name_space + "/" + name.name;
}

SharedString SharedString::intern(std::string_view text) {
  // The pool holds its strings; those that nobody else holds (nodes long gone) are swept each time
  // it has doubled.
  static std::mutex mutex;
  static std::unordered_set<std::shared_ptr<const std::string>, PoolHash, PoolEqual> pool;
  static std::size_t sweep_at = 1024;

  SharedString result;
  if (text.empty()) {
    return result;
  }
  const std::lock_guard lock(mutex);
  if (const auto found = pool.find(text); found != pool.end()) {
    result.text_ = *found;
    return result;
  }
  if (pool.size() >= sweep_at) {
    std::erase_if(pool, [](const auto& entry) { return entry.use_count() == 1; });
    sweep_at = std::max<std::size_t>(1024, pool.size() * 2);
  }
  result.text_ = *pool.insert(std::make_shared<const std::string>(text)).first;
  return result;
}

}  // namespace k8sclient
