#include "k8sclient/objects/decode_error.h"

#include <utility>

#include <fmt/format.h>

namespace k8sclient {

namespace {

std::string describe(std::string_view kind,
                     const ObjectName& object,
                     std::string_view path,
                     std::string_view reason) {
  std::string text(kind);
  if (!object.name.empty()) {
    text += " " + to_string(object);
  }
  text += ": ";
  if (!path.empty()) {
    text += fmt::format("{}: ", path);
  }
  return text.append(reason);
}

}  // namespace

DecodeError::DecodeError(std::string_view kind,
                         ObjectName object,
                         std::string path,
                         std::string reason)
    : std::runtime_error(describe(kind, object, path, reason)),
      kind_(kind),
      object_(std::move(object)),
      path_(std::move(path)),
      reason_(std::move(reason)) {}

}  // namespace k8sclient
