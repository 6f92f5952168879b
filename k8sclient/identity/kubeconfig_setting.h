#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "k8sclient/objects/yaml.h"

namespace k8sclient {

// Private to this folder: how kubeconfig.cpp reads its file.

/// A kubeconfig that is being read, and what in it was passed over: one line each.
struct KubeconfigFile {
  std::filesystem::path path;
  std::vector<std::string> notes;
};

/// One value of the file and its place in it. Refers to both. Accessors throw KubeconfigError, with
/// file, line and key.
class Setting {
 public:
  Setting(const YamlNode& node, std::string path, KubeconfigFile& file)
      : node_(&node), path_(std::move(path)), file_(&file) {}

  [[noreturn]] void fail(std::string_view reason) const;

  std::string text() const;
  bool boolean() const;

  /// Nothing is in it: null, an empty text, list or map.
  bool is_empty() const;

  /// Calls visit(key, setting) for each field of a map. What is null or an empty text counts as
  /// absent, of a key that occurs twice the last one counts (as client-go reads both).
  template <typename Visitor>
  void fields(Visitor visit) const {
    const auto& all = mapping();
    std::set<std::string_view> later;
    std::vector<const YamlField*> chosen;
    for (auto field = all.rbegin(); field != all.rend(); ++field) {
      if (later.insert(field->key).second) {
        chosen.push_back(&*field);
      } else {
        child(*field).note(field->line, "occurs twice, the last one counts");
      }
    }
    for (auto field = chosen.rbegin(); field != chosen.rend(); ++field) {
      const Setting value = child(**field);
      if (!value.is_absent()) {
        visit((*field)->key, value);
      }
    }
  }

  /// Calls visit(setting) for each element of a list.
  template <typename Visitor>
  void items(Visitor visit) const {
    std::size_t index = 0;
    for (const YamlNode& item : sequence()) {
      visit(element(item, index++));
    }
  }

  /// This key is not known here: a line in the notes.
  void note_unknown() const { note(node_->line, "unknown, ignored"); }

  void note(int line, std::string_view what) const;

  int line() const { return node_->line; }

  /// A path, resolved against the folder of the kubeconfig.
  std::filesystem::path file_path() const;

  /// The same; fails unless it can be read.
  std::filesystem::path readable_file() const;

 private:
  const YamlNode::Mapping& mapping() const;
  const YamlNode::Sequence& sequence() const;
  Setting child(const YamlField& field) const;
  Setting element(const YamlNode& node, std::size_t index) const;
  bool is_absent() const;

  const YamlNode* node_;
  std::string path_;
  KubeconfigFile* file_;
};

}  // namespace k8sclient
