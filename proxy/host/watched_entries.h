#pragma once

#include <map>
#include <set>
#include <span>
#include <string>

namespace proxy {

/// The entries of one folder that matter.
struct WatchedEntries {
  bool all = false;
  std::set<std::string> names = {};  // if not all

  bool contains(const std::string& name) const { return all || names.contains(name); }

  bool operator==(const WatchedEntries&) const = default;
};

/// By the real path of a folder, which may not exist: the entries by which paths are found, be
/// they files, symlinks or folders, and for a folder all that is in it. Whatever else happens
/// beside them changes nothing.
std::map<std::string, WatchedEntries> watched_entries(std::span<const std::string> paths);

}  // namespace proxy
