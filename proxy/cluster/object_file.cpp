#include "proxy/cluster/object_file.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "k8sclient/objects/yaml.h"
#include "proxy/config/config.h"
#include "proxy/host/file.h"

namespace proxy {
namespace {

using k8sclient::DecodeError;
using k8sclient::Manifests;
using k8sclient::ObjectName;

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
}

/// Collects the documents of one file.
class FileReader {
 public:
  explicit FileReader(std::string path) { file_.path = std::move(path); }

  ManifestFile take() { return std::move(file_); }

  // False if the text is no JSON manifest; nothing has happened then.
  bool read_json(std::string_view text) {
    try {
      add(k8sclient::decode_manifests(text), 0);
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
      add(k8sclient::decode_manifests(k8sclient::to_json(node)), line);
    } catch (const DecodeError& error) {
      fail(line, error.what());
    }
  }

  void add(Manifests objects, int line) {
    for (const DecodeError& error : objects.errors) {
      file_.errors.push_back(fmt::format("{}: {}", place(line), error.what()));
    }
    append(file_.objects, std::move(objects));
  }

  ManifestFile file_;
};

/// Objects of one kind by name, with the file that each is from.
template <typename T>
class ByName {
 public:
  explicit ByName(std::string_view kind) : kind_(kind) {}

  void add(const std::vector<T>& objects, const std::string& path, ClusterObjects& cluster) {
    for (const T& object : objects) {
      const auto [at, is_new] = objects_.try_emplace(object.name, object, path);
      if (!is_new) {
        cluster.notes.push_back(fmt::format("{}: {} {} replaces the one of {}",
                                            path,
                                            kind_,
                                            to_string(object.name),
                                            at->second.second));
        at->second = {object, path};
      }
    }
  }

  std::vector<T> take() {
    std::vector<T> sorted;
    for (auto& [name, entry] : objects_) {
      sorted.push_back(std::move(entry.first));
    }
    return sorted;
  }

 private:
  std::string_view kind_;
  std::map<ObjectName, std::pair<T, std::string>> objects_;
};

/// Joins files in their order.
class Joiner {
 public:
  void add(const ManifestFile& file) {
    services_.add(file.objects.services, file.path, cluster_);
    slices_.add(file.objects.slices, file.path, cluster_);
    nodes_.add(file.objects.nodes, file.path, cluster_);
    std::ranges::copy(file.errors, std::back_inserter(cluster_.errors));
    for (const std::string& type : file.objects.ignored) {
      cluster_.notes.push_back(fmt::format("{}: {} is of no interest here", file.path, type));
    }
  }

  void error(std::string line) { cluster_.errors.push_back(std::move(line)); }

  ClusterObjects take() {
    cluster_.services = services_.take();
    cluster_.slices = slices_.take();
    cluster_.nodes = nodes_.take();
    return std::move(cluster_);
  }

 private:
  ClusterObjects cluster_;
  ByName<k8sclient::Service> services_{"Service"};
  ByName<k8sclient::EndpointSlice> slices_{"EndpointSlice"};
  ByName<k8sclient::Node> nodes_{"Node"};
};

// A file that lost documents keeps the objects it had; its new errors are reported.
void keep_previous(ManifestFile& file, const std::vector<ManifestFile>& before) {
  const auto previous = std::ranges::find(before, file.path, &ManifestFile::path);
  if (!file.is_whole && previous != before.end()) {
    file.objects = previous->objects;
    file.errors.push_back(fmt::format("{}: keeps the objects that it had before", file.path));
  }
}

bool has_nothing(const Manifests& objects) {
  return objects.services.empty() && objects.slices.empty() && objects.nodes.empty() &&
         objects.ignored.empty();
}

// `before` is what the source had the last time. A file that the user named must be readable at
// first, and not be all wrong: an empty cluster would take every Service off the node. One that
// happens to be in a folder need not be.
std::vector<ManifestFile> read_source(const std::string& path,
                                      const std::vector<ManifestFile>& before) {
  std::vector<ManifestFile> files;
  for (const std::string& name : files_of(path)) {
    try {
      files.push_back(parse_manifests(name, read_file(name)));
    } catch (const std::system_error& error) {
      if (name == path && before.empty()) {
        throw;
      }
      files.push_back({.path = name, .objects = {}, .errors = {error.what()}, .is_whole = false});
    }
    const ManifestFile& file = files.back();
    if (name == path && before.empty() && !file.is_whole && has_nothing(file.objects)) {
      throw ConfigErrors(file.errors);
    }
    keep_previous(files.back(), before);
  }
  return files;
}

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
  for (const Chunk& chunk : split_documents(text)) {
    reader.read_yaml(chunk);
  }
  return reader.take();
}

ClusterObjects load_objects(std::span<const std::string> paths) {
  Joiner joiner;
  for (const std::string& path : paths) {
    for (const ManifestFile& file : read_source(path, {})) {
      joiner.add(file);
    }
  }
  return joiner.take();
}

FileSource::FileSource(std::vector<std::string> paths) : paths_(paths), watch_(std::move(paths)) {}

ClusterObjects FileSource::reload() {
  Joiner joiner;
  for (const std::string& path : paths_) {
    try {
      last_[path] = read_source(path, last_[path]);
    } catch (const std::system_error& error) {
      if (last_[path].empty()) {
        throw;
      }
      joiner.error(fmt::format("{}: keeps the objects that it had before", error.what()));
    }
    for (const ManifestFile& file : last_.at(path)) {
      joiner.add(file);
    }
  }
  return joiner.take();
}

void FileSource::run(const std::stop_token& stop, const Sink& sink) {
  do {
    sink(reload());
  } while (watch_.wait(stop));
}

}  // namespace proxy
