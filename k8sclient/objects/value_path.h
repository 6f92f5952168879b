#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace k8sclient {

/// Where a value stands in its document. Refers to the place of its parent, which is on the stack
/// of whoever reads: hand it down, never keep it. Private to this folder.
class ValuePath {
 public:
  /// The root.
  ValuePath() = default;

  ValuePath(const ValuePath& parent, std::string_view key) : parent_(&parent), key_(key) {}

  ValuePath(const ValuePath& parent, std::int64_t index) : parent_(&parent), index_(index) {}

  /// Such as `metadata.labels["a.b/c"]` or `spec.ports[0]`; empty for the root.
  std::string text() const;

 private:
  static constexpr std::int64_t kNoIndex = -1;

  const ValuePath* parent_ = nullptr;
  std::string_view key_;
  std::int64_t index_ = kNoIndex;
};

/// Whether text would break lines of logs and rules.
bool has_control_characters(std::string_view text);

}  // namespace k8sclient
