#include "k8sclient/objects/yaml.h"

#include <charconv>
#include <optional>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "k8sclient/objects/utf8.h"

namespace k8sclient {
namespace {

constexpr std::string_view kCoreTag = "tag:yaml.org,2002:";

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string without_underscores(std::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (c != '_') {
      digits += c;
    }
  }
  return digits;
}

std::optional<std::int64_t> resolve_integer(std::string_view plain) {
  const std::string text = without_underscores(plain);
  std::string_view digits = text;
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) {
    digits.remove_prefix(1);
  }
  int base = 10;
  if (digits.size() > 1 && digits[0] == '0') {
    const char kind = digits[1];
    base = kind == 'x' || kind == 'X' ? 16 : kind == 'b' || kind == 'B' ? 2 : 8;
    digits.remove_prefix(base != 8 || kind == 'o' || kind == 'O' ? 2 : 1);
  }
  if (digits.empty() || digits.front() == '-' || digits.front() == '+') {
    return std::nullopt;
  }
  const std::string magnitude = negative ? fmt::format("-{}", digits) : std::string(digits);
  std::int64_t value = 0;
  const char* end = magnitude.data() + magnitude.size();
  const auto [stop, error] = std::from_chars(magnitude.data(), end, value, base);
  return error == std::errc() && stop == end ? std::optional(value) : std::nullopt;
}

// Decimal numbers only: "1.5", ".5", "2.", "1e3", and integers beyond 64 bits.
std::optional<double> resolve_number(std::string_view plain) {
  const std::string text = without_underscores(plain);
  std::string_view digits = text;
  const bool has_plus = digits.starts_with('+');
  if (has_plus) {
    digits.remove_prefix(1);
  }
  const std::size_t first = !has_plus && digits.starts_with('-') ? 1 : 0;
  const bool starts_like_one =
      digits.size() > first &&
      (is_digit(digits[first]) ||
       (digits[first] == '.' && digits.size() > first + 1 && is_digit(digits[first + 1])));
  if (!starts_like_one) {
    return std::nullopt;
  }
  double value = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value);
  return error == std::errc() && stop == end ? std::optional(value) : std::nullopt;
}

std::optional<bool> resolve_boolean(std::string_view plain) {
  for (const std::string_view yes :
       {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"}) {
    if (plain == yes) {
      return true;
    }
  }
  for (const std::string_view no :
       {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"}) {
    if (plain == no) {
      return false;
    }
  }
  return std::nullopt;
}

YamlNode::Value resolve(const std::string& plain) {
  if (plain.empty() || plain == "~" || plain == "null" || plain == "Null" || plain == "NULL") {
    return {};
  }
  if (const auto boolean = resolve_boolean(plain)) {
    return *boolean;
  }
  if (const auto integer = resolve_integer(plain)) {
    return *integer;
  }
  if (const auto number = resolve_number(plain)) {
    return *number;
  }
  return plain;
}

/// Builds documents from the parser's events. Refusals are thrown as YamlError through the parser,
/// which sends the start of a collection before it descends into it: the depth limit holds for its
/// own recursion, too.
class Builder final : public YAML::EventHandler {
 public:
  explicit Builder(int depth_limit) : depth_limit_(depth_limit) {}

  std::vector<YamlNode> take() { return std::move(documents_); }

  /// At a token that can start no node, the parser makes one empty document after another.
  void OnDocumentStart(const YAML::Mark& mark) override {
    if (mark.pos == document_start_) {
      throw YamlError(line_of(mark), "unexpected character");
    }
    document_start_ = mark.pos;
  }

  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    scalar(mark, {}, "null");
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override {
    throw YamlError(line_of(mark), "aliases are not accepted");
  }

  void OnScalar(const YAML::Mark& mark,
                const std::string& tag,
                YAML::anchor_t anchor,
                const std::string& text) override {
    refuse_anchor(mark, anchor);
    const bool is_core = tag.starts_with(kCoreTag);
    if (tag == "!" || (is_core && tag.substr(kCoreTag.size()) == "str")) {
      scalar(mark, text, text);
    } else if (tag.empty() || tag == "?" || is_core) {
      if (text == "<<" && awaits_key()) {
        throw YamlError(line_of(mark), "merge keys are not accepted");
      }
      scalar(mark, resolve(text), text);
    } else {
      refuse_tag(mark, tag);
    }
  }

  void OnSequenceStart(const YAML::Mark& mark,
                       const std::string& tag,
                       YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    open(mark, tag, anchor, YamlNode::Sequence());
  }

  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark,
                  const std::string& tag,
                  YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    open(mark, tag, anchor, YamlNode::Mapping());
  }

  void OnMapEnd() override { close(); }

 private:
  struct Open {
    YamlNode node;
    std::optional<std::pair<std::string, int>> key;  // read, its value not yet
  };

  static int line_of(const YAML::Mark& mark) { return mark.line + 1; }

  static void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) {
      throw YamlError(line_of(mark), "anchors are not accepted");
    }
  }

  [[noreturn]] static void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    throw YamlError(line_of(mark), fmt::format("tag {} is not accepted", tag));
  }

  bool awaits_key() const {
    return !open_.empty() && std::holds_alternative<YamlNode::Mapping>(open_.back().node.value) &&
           !open_.back().key;
  }

  void scalar(const YAML::Mark& mark, YamlNode::Value value, const std::string& text) {
    if (awaits_key()) {
      open_.back().key = {text, line_of(mark)};
    } else {
      attach({std::move(value), line_of(mark)});
    }
  }

  void open(const YAML::Mark& mark,
            const std::string& tag,
            YAML::anchor_t anchor,
            YamlNode::Value empty) {
    refuse_anchor(mark, anchor);
    if (!tag.empty() && tag != "?" && tag != "!" && !tag.starts_with(kCoreTag)) {
      refuse_tag(mark, tag);
    }
    if (open_.size() >= static_cast<std::size_t>(depth_limit_)) {
      throw YamlError(line_of(mark), fmt::format("nested deeper than {} levels", depth_limit_));
    }
    if (awaits_key()) {
      throw YamlError(line_of(mark), "a key must be a string");
    }
    open_.push_back({{std::move(empty), line_of(mark)}, std::nullopt});
  }

  void close() {
    YamlNode node = std::move(open_.back().node);
    open_.pop_back();
    attach(std::move(node));
  }

  void attach(YamlNode node) {
    if (open_.empty()) {
      if (!std::holds_alternative<std::monostate>(node.value)) {
        documents_.push_back(std::move(node));
      }
      return;
    }
    Open& parent = open_.back();
    if (auto* sequence = std::get_if<YamlNode::Sequence>(&parent.node.value)) {
      sequence->push_back(std::move(node));
      return;
    }
    auto& [key, line] = *parent.key;
    std::get<YamlNode::Mapping>(parent.node.value)
        .push_back(YamlField{std::move(key), line, std::move(node)});
    parent.key.reset();
  }

  int depth_limit_;
  int document_start_ = -1;
  std::vector<Open> open_;
  std::vector<YamlNode> documents_;
};

