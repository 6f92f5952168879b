#include "proxy/config/own_document.h"

#include <fmt/format.h>

#include "k8sclient/objects/yaml.h"

namespace proxy {
namespace {

using k8sclient::YamlField;
using k8sclient::YamlNode;

constexpr std::string_view kApiVersion = "iptproxy/v1alpha1";
constexpr std::string_view kKind = "IptproxyConfiguration";

std::string_view text_of(const YamlNode& node) {
  const auto* text = std::get_if<std::string>(&node.value);
  return text != nullptr ? std::string_view(*text) : std::string_view();
}

bool has(const YamlNode::Mapping& fields, std::string_view key, std::string_view value) {
  for (const YamlField& field : fields) {
    if (field.key == key && text_of(field.value) == value) {
      return true;
    }
  }
  return false;
}

void read_field(const YamlField& field, OwnDocument& document) {
  if (field.key == "apiVersion" || field.key == "kind") {
    return;
  }
  if (field.key != "iptablesLayout") {
    document.warnings.emplace_back(field.line, field.key + ": unknown field: it is ignored");
    return;
  }
  document.iptables_layout = rules::parse_layout(text_of(field.value));
  if (!document.iptables_layout) {
    document.errors.emplace_back(field.line, "iptablesLayout: must be kube-proxy or compact");
  }
}

}  // namespace

OwnDocument read_own_document(std::string_view text, int first_line) {
  OwnDocument document;
  try {
    const std::vector<YamlNode> documents = k8sclient::parse_yaml(text, {.bytes = 1U << 20U});
    const auto* fields =
        documents.empty() ? nullptr : std::get_if<YamlNode::Mapping>(&documents.front().value);
    if (fields == nullptr || !has(*fields, "apiVersion", kApiVersion) ||
        !has(*fields, "kind", kKind)) {
      return document;
    }
    document.is_there = true;
    for (const YamlField& field : *fields) {
      read_field(field, document);
    }
    if (documents.size() > 1) {
      document.warnings.emplace_back(documents[1].line, "a third document is ignored: remove it");
    }
  } catch (const k8sclient::YamlError&) {
    return {};  // nobody reads it
  }
  for (auto* remarks : {&document.errors, &document.warnings}) {
    for (auto& [line, remark] : *remarks) {
      line += first_line - 1;
    }
  }
  return document;
}

}  // namespace proxy
