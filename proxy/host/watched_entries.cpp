#include "proxy/host/watched_entries.h"

#include <deque>
#include <filesystem>
#include <system_error>

namespace proxy {

namespace {

namespace fs = std::filesystem;
using Folders = std::map<std::string, WatchedEntries>;

constexpr int kMostLinks = 40;  // as the kernel follows

/// Adds the last entry of the path and each symlink on the way; returns where the path leads.
fs::path add_way_to(const fs::path& path, Folders& folders) {
  std::error_code error;
  const fs::path whole = fs::absolute(path, error);
  std::deque<fs::path> rest(whole.begin(), whole.end());
  fs::path at;
  for (int links = 0; !rest.empty();) {
    const fs::path part = rest.front();
    rest.pop_front();
    if (part.empty() || part == ".") {
      continue;
    }
    if (part == "..") {
      at = at.parent_path();
      continue;
    }
    const fs::path next = at / part;
    if (links < kMostLinks && fs::is_symlink(next, error)) {
      ++links;
      folders[at.string()].names.insert(part.string());
      const fs::path target = fs::read_symlink(next, error);
      rest.insert(rest.begin(), target.begin(), target.end());
      continue;
    }
    at = next;  // of an absolute path: that alone
  }
  folders[at.parent_path().string()].names.insert(at.filename().string());
  return at;
}

}  // namespace

Folders watched_entries(std::span<const std::string> paths) {
  Folders folders;
  for (const std::string& path : paths) {
    const fs::path folder = add_way_to(path, folders);
    std::error_code error;
    if (!fs::is_directory(folder, error)) {
      continue;
    }
    folders[folder.string()].all = true;
    fs::directory_iterator entry(folder, error);
    for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
      std::error_code vanished;
      if (entry->is_symlink(vanished)) {
        add_way_to(entry->path(), folders);
      }
    }
  }
  return folders;
}

}  // namespace proxy