void find_duplicates(const YamlNode& node,
                     const std::string& path,
                     std::vector<std::pair<int, std::string>>& found) {
  if (const auto* sequence = std::get_if<YamlNode::Sequence>(&node.value)) {
    for (std::size_t i = 0; i < sequence->size(); ++i) {
      find_duplicates((*sequence)[i], fmt::format("{}[{}]", path, i), found);
    }
  }
  if (const auto* mapping = std::get_if<YamlNode::Mapping>(&node.value)) {
    std::set<std::string_view> seen;
    for (const YamlField& field : *mapping) {
      const std::string field_path = path.empty() ? field.key : path + "." + field.key;
      if (!seen.insert(field.key).second) {
        found.emplace_back(field.line, field_path);
      }
      find_duplicates(field.value, field_path, found);
    }
  }
}

// The parser takes any bytes, and would hand them on to where only UTF-8 may be.
void require_utf8(std::string_view text) {
  if (is_utf8(text)) {
    return;
  }
  int line = 1;
  while (is_utf8(text.substr(0, text.find('\n')))) {  // a line end is part of no character
    text.remove_prefix(text.find('\n') + 1);
    ++line;
  }
  throw YamlError(line, "the text is not UTF-8");
}

}  // namespace

std::vector<YamlNode> parse_yaml(std::string_view text, const YamlLimits& limits) {
  if (text.size() > limits.bytes) {
    throw YamlError(1, fmt::format("larger than {} bytes", limits.bytes));
  }
  require_utf8(text);
  std::istringstream stream{std::string(text)};  // the parser reads nothing else
  Builder builder(limits.depth);
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    throw YamlError(error.mark.is_null() ? 1 : error.mark.line + 1, error.msg);
  }
  return builder.take();
}

std::string_view type_name(const YamlNode& node) {
  struct Namer {
    std::string_view operator()(std::monostate) const { return "null"; }

    std::string_view operator()(bool) const { return "a boolean"; }

    std::string_view operator()(std::int64_t) const { return "an integer"; }

    std::string_view operator()(double) const { return "a number"; }

    std::string_view operator()(const std::string&) const { return "a string"; }

    std::string_view operator()(const YamlNode::Sequence&) const { return "a list"; }

    std::string_view operator()(const YamlNode::Mapping&) const { return "an object"; }
  };

  return std::visit(Namer{}, node.value);
}

std::vector<std::pair<int, std::string>> duplicate_fields(const YamlNode& node) {
  std::vector<std::pair<int, std::string>> found;
  find_duplicates(node, "", found);
  return found;
}

}  // namespace k8sclient
