#include "k8sclient/identity/kubeconfig_setting.h"

#include <cerrno>
#include <system_error>
#include <utility>
#include <variant>

#include <fmt/format.h>
#include <unistd.h>

#include "k8sclient/errors.h"

namespace k8sclient {

void Setting::fail(std::string_view reason) const {
  throw KubeconfigError(fmt::format("{}:{}: {}{}{}",
                                    file_->path.string(),
                                    node_->line,
                                    path_,
                                    path_.empty() ? "" : ": ",
                                    reason));
}

void Setting::note(int line, std::string_view what) const {
  file_->notes.push_back(fmt::format("{}:{}: {}: {}", file_->path.string(), line, path_, what));
}

std::string Setting::text() const {
  const auto* text = std::get_if<std::string>(&node_->value);
  if (text == nullptr) {
    fail(fmt::format("must be text, is {}", type_name(*node_)));
  }
  return *text;
}

bool Setting::boolean() const {
  const bool* value = std::get_if<bool>(&node_->value);
  if (value == nullptr) {
    fail("must be true or false");
  }
  return *value;
}

bool Setting::is_empty() const {
  const auto* list = std::get_if<YamlNode::Sequence>(&node_->value);
  const auto* map = std::get_if<YamlNode::Mapping>(&node_->value);
  return is_absent() || (list != nullptr && list->empty()) || (map != nullptr && map->empty());
}

bool Setting::is_absent() const {
  const auto* text = std::get_if<std::string>(&node_->value);
  return std::holds_alternative<std::monostate>(node_->value) || (text != nullptr && text->empty());
}

const YamlNode::Mapping& Setting::mapping() const {
  const auto* map = std::get_if<YamlNode::Mapping>(&node_->value);
  if (map == nullptr) {
    fail("must be a map");
  }
  return *map;
}

const YamlNode::Sequence& Setting::sequence() const {
  const auto* list = std::get_if<YamlNode::Sequence>(&node_->value);
  if (list == nullptr) {
    fail("must be a list");
  }
  return *list;
}

Setting Setting::child(const YamlField& field) const {
  return {field.value, path_.empty() ? field.key : path_ + "." + field.key, *file_};
}

Setting Setting::element(const YamlNode& node, std::size_t index) const {
  return {node, fmt::format("{}[{}]", path_, index), *file_};
}

std::filesystem::path Setting::file_path() const {
  return std::filesystem::absolute(file_->path).parent_path() / text();
}

std::filesystem::path Setting::readable_file() const {
  auto path = file_path();
  if (::access(path.c_str(), R_OK) != 0) {
    const std::error_code error(errno, std::generic_category());
    fail(fmt::format("cannot read {}: {}", path.string(), error.message()));
  }
  return path;
}

}  // namespace k8sclient
