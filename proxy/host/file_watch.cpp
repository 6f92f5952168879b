#include "proxy/host/file_watch.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
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
constexpr std::chrono::seconds kAbandoned{30};  // by a writer that never closes its file

bool is_manifest_name(const fs::path& path) {
  const std::string name = path.filename().string();
  const std::string extension = path.extension().string();
  return !name.starts_with('.') &&
         (extension == ".yaml" || extension == ".yml" || extension == ".json");
}

// Also a link that leads nowhere for now: what it led to was not taken away by deleting it.
bool is_meant_as_file(const fs::directory_entry& entry) {
  std::error_code vanished;
  const fs::file_status status = entry.status(vanished);
  return fs::is_regular_file(status) || (!fs::exists(status) && entry.is_symlink(vanished));
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
  std::array<char, 64> buffer{};
  while (read(descriptor.get(), buffer.data(), buffer.size()) > 0) {
  }
}

// Where a file really is; itself if it is not there.
std::string real_path(const fs::path& file) {
  std::error_code error;
  const fs::path target = fs::canonical(file, error);
  return error ? file.string() : target.string();
}

// A new name of a file that was written elsewhere, or no file, will not be closed by a writer.
bool is_new_file(const std::string& path) {
  struct stat status {};

  return lstat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 1;
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
    if (is_manifest_name(entry->path()) && is_meant_as_file(*entry)) {
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
      if (is_open(file)) {
        const auto before = std::ranges::find(seen_, file, &State::path);
        if (before != seen_.end()) {
          states.push_back(*before);
        }
        continue;
      }

      struct stat status {};  // zeros of a link that leads nowhere

      stat(file.c_str(), &status);
      states.push_back({std::move(file),
                        status.st_dev,
                        status.st_ino,
                        status.st_size,
                        nanoseconds(status.st_mtim),
                        nanoseconds(status.st_ctim)});
    }
  }
  return states;
}

void FileWatch::watch_folders() {
  constexpr std::uint32_t kChanges = IN_MODIFY | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE |
                                     IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF;
  for (auto& [path, entries] : watched_entries(paths_)) {
    // A folder that cannot be watched is still looked at every few seconds.
    const int number = inotify_add_watch(inotify_.get(), path.c_str(), kChanges);
    if (number >= 0) {
      folders_[number] = {path, std::move(entries)};
    }
  }
}

bool FileWatch::wait_for_event(milliseconds timeout, const std::stop_token& stop) {
  const auto give_up_at = Clock::now() + timeout;
  while (!stop.stop_requested()) {
    const auto left = std::chrono::ceil<milliseconds>(give_up_at - Clock::now());
    std::array<pollfd, 2> descriptors = {{{inotify_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
    const int ready =
        left.count() <= 0
            ? 0
            : poll(descriptors.data(), descriptors.size(), static_cast<int>(left.count()));
    if (take_events()) {
      return true;
    }
    if (ready <= 0 && Clock::now() >= give_up_at) {
      return false;
    }
  }
  return false;
}

bool FileWatch::take_events() {
  bool concerns_us = false;
  alignas(inotify_event) std::array<char, 4096> buffer{};
  ssize_t size = 0;
  while ((size = read(inotify_.get(), buffer.data(), buffer.size())) > 0) {
    for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
      inotify_event event{};
      std::memcpy(&event, buffer.data() + at, sizeof(event));
      const std::string name = event.len > 0 ? buffer.data() + at + sizeof(event) : "";
      at += sizeof(event) + event.len;
      const auto folder = folders_.find(event.wd);
      if (name.empty() || folder == folders_.end()) {
        concerns_us = true;  // of a folder itself, or some events are lost
      } else if (folder->second.entries.contains(name)) {
        concerns_us = true;
        note(event.mask, folder->second.path + "/" + name);
      }
    }
  }
  return concerns_us;
}

void FileWatch::note(std::uint32_t what, const std::string& file) {
  if ((what & IN_MODIFY) != 0 || ((what & IN_CREATE) != 0 && is_new_file(file))) {
    open_[file] = Clock::now();
  } else if ((what & (IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)) != 0) {
    forget(open_.find(file));
  }
}

void FileWatch::forget(OpenFiles::iterator file) {
  if (file != open_.end()) {
    is_finished_ = is_finished_ || held_back_.erase(file->first) > 0;
    open_.erase(file);
  }
}

bool FileWatch::is_open(const std::string& file) const {
  return !open_.empty() && open_.contains(real_path(fs::absolute(file)));
}

bool FileWatch::is_being_written(const std::string& file) {
  take_events();
  if (!is_open(file)) {
    return false;
  }
  held_back_.insert(real_path(fs::absolute(file)));
  return true;
}

bool FileWatch::wait(const std::stop_token& stop) {
  drain(wake_);  // of an earlier stop
  const std::stop_callback wake_up(stop, [this] { eventfd_write(wake_.get(), 1); });
  while (!stop.stop_requested()) {
    // Watches first: what happens after them is an event, what happened before is seen by look().
    watch_folders();
    take_events();
    for (auto file = open_.begin(); file != open_.end();) {
      const auto next = std::next(file);
      if (Clock::now() - file->second > kAbandoned) {
        forget(file);
      }
      file = next;
    }
    if (is_finished_ || look() != seen_) {
      for (int i = 0; i < kMostQuietChecks && wait_for_event(kQuiet, stop); ++i) {
      }
      seen_ = look();
      is_finished_ = false;
      return !stop.stop_requested();
    }
    wait_for_event(kSilentFileSystem, stop);
  }
  return false;
}

}  // namespace proxy
