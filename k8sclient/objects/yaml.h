#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace k8sclient {

/// What a YAML text may ask of its reader. yaml-cpp itself bounds neither what aliases expand to
/// nor the size.
struct YamlLimits {
  std::size_t bytes = 16U << 20U;
  // What anchors keep and aliases repeat may take in memory, about. Aliases of aliases multiply.
  std::size_t repeated_bytes = 4U << 20U;
  int depth = 64;
};

struct YamlField;

/// A YAML document as a value, with the types that JSON has and the lines that errors need. Plain
/// scalars get the types that Kubernetes' tools give them (YAML 1.1: `yes` is a boolean, `010` is
/// eight); quoted scalars are strings. Fields keep the order of the text, duplicates included.
struct YamlNode {
  using Sequence = std::vector<YamlNode>;
  using Mapping = std::vector<YamlField>;
  using Value =
      std::variant<std::monostate, bool, std::int64_t, double, std::string, Sequence, Mapping>;

  Value value;   // std::monostate is null
  int line = 0;  // counted from 1
};

struct YamlField {
  std::string key;
  int line = 0;  // of the key
  YamlNode value;
};

/// Text that is not YAML, or YAML that is refused. what() is the reason without the line.
class YamlError : public std::runtime_error {
 public:
  YamlError(int line, const std::string& reason) : std::runtime_error(reason), line_(line) {}

  int line() const { return line_; }

 private:
  int line_;
};

/// The documents of a YAML or JSON text; empty ones are dropped. Aliases are replaced by what they
/// mean, with the alias's line, and merge keys ("<<") by the fields that they bring, as far as the
/// limits go. Tags other than the core types' and keys that are not scalars are refused, and text
/// that is not UTF-8. Throws YamlError; documents before the bad one are lost, too.
std::vector<YamlNode> parse_yaml(std::string_view text, const YamlLimits& limits = {});

/// The value of the first field of that name; null if `node` is null, no mapping or has none.
const YamlNode* find_field(const YamlNode* node, std::string_view name);

/// The node as compact JSON. Of duplicate fields all are written.
std::string to_json(const YamlNode& node);

/// The node as block-style YAML, ending in a newline; parse_yaml() reads the same value back (whole
/// numbers as integers).
std::string to_yaml(const YamlNode& node);

/// Lines and paths ("spec.ports[0].name") of the fields that an earlier field of the same mapping
/// already has.
std::vector<std::pair<int, std::string>> duplicate_fields(const YamlNode& node);

/// "null", "a boolean", "an integer", "a number", "a string", "a list" or "an object".
std::string_view type_name(const YamlNode& node);

}  // namespace k8sclient
