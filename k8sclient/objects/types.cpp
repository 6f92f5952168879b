#include "k8sclient/objects/types.h"

#include <algorithm>
#include <unordered_map>

#include "k8sclient/base/mutex.h"

namespace k8sclient {

namespace {

// Holds its strings; those that nobody else holds (nodes long gone) are swept each time it has
// doubled.
struct Pool {
  Mutex mutex;
  std::unordered_map<std::string_view, std::shared_ptr<const std::string>> strings;
  std::size_t sweep_at = 1024;

  // Buckets of one entry: each look-up costs a cache miss less, worth a tenth of a list's decoding.
  Pool() { strings.max_load_factor(0.25F); }
};

Pool& pool() {
  static Pool instance;
  return instance;
}

}  // namespace

std::string to_string(const ObjectName& name) {
  return name.name_space.empty() ? name.name : name.name_space + "/" + name.name;
}

SharedString SharedString::intern(std::string_view text) {
  SharedString result;
  if (text.empty()) {
    return result;
  }
  auto& [mutex, strings, sweep_at] = pool();
  const MutexLock lock(mutex);
  if (const auto found = strings.find(text); found != strings.end()) {
    result.text_ = found->second;
    return result;
  }
  if (strings.size() >= sweep_at) {
    std::erase_if(strings, [](const auto& entry) { return entry.second.use_count() == 1; });
    sweep_at = std::max<std::size_t>(1024, strings.size() * 2);
  }
  result.text_ = std::make_shared<const std::string>(text);
  strings.emplace(*result.text_, result.text_);
  return result;
}

}  // namespace k8sclient
