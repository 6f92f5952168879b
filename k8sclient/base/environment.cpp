#include "k8sclient/base/environment.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include <unistd.h>

namespace k8sclient {

namespace {

using Replaced = std::map<std::string, std::optional<std::string>, std::less<>>;

/// What was there before; nothing where there was no such variable.
Replaced& replaced() {
  static Replaced all;
  return all;
}

std::optional<std::string> current(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

}  // namespace

void set_for_libraries(const std::string& name, const std::string& value) {
  replaced().try_emplace(name, current(name));
  ::setenv(name.c_str(), value.c_str(), 1);
}

std::optional<std::string> inherited(const std::string& name) {
  const auto found = replaced().find(name);
  return found == replaced().end() ? current(name) : found->second;
}

std::map<std::string, std::string, std::less<>> inherited_environment() {
  std::map<std::string, std::string, std::less<>> result;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text(*variable);
    const std::size_t name_end = std::min(text.find('='), text.size());
    result.emplace(text.substr(0, name_end), text.substr(std::min(name_end + 1, text.size())));
  }
  for (const auto& [name, value] : replaced()) {
    if (value) {
      result[name] = *value;
    } else {
      result.erase(name);
    }
  }
  return result;
}

}  // namespace k8sclient
