#include "test/support/random_json.h"

#include <set>

#include <fmt/format.h>

#include "test/support/proto_layout.h"

namespace test {

namespace {

std::string message_json(const ApiMessage& message, Random& random);

// As it stands in JSON.
std::string text_json(std::string_view field, Random& random) {
  if (field == "name" || field == "namespace") {
    return fmt::format("\"n-{}\"", random.below(1000));
  }
  if (random.chance(1)) {
    return R"("bell\u0007")";  // control characters are refused
  }
  return random.one_of({"\"a\"",
                        "\"None\"",
                        "\"10.0.0.1\"",
                        "\"fd00::1\"",
                        "\"IPv4\"",
                        "\"Local\"",
                        "\"UDP\"",
                        R"("\u00fc\u4e16\ud83d\ude00")",
                        R"("two words, \"quoted\"")"});
}

std::string map_json(Random& random) {
  std::set<std::string> keys;
  std::string entries;
  for (std::size_t i = random.below(4); i > 0; --i) {
    const std::string key = random.one_of({"app",
                                           "service.kubernetes.io/service-proxy-name",
                                           "service.kubernetes.io/headless",
                                           "kubernetes.io/service-name",
                                           "topology.kubernetes.io/zone",
                                           "endpoints.kubernetes.io/last-change-trigger-time"});
    if (keys.insert(key).second) {
      const char* value = random.one_of({"\"\"", "\"web-1\"", "\"Zone_B.2\"", "\"no label\""});
      entries += fmt::format("{}\"{}\":{}", entries.empty() ? "" : ",", key, value);
    }
  }
  return "{" + entries + "}";
}

std::string integer_json(Random& random) {
  return std::to_string(random.chance(2) ? random.one_of({-1, 70000, 2147483647})
                                         : random.one_of({1, 80, 8080, 30080, 65535}));
}

std::string value_json(const ApiField& field, Random& random) {
  switch (field.kind) {
    case FieldKind::kText:
      return text_json(field.name, random);
    case FieldKind::kInteger:
      return integer_json(random);
    case FieldKind::kBoolean:
      return field.shape == ApiField::kPointer && random.chance(50) ? "false" : "true";
    case FieldKind::kMessage:
      return message_json(api_messages().at(field.message), random);
    case FieldKind::kTextMap:
      return map_json(random);
    case FieldKind::kTime:
      return R"("2024-05-01T10:00:00Z")";
    case FieldKind::kIntOrString:
      return random.chance(50) ? integer_json(random) : R"("http")";
    case FieldKind::kRawJson:
      return R"({"f:spec":{".":{}}})";
  }
  return {};
}

std::string list_json(const ApiField& field, Random& random) {
  std::string items;
  for (std::size_t i = random.below(4); i > 0; --i) {
    items += (items.empty() ? "" : ",") + value_json(field, random);
  }
  return "[" + items + "]";
}

std::string message_json(const ApiMessage& message, Random& random) {
  std::string members;
  const auto add = [&](std::string_view key, std::string_view value) {
    members += fmt::format("{}\"{}\":{}", members.empty() ? "" : ",", key, value);
  };
  const bool is_metadata = &message == &api_messages().at("ObjectMeta");
  for (const ApiField& field : message) {
    const std::string_view name = field.name;
    const bool is_needed = name == "metadata" || (is_metadata && name == "name");
    if (!is_needed && random.chance(30)) {
      continue;
    }
    if (field.shape == ApiField::kPointer && random.chance(5)) {
      add(field.name, "null");
    } else if (field.shape == ApiField::kPointer && field.kind == FieldKind::kText &&
               random.chance(10)) {
      add(field.name, "\"\"");  // which is not the same as nothing
    } else {
      add(field.name,
          field.shape == ApiField::kList ? list_json(field, random) : value_json(field, random));
    }
  }
  if (random.chance(10)) {
    add(kFutureField, random.one_of({"\"later\"", "7", R"({"when":"later"})"}));
  }
  return "{" + members + "}";
}

}  // namespace

std::string random_object_json(std::string_view kind, Random& random) {
  const std::string object = message_json(api_messages().find(kind)->second, random);
  return fmt::format(R"({{"kind":"{}",{})", kind, std::string_view(object).substr(1));
}

}  // namespace test
