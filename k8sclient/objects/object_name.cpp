#include "k8sclient/objects/object_name.h"

#include <algorithm>

namespace k8sclient {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}

bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}

bool is_lower_alphanumeric(char c) {
  return is_lower(c) || is_digit(c);
}

bool is_alphanumeric(char c) {
  return is_lower_alphanumeric(c) || is_upper(c);
}

// Of any length above zero.
bool is_label(std::string_view text) {
  return !text.empty() && is_lower_alphanumeric(text.front()) &&
         is_lower_alphanumeric(text.back()) && std::all_of(text.begin(), text.end(), [](char c) {
           return is_lower_alphanumeric(c) || c == '-';
         });
}

}  // namespace

bool is_dns_label(std::string_view text) {
  return text.size() <= 63 && is_label(text);
}

bool is_dns_subdomain(std::string_view text) {
  if (text.size() > 253) {
    return false;
  }
  while (true) {
    const std::size_t dot = text.find('.');
    if (!is_label(text.substr(0, dot))) {
      return false;
    }
    if (dot == std::string_view::npos) {
      return true;
    }
    text.remove_prefix(dot + 1);
  }
}

bool is_label_value(std::string_view text) {
  return text.empty() ||
         (text.size() <= 63 && is_alphanumeric(text.front()) && is_alphanumeric(text.back()) &&
          std::all_of(text.begin(), text.end(), [](char c) {
            return is_alphanumeric(c) || c == '-' || c == '_' || c == '.';
          }));
}

}  // namespace k8sclient
