#include "proxy/cluster/object_file.h"

#include <algorithm>
#include <iterator>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "proxy/config/config.h"
#include "proxy/host/file.h"

namespace proxy {
namespace {

using k8sclient::Manifests;
using k8sclient::ObjectName;

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
    cluster_.is_whole = cluster_.is_whole && file.is_whole;
    for (const std::string& type : file.objects.ignored) {
      cluster_.has_endpoints = cluster_.has_endpoints || type == "v1 Endpoints";
      if (type == "v1 Endpoints" || type == "discovery.k8s.io/v1beta1 EndpointSlice") {
        cluster_.warnings.push_back(
            fmt::format("{}: {} is not read: endpoints are taken from EndpointSlices of "
                        "discovery.k8s.io/v1, which a cluster makes out of Endpoints (kubectl get "
                        "endpointslices)",
                        file.path,
                        type));
      } else if (type != "v1 Status") {
        cluster_.notes.push_back(fmt::format("{}: {} is of no interest here", file.path, type));
      }
    }
  }

  void add(std::span<const ManifestFile> files) {
    for (const ManifestFile& file : files) {
      add(file);
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

bool has_no_object(const Manifests& objects) {
  return objects.services.empty() && objects.slices.empty() && objects.nodes.empty();
}

// As the object is called when it can be read.
ObjectName name_of(const k8sclient::DecodeError& error) {
  ObjectName name = error.object();
  if (name.name_space.empty() && error.kind() != "Node") {
    name.name_space = "default";
  }
  return name;
}

template <typename T>
bool keep_object(std::string_view kind,
                 const k8sclient::DecodeError& error,
                 const std::vector<T>& before,
                 std::vector<T>& now) {
  const auto same = std::ranges::find(before, name_of(error), &T::name);
  if (error.kind() != kind || same == before.end()) {
    return false;
  }
  now.push_back(*same);
  return true;
}

// What a file holds if it held `before` and now is odd; its errors tell.
void keep_previous(ManifestFile& file, const Manifests& before) {
  const bool is_odd = !file.is_whole || (!file.has_documents && !has_no_object(before));
  if (is_odd) {
    file.objects = before;
    file.errors.push_back(fmt::format(
        "{}: {}keeps the objects that it had before (to take them away, delete the file)",
        file.path,
        file.has_documents ? "" : "holds no object: "));
    return;
  }
  for (const k8sclient::DecodeError& error : file.objects.errors) {
    if (keep_object("Service", error, before.services, file.objects.services) ||
        keep_object("EndpointSlice", error, before.slices, file.objects.slices) ||
        keep_object("Node", error, before.nodes, file.objects.nodes)) {
      file.errors.push_back(fmt::format(
          "{}: {} {} stays as it was before", file.path, error.kind(), to_string(name_of(error))));
    }
  }
}

std::vector<std::string> names_of(const std::string& path) {
  return path == kStandardInput ? std::vector<std::string>{path} : files_of(path);
}

ManifestFile read_manifests(const std::string& name) {
  const bool is_input = name == kStandardInput;
  ManifestFile file = parse_manifests(is_input ? "standard input" : name,
                                      read_file(is_input ? "/dev/stdin" : name));
  file.path = name;
  return file;
}

ManifestFile read_or_lost(const std::string& name, bool must_be_readable) {
  try {
    return read_manifests(name);
  } catch (const std::system_error& error) {
    if (must_be_readable) {
      throw;
    }
    ManifestFile lost{.path = name, .objects = {}, .errors = {error.what()}};
    lost.is_whole = false;
    return lost;
  }
}

using ManifestFiles = std::vector<ManifestFile>;

const ManifestFile* find_file(const ManifestFiles& files, const std::string& path) {
  const auto found = std::ranges::find(files, path, &ManifestFile::path);
  return found == files.end() ? nullptr : &*found;
}

bool has_no_object(const ManifestFiles& files) {
  return std::ranges::all_of(files,
                             [](const ManifestFile& file) { return has_no_object(file.objects); });
}

// `before` is what the source had the last time. A file that the user named must be readable at
// first; one that happens to be in a folder need not be. Files that are `unfinished` stay as they
// were.
template <typename Predicate>
ManifestFiles read_source(const std::string& path,
                          const ManifestFiles& before,
                          Predicate is_unfinished) {
  if (path == kStandardInput && !before.empty()) {
    return before;  // it is read once
  }
  ManifestFiles files;
  for (const std::string& name : names_of(path)) {
    const ManifestFile* previous = find_file(before, name);
    ManifestFile file = read_or_lost(name, name == path && before.empty());
    const bool is_open = is_unfinished(name);  // by a writer who came while it was read, too
    if (previous == nullptr && !is_open) {
      files.push_back(std::move(file));
    } else if (previous != nullptr && is_open) {
      files.push_back(*previous);
    } else if (previous != nullptr) {
      keep_previous(file, previous->objects);
      files.push_back(std::move(file));
    }
  }
  return files;
}

std::string nothing_in(const std::string& path) {
  return fmt::format(
      "{}: holds no Node, Service or EndpointSlice, and is not taken for an empty cluster",
      path == kStandardInput ? "standard input" : path);
}

}  // namespace

ClusterObjects load_objects(std::span<const std::string> paths) {
  Joiner joiner;
  std::vector<std::string> empty;
  for (const std::string& path : paths) {
    const ManifestFiles files = read_source(path, {}, [](const std::string&) { return false; });
    joiner.add(files);
    if (has_no_object(files)) {
      empty.push_back(nothing_in(path));
    }
  }
  ClusterObjects cluster = joiner.take();
  if (!empty.empty()) {
    std::ranges::move(empty, std::back_inserter(cluster.errors));
    throw ConfigErrors(std::move(cluster.errors));
  }
  return cluster;
}

FileSource::FileSource(std::vector<std::string> paths) : paths_(paths), watch_(std::move(paths)) {}

ClusterObjects FileSource::reload() {
  Joiner joiner;
  std::vector<std::string> empty;
  for (const std::string& path : paths_) {
    const bool is_first_time = !last_.contains(path);
    ManifestFiles& last = last_[path];
    try {
      ManifestFiles files = read_source(
          path, last, [this](const std::string& name) { return watch_.is_being_written(name); });
      if (!has_no_object(files) || has_no_object(last)) {
        last = std::move(files);
      } else {
        joiner.error(nothing_in(path) + ": keeps the objects that it had before");
      }
    } catch (const std::system_error& error) {
      if (is_first_time) {
        throw;
      }
      joiner.error(fmt::format("{}: keeps the objects that it had before", error.what()));
    }
    joiner.add(last);
    if (has_no_object(last)) {
      empty.push_back(nothing_in(path));
    }
  }
  ClusterObjects cluster = joiner.take();
  if (!empty.empty()) {
    std::ranges::move(empty, std::back_inserter(cluster.errors));
    ClusterObjects none;
    none.errors = std::move(cluster.errors);
    return none;
  }
  return cluster;
}

void FileSource::run(const std::stop_token& stop, const Sink& sink) {
  do {
    sink(reload());
  } while (watch_.wait(stop));
}

}  // namespace proxy
