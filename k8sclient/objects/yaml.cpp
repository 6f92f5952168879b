#include "k8sclient/objects/yaml.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "k8sclient/objects/utf8.h"
#include "k8sclient/objects/yaml_scalar.h"

namespace k8sclient {
namespace {

constexpr std::string_view kCoreTag = "tag:yaml.org,2002:";

// Roughly what the node takes in memory; counted no further than `enough`.
std::size_t size_of(const YamlNode& node, std::size_t enough) {
  std::size_t size = sizeof(YamlField);
  if (const auto* text = std::get_if<std::string>(&node.value)) {
    size += text->size();
  }
  if (const auto* items = std::get_if<YamlNode::Sequence>(&node.value)) {
    for (auto item = items->begin(); item != items->end() && size <= enough; ++item) {
      size += size_of(*item, enough);
    }
  }
  if (const auto* fields = std::get_if<YamlNode::Mapping>(&node.value)) {
    for (auto field = fields->begin(); field != fields->end() && size <= enough; ++field) {
      size += field->key.size() + size_of(field->value, enough);
    }
  }
  return size;
}

// Of lists and objects, one in the other.
std::size_t depth_of(const YamlNode& node) {
  std::size_t depth = 0;
  if (const auto* items = std::get_if<YamlNode::Sequence>(&node.value)) {
    for (const YamlNode& item : *items) {
      depth = std::max(depth, depth_of(item));
    }
    return depth + 1;
  }
  if (const auto* fields = std::get_if<YamlNode::Mapping>(&node.value)) {
    for (const YamlField& field : *fields) {
      depth = std::max(depth, depth_of(field.value));
    }
    return depth + 1;
  }
  return depth;
}

/// Builds documents from the parser's events. Refusals are thrown as YamlError through the parser,
/// which sends the start of a collection before it descends into it: the depth limit holds for its
/// own recursion, too.
class Builder final : public YAML::EventHandler {
 public:
  explicit Builder(const YamlLimits& limits)
      : depth_limit_(limits.depth), repeated_left_(limits.repeated_bytes) {}

  std::vector<YamlNode> take() { return std::move(documents_); }

  /// At a token that can start no node, the parser makes one empty document after another.
  void OnDocumentStart(const YAML::Mark& mark) override {
    if (mark.pos == document_start_) {
      throw YamlError(line_of(mark), "unexpected character");
    }
    document_start_ = mark.pos;
    anchored_.clear();
  }

  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    scalar(mark, anchor, {}, "null");
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchored_.find(anchor);
    if (found == anchored_.end()) {
      throw YamlError(line_of(mark), "an alias stands inside of what it means");
    }
    const auto& [node, text] = found->second;
    if (awaits_key()) {
      if (!text) {
        throw YamlError(line_of(mark), "a key must be a string");
      }
      open_.back().key = {*text, line_of(mark), false};
      return;
    }
    if (open_.size() + depth_of(node) > static_cast<std::size_t>(depth_limit_)) {
      throw YamlError(line_of(mark), fmt::format("nested deeper than {} levels", depth_limit_));
    }
    charge(mark, node);
    YamlNode copy = node;
    copy.line = line_of(mark);
    attach(std::move(copy));
  }

