#include <algorithm>

#include <fmt/format.h>

#include "k8sclient/objects/json_text.h"
#include "k8sclient/objects/yaml.h"

namespace k8sclient {
namespace {

// Only words that every reader takes for strings stay without quotes.
void append_yaml_string(std::string& out, const std::string& text) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto is_safe = [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '.' || c == '/' || c == '-' || c == '_';
  };
  constexpr std::string_view kReserved[] = {
      "true", "false", "yes", "no", "on", "off", "null", "y", "n"};
  std::string lower = text;
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  const bool plain = !text.empty() && is_letter(text.front()) &&
                     std::ranges::all_of(text, is_safe) &&
                     std::ranges::find(kReserved, lower) == std::end(kReserved);
  if (plain) {
    out += text;
  } else {
    append_json_string(out, text);
  }
}

struct ScalarText {
  std::string& out;

  void operator()(std::monostate) const { out += "null"; }

  void operator()(bool value) const { out += value ? "true" : "false"; }

  void operator()(std::int64_t value) const { out += fmt::format("{}", value); }

  void operator()(double value) const { out += fmt::format("{}", value); }
};

struct JsonText : ScalarText {
  using ScalarText::operator();

  void operator()(const std::string& text) const { append_json_string(out, text); }

  void operator()(const YamlNode::Sequence& items) const {
    out += '[';
    const char* separator = "";
    for (const YamlNode& item : items) {
      out += separator;
      std::visit(*this, item.value);
      separator = ",";
    }
    out += ']';
  }

  void operator()(const YamlNode::Mapping& fields) const {
    out += '{';
    const char* separator = "";
    for (const YamlField& field : fields) {
      out += separator;
      append_json_string(out, field.key);
      out += ':';
      std::visit(*this, field.value.value);
      separator = ",";
    }
    out += '}';
  }
};

/// Writes what follows "key:" or "-": scalars and empty collections on the same line, the rest on
/// lines of their own.
struct YamlText : ScalarText {
  int indent = 0;

  using ScalarText::operator();

  void line_start() const {
    out += '\n';
    out.append(static_cast<std::size_t>(indent), ' ');
  }

  void operator()(const std::string& text) const { append_yaml_string(out, text); }

  void operator()(const YamlNode::Sequence& items) const {
    if (items.empty()) {
      out += "[]";
      return;
    }
    for (const YamlNode& item : items) {
      line_start();
      out += "- ";
      std::visit(YamlText{{out}, indent + 2}, item.value);
    }
  }

  void operator()(const YamlNode::Mapping& fields) const {
    if (fields.empty()) {
      out += "{}";
      return;
    }
    for (const YamlField& field : fields) {
      line_start();
      append_yaml_string(out, field.key);
      out += ": ";
      std::visit(YamlText{{out}, indent + 2}, field.value.value);
    }
  }
};

}  // namespace

std::string to_json(const YamlNode& node) {
  std::string out;
  std::visit(JsonText{{out}}, node.value);
  return out;
}

std::string to_yaml(const YamlNode& node) {
  std::string out;
  std::visit(YamlText{{out}, 0}, node.value);
  if (out.starts_with('\n')) {
    out.erase(0, 1);
  }
  // A key whose value is on lines of its own leaves a space behind its colon.
  for (std::size_t at = out.find(" \n"); at != std::string::npos; at = out.find(" \n", at)) {
    out.erase(at, 1);
  }
  return out + '\n';
}

const YamlNode* find_field(const YamlNode* node, std::string_view name) {
  const auto* fields = node == nullptr ? nullptr : std::get_if<YamlNode::Mapping>(&node->value);
  if (fields == nullptr) {
    return nullptr;
  }
  const auto found = std::ranges::find(*fields, name, &YamlField::key);
  return found == fields->end() ? nullptr : &found->value;
}

}  // namespace k8sclient
