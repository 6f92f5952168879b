#include "proxy/host/file_watch.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <set>
#include <system_error>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/log/logging.h"

namespace proxy {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr milliseconds kQuiet{100};
constexpr int kMostQuietChecks = 20;  // a writer that never pauses is read anyway
constexpr milliseconds kSilentFileSystem{5000};

bool is_manifest_name(const fs::path& path) {
  const std::string name = path.filename().string();
  const std::string extension = path.extension().string();
  return !name.starts_with('.') &&
         (extension == ".yaml" || extension == ".yml" || extension == ".json");
}

// Folders in which something happens when a file changes: its own, and that of what its symlinks
// lead to.
void insert_folders(const fs::path& file, std::set<fs::path>& folders) {
  std::error_code error;
  const fs::path absolute = fs::absolute(file, error);
  folders.insert(absolute.parent_path());
  const fs::path target = fs::canonical(file, error);
  if (!error) {
    folders.insert(target.parent_path());
  }
}

std::int64_t nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

Descriptor open_event() {
  Descriptor event(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!event) {
    throw_errno("eventfd");
  }
  return event;
}

Descriptor open_inotify() {
  Descriptor inotify(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!inotify) {
    log_warning("Changes of files are noticed a few seconds late",
                {{"inotify", std::generic_category().message(errno)}});
  }
  return inotify;
}

void drain(const Descriptor& descriptor) {
  alignas(inotify_event) std::array<char, 4096> buffer{};
  while (read(descriptor.get(), buffer.data(), buffer.size()) > 0) {
  }
}

}  // namespace

std::vector<std::string> files_of(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) {
    throw std::system_error(
        error ? error : std::make_error_code(std::errc::no_such_file_or_directory), path);
  }
  if (!fs::is_directory(status)) {
    return {path};
  }
  std::vector<std::string> files;
  fs::directory_iterator entry(path, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    std::error_code vanished;
    if (is_manifest_name(entry->path()) && fs::is_regular_file(entry->status(vanished))) {
      files.push_back(entry->path().string());
    }
  }
  if (error) {
    throw std::system_error(error, path);
  }
  std::ranges::sort(files);
  return files;
}

FileWatch::FileWatch(std::vector<std::string> paths)
    : paths_(std::move(paths)), inotify_(open_inotify()), wake_(open_event()) {
  watch_folders();
  seen_ = look();
}

std::vector<FileWatch::State> FileWatch::look() const {
  std::vector<State> states;
  for (const std::string& path : paths_) {
    std::vector<std::string> files;
    try {
      files = files_of(path);
    } catch (const std::system_error&) {
      continue;  // gone for now: that is a state, too
    }
    for (std::string& file : files) {
      struct stat status {};

      if (stat(file.c_str(), &status) == 0) {
        states.push_back({std::move(file),
                          status.st_dev,
                          status.st_ino,
                          status.st_size,
                          nanoseconds(status.st_mtim),
                          nanoseconds(status.st_ctim)});
      }
    }
  }
  return states;
}

void FileWatch::watch_folders() const {
  std::set<fs::path> folders;
  for (const std::string& path : paths_) {
    insert_folders(path, folders);
    std::error_code error;
    if (!fs::is_directory(path, error)) {
      continue;
    }
    folders.insert(fs::absolute(path, error));
    fs::directory_iterator entry(path, error);
    for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
      std::error_code vanished;
      if (entry->is_symlink(vanished)) {
        insert_folders(entry->path(), folders);
      }
    }
  }
  constexpr std::uint32_t kChanges = IN_MODIFY | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE |
                                     IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF;
  for (const fs::path& folder : folders) {
    // A folder that cannot be watched is still looked at every few seconds.
    inotify_add_watch(inotify_.get(), folder.c_str(), kChanges);
  }
}

bool FileWatch::wait_for_event(milliseconds timeout) const {
  std::array<pollfd, 2> descriptors = {{{inotify_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
  const int ready = poll(descriptors.data(), descriptors.size(), static_cast<int>(timeout.count()));
  const bool changed = ready > 0 && (descriptors[0].revents & POLLIN) != 0;
  drain(inotify_);
  return changed;
}

bool FileWatch::wait(const std::stop_token& stop) {
  drain(wake_);  // of an earlier stop
  const std::stop_callback wake_up(stop, [this] { eventfd_write(wake_.get(), 1); });
  while (!stop.stop_requested()) {
    // Watches first: what happens after them is an event, what happened before is seen by look().
    watch_folders();
    if (look() != seen_) {
      for (int i = 0; i < kMostQuietChecks && wait_for_event(kQuiet); ++i) {
      }
      seen_ = look();
      return !stop.stop_requested();
    }
    wait_for_event(kSilentFileSystem);
  }
  return false;
}

}  // namespace proxy
