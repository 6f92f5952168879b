#include "k8sclient/watch/answers.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include <fmt/format.h>

namespace k8sclient {

bool is_gone(const ApiError& error) {
  constexpr int kGone = 410;
  return error.status() == kGone || error.reason() == "Expired" || error.reason() == "Gone";
}

bool refuses_streaming(const ApiError& error) {
  return error.status() == 400 || error.status() == 422;
}

bool refuses_field_selector(const ApiError& error) {
  return std::string_view(error.what()).find("field label not supported") != std::string_view::npos;
}

bool is_before(std::string_view left, std::string_view right) {
  const auto is_number = [](std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  };
  return is_number(left) && is_number(right) &&
         (left.size() != right.size() ? left.size() < right.size() : left < right);
}

void throw_status(const Query& query, const ApiStatus& status) {
  std::optional<std::chrono::seconds> wait;
  if (status.retry_after_seconds) {
    wait = std::chrono::seconds(*status.retry_after_seconds);
  }
  throw ApiError(
      fmt::format(
          "watch of {}: {} {}: {}", query.resource, status.code, status.reason, status.message),
      status.code,
      status.reason,
      wait);
}

}  // namespace k8sclient
