#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

// Which fields an API server writes into the objects that we ask for, and under which number in
// protobuf. Has also those that nobody here reads, and knows nothing of the reader.

namespace test {

enum class FieldKind {
  kText,
  kInteger,
  kBoolean,
  kMessage,
  kTextMap,
  kTime,
  kIntOrString,
  kRawJson
};

struct ApiField {
  std::uint32_t number;
  const char* name;
  FieldKind kind = FieldKind::kText;
  const char* message = nullptr;

  enum { kPlain, kPointer, kList } shape = kPlain;
};

/// In the order of the numbers.
using ApiMessage = std::vector<ApiField>;

/// By their names in k8s.io/apimachinery/pkg/apis/meta/v1/generated.proto and
/// k8s.io/api/{core,discovery}/v1.
const std::map<std::string, ApiMessage, std::less<>>& api_messages();

/// A key of JSON that stands for a field of an API server to come: written into protobuf wherever
/// it occurs, under a number that is not in the layout.
inline constexpr const char* kFutureField = "fieldToCome";

}  // namespace test