  void OnScalar(const YAML::Mark& mark,
                const std::string& tag,
                YAML::anchor_t anchor,
                const std::string& text) override {
    const bool is_core = tag.starts_with(kCoreTag);
    if (tag == "!" || (is_core && tag.substr(kCoreTag.size()) == "str")) {
      scalar(mark, anchor, text, text);
    } else if (tag.empty() || tag == "?" || is_core) {
      const bool is_merge = text == "<<" && awaits_key();
      scalar(mark, anchor, plain_scalar(text), text);
      if (is_merge) {
        open_.back().key->is_merge = true;
      }
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
  struct Key {
    std::string text;
    int line = 0;
    bool is_merge = false;  // "<<", not in quotes
  };

  struct Open {
    YamlNode node;
    YAML::anchor_t anchor = YAML::NullAnchor;
    std::optional<Key> key = std::nullopt;  // read, its value not yet
    // Where each field of a mapping with a merge key stands, and which came by it.
    std::map<std::string, std::size_t> places = {};
    std::set<std::string> merged = {};
  };

  struct Anchored {
    YamlNode node;
    std::optional<std::string> text;  // of a scalar, as it is written
  };

  static int line_of(const YAML::Mark& mark) { return mark.line + 1; }

  [[noreturn]] static void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    throw YamlError(line_of(mark), fmt::format("tag {} is not accepted", tag));
  }

  bool awaits_key() const {
    return !open_.empty() && std::holds_alternative<YamlNode::Mapping>(open_.back().node.value) &&
           !open_.back().key;
  }

  void charge(const YAML::Mark& mark, const YamlNode& node) {
    const std::size_t size = size_of(node, repeated_left_);
    if (size > repeated_left_) {
      throw YamlError(line_of(mark), "aliases repeat too much");
    }
    repeated_left_ -= size;
  }

  void remember(const YAML::Mark& mark,
                YAML::anchor_t anchor,
                const YamlNode& node,
                std::optional<std::string> text) {
    if (anchor != YAML::NullAnchor) {
      charge(mark, node);
      anchored_[anchor] = {node, std::move(text)};
    }
  }

  void scalar(const YAML::Mark& mark,
              YAML::anchor_t anchor,
              YamlNode::Value value,
              const std::string& text) {
    YamlNode node{std::move(value), line_of(mark)};
    remember(mark, anchor, node, text);
    if (awaits_key()) {
      open_.back().key = {text, line_of(mark), false};
    } else {
      attach(std::move(node));
    }
  }

  void open(const YAML::Mark& mark,
            const std::string& tag,
            YAML::anchor_t anchor,
            YamlNode::Value empty) {
    if (!tag.empty() && tag != "?" && tag != "!" && !tag.starts_with(kCoreTag)) {
      refuse_tag(mark, tag);
    }
    if (open_.size() >= static_cast<std::size_t>(depth_limit_)) {
      throw YamlError(line_of(mark), fmt::format("nested deeper than {} levels", depth_limit_));
    }
    if (awaits_key()) {
      throw YamlError(line_of(mark), "a key must be a string");
    }
    open_.push_back({{std::move(empty), line_of(mark)}, anchor});
  }

  void close() {
    YamlNode node = std::move(open_.back().node);
    const YAML::anchor_t anchor = open_.back().anchor;
    open_.pop_back();
    YAML::Mark mark;
    mark.line = node.line - 1;
    remember(mark, anchor, node, std::nullopt);
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
    Key key = *std::move(parent.key);
    parent.key.reset();
    if (key.is_merge) {
      merge(parent, std::move(node));
    } else {
      add(parent, YamlField{std::move(key.text), key.line, std::move(node)});
    }
  }

  static void add(Open& parent, YamlField field) {
    auto& fields = std::get<YamlNode::Mapping>(parent.node.value);
    if (parent.merged.erase(field.key) > 0) {  // its own value counts, and is no duplicate
      fields[parent.places.at(field.key)] = std::move(field);
      return;
    }
    if (!parent.places.empty()) {
      parent.places[field.key] = fields.size();
    }
    fields.push_back(std::move(field));
  }

  // As sigs.k8s.io/yaml does: in the order of the text, and of a list the first one counts.
  static void merge(Open& parent, YamlNode node) {
    if (auto* items = std::get_if<YamlNode::Sequence>(&node.value)) {
      while (!items->empty()) {
        merge_fields(parent, std::move(items->back()));
        items->pop_back();
      }
    } else {
      merge_fields(parent, std::move(node));
    }
  }

  static void merge_fields(Open& parent, YamlNode node) {
    auto* more = std::get_if<YamlNode::Mapping>(&node.value);
    if (more == nullptr) {
      throw YamlError(node.line, "<< takes an object or a list of objects");
    }
    auto& fields = std::get<YamlNode::Mapping>(parent.node.value);
    if (parent.places.empty()) {
      for (std::size_t i = 0; i < fields.size(); ++i) {
        parent.places[fields[i].key] = i;
      }
    }
    for (YamlField& field : *more) {
      const auto [place, is_new] = parent.places.try_emplace(field.key, fields.size());
      parent.merged.insert(field.key);
      if (is_new) {
        fields.push_back(std::move(field));
      } else {
        fields[place->second] = std::move(field);
      }
    }
  }

  int depth_limit_;
  std::size_t repeated_left_;
  int document_start_ = -1;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Anchored> anchored_;  // of this document
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

// A carriage return ends a line in YAML, with a line feed or without; the parser keeps one at the
// end of the text.
std::string with_line_feeds(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_pair = text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n';
    if (!is_pair) {
      out += text[i] == '\r' ? '\n' : text[i];
    }
  }
  return out;
}

}  // namespace

std::vector<YamlNode> parse_yaml(std::string_view text, const YamlLimits& limits) {
  if (text.size() > limits.bytes) {
    throw YamlError(1, fmt::format("larger than {} bytes", limits.bytes));
  }
  require_utf8(text);
  std::istringstream stream{with_line_feeds(text)};  // the parser reads nothing else
  Builder builder(limits);
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
