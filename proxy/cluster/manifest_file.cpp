#include "proxy/cluster/manifest_file.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "k8sclient/objects/decode.h"
#include "k8sclient/objects/yaml.h"

namespace proxy {
namespace {

using k8sclient::DecodeError;
using k8sclient::Manifests;

constexpr k8sclient::YamlLimits kManifestLimits = {.bytes = std::size_t{1} << 28, .depth = 64};

/// A part of a text and the line on which it starts, counted from 1.
struct Chunk {
  std::string_view text;
  int line = 1;
};

// Cuts before each "---" at the start of a line, so that one bad document does not spoil the
// others.
std::vector<Chunk> split_documents(std::string_view text) {
  std::vector<Chunk> chunks;
  Chunk rest{text};
  std::size_t from = 0;
  while (true) {
    const std::size_t separator = rest.text.find("\n---", from);
    if (separator == std::string_view::npos) {
      chunks.push_back(rest);
      return chunks;
    }
    const Chunk document{rest.text.substr(0, separator + 1), rest.line};
    const auto lines = std::ranges::count(document.text, '\n');
    chunks.push_back(document);
    rest = {rest.text.substr(separator + 1), rest.line + static_cast<int>(lines)};
    from = 1;
  }
}

void append(Manifests& to, Manifests from) {
  std::ranges::move(from.services, std::back_inserter(to.services));
  std::ranges::move(from.slices, std::back_inserter(to.slices));
  std::ranges::move(from.nodes, std::back_inserter(to.nodes));
  std::ranges::move(from.ignored, std::back_inserter(to.ignored));
  std::ranges::move(from.errors, std::back_inserter(to.errors));
}

/// Collects the documents of one file.
class FileReader {
 public:
  explicit FileReader(std::string path) { file_.path = std::move(path); }

  ManifestFile take() {
    file_.has_documents = has_documents_;
    return std::move(file_);
  }

  // False if the text is no JSON manifest; nothing has happened then.
  bool read_json(std::string_view text) {
    try {
      add(k8sclient::decode_manifests(text), text, 0);
      return true;
    } catch (const DecodeError&) {
      return false;
    }
  }

  void read_yaml(const Chunk& chunk) {
    try {
      for (const k8sclient::YamlNode& node : k8sclient::parse_yaml(chunk.text, kManifestLimits)) {
        read_document(node, chunk.line - 1);
      }
    } catch (const k8sclient::YamlError& error) {
      fail(chunk.line - 1 + error.line(), error.what());
    }
  }

  void fail(int line, std::string_view reason) {
    has_documents_ = true;
    file_.errors.push_back(fmt::format("{}: {}", place(line), reason));
    file_.is_whole = false;
  }

 private:
  std::string place(int line) const {
    return line == 0 ? file_.path : fmt::format("{}:{}", file_.path, line);
  }

  void read_document(const k8sclient::YamlNode& node, int lines_before) {
    const int line = lines_before + node.line;
    try {
      const std::string json = k8sclient::to_json(node);
      add(k8sclient::decode_manifests(json), json, line);
    } catch (const DecodeError& error) {
      fail(line, error.what());
    }
  }

  void add(Manifests objects, std::string_view json, int line) {
    has_documents_ = true;
    if (std::ranges::find(objects.ignored, "v1 Status") != objects.ignored.end()) {
      // Something else than what was asked for: "kubectl get --raw", or a script around the API.
      const auto status = k8sclient::decode_status(json);
      fail(line,
           fmt::format("is an answer of the API server and no object: {} {}",
                       status ? status->code : 0,
                       status ? status->message : ""));
    }
    for (const DecodeError& error : objects.errors) {
      file_.errors.push_back(fmt::format("{}: {}", place(line), error.what()));
    }
    append(file_.objects, std::move(objects));
  }

  bool has_documents_ = false;
  ManifestFile file_;
};

}  // namespace

ManifestFile parse_manifests(std::string path, std::string_view text) {
  FileReader reader(std::move(path));
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  const bool looks_like_json = first != std::string_view::npos && text[first] == '{';
  if (looks_like_json && reader.read_json(text)) {
    return reader.take();
  }
  if (text.size() > kManifestLimits.bytes) {
    reader.fail(0, fmt::format("larger than {} bytes", kManifestLimits.bytes));
    return reader.take();
  }
  if (first == std::string_view::npos) {
    reader.fail(0, "is empty");  // whoever writes it has not begun, or has failed
    return reader.take();
  }
  for (const Chunk& chunk : split_documents(text)) {
    reader.read_yaml(chunk);
  }
  return reader.take();
}

}  // namespace proxy
