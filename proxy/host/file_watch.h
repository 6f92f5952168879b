#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "proxy/host/descriptor.h"
#include "proxy/host/watched_entries.h"

namespace proxy {

/// The files that a path stands for: itself, or for a folder its .yaml, .yml and .json files that
/// are not hidden, sorted by name. Throws std::system_error, naming the path, if there is no such
/// path.
std::vector<std::string> files_of(const std::string& path);

/// Notices when files change: written in place, replaced by renaming, or reached by another symlink
/// than before, as the kubelet swaps those of a ConfigMap. Folders as in files_of(). Where inotify
/// is silent (network file systems) or not to be had (a user's instances of it are few) a change is
/// noticed some seconds later.
///
/// A file that a program has begun to write and has not closed is as it was before, until the
/// program closes it or has not touched it for half a minute. For one thread.
class FileWatch {
 public:
  /// Changes are counted from now on. Paths need not exist yet. Throws std::system_error if the
  /// kernel gives no descriptor.
  explicit FileWatch(std::vector<std::string> paths);

  /// Returns true when something has changed since the constructor or the last true, and then was
  /// quiet for a moment (a writer may need several steps); false when stopped.
  bool wait(const std::stop_token& stop);

  /// Whether a program has written to the file and not closed it yet: the caller keeps what it had
  /// of it, and the next wait() returns when it is closed.
  bool is_being_written(const std::string& file);

 private:
  using Clock = std::chrono::steady_clock;
  using OpenFiles = std::map<std::string, Clock::time_point>;  // when last written to

  /// What identifies one state of a file.
  struct State {
    std::string path;
    std::uint64_t device;
    std::uint64_t inode;
    std::int64_t size;
    std::int64_t modified_ns;
    std::int64_t changed_ns;

    bool operator==(const State&) const = default;
  };

  struct Folder {
    std::string path;
    WatchedEntries entries;
  };

  std::vector<State> look() const;
  void watch_folders();
  bool wait_for_event(std::chrono::milliseconds timeout, const std::stop_token& stop);
  bool take_events();
  void note(std::uint32_t what, const std::string& file);
  void forget(OpenFiles::iterator file);
  bool is_open(const std::string& file) const;

  std::vector<std::string> paths_;
  Descriptor inotify_;  // maybe none
  Descriptor wake_;     // eventfd: a stop was requested
  std::vector<State> seen_;
  std::map<int, Folder> folders_;  // by inotify's number
  OpenFiles open_;
  std::set<std::string> held_back_;  // of those, what is_being_written() was true of
  bool is_finished_ = false;         // one of these was closed, or abandoned
};

}  // namespace proxy
