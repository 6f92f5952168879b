#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include <sys/types.h>

namespace bench {

/// A child process that talks over a pipe, one line each way. Made before this process has threads.
/// Killed at the end.
class Child {
 public:
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();

 protected:
  Child() = default;

  /// True in the child, which has `in_` and `out_` as its own ends.
  bool fork_child();

  void tell(const std::string& line) const;
  std::string hear() const;  // throws std::runtime_error at the end of the other side

 private:
  pid_t pid_ = -1;
  int in_ = -1;
  int out_ = -1;
};

/// What a node does with an API server: three watches into a Store.
class NodeClient : public Child {
 public:
  /// `content_type` is what --kube-api-content-type names.
  explicit NodeClient(const std::string& content_type);

  /// Waits until all is listed. Processor time of the process since its start, in milliseconds.
  double start(const std::string& url) const;

  /// The same when slices are known up to that version.
  double follow(std::uint64_t version) const;

 private:
  [[noreturn]] void live(const std::string& content_type) const;
};

/// Watches of slices that read and forget, as many as there are other nodes.
class OtherNodes : public Child {
 public:
  OtherNodes();

  /// They watch from `version` on.
  struct Watching {
    std::uint16_t port = 0;
    std::size_t count = 0;
    std::uint64_t version = 0;
    std::string content_type;
  };

  void watch(const Watching& what) const;

 private:
  [[noreturn]] void live() const;
};

}  // namespace bench
