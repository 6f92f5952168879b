#include "proxy/text/json.h"

#include <cmath>

#include <fmt/format.h>

namespace proxy {

std::string to_json(std::string_view text) {
  std::string out;
  k8sclient::append_json_string(out, text);
  return out;
}

JsonObject& JsonObject::number(std::string_view key, const std::optional<double>& value) {
  return raw(key, value && std::isfinite(*value) ? fmt::format("{:.12g}", *value) : "null");
}

JsonObject& JsonObject::raw(std::string_view key, std::string_view value) {
  text_ += empty() ? "" : ",";
  k8sclient::append_json_string(text_, key);
  text_ += ':';
  text_ += value;
  return *this;
}

}  // namespace proxy
