#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bench/sync_figures.h"
#include "proxy/host/descriptor.h"

namespace bench {

/// From now on this process and its children lock a file of their own, gone at the end, instead of
/// /run/xtables.lock, which the host's firewall may be waiting for. Throws std::system_error.
class OwnLockFile {
 public:
  OwnLockFile();
  ~OwnLockFile();
  OwnLockFile(const OwnLockFile&) = delete;
  OwnLockFile& operator=(const OwnLockFile&) = delete;

 private:
  std::string path_ = "/tmp/iptproxy-bench-XXXXXX";
};

using Sink = std::function<void(const Figures&)>;

/// Runs `work` in a child process, which has a network namespace of its own and a resident set
/// that no other run has touched. Returns what it handed to the sink. Throws std::runtime_error if
/// the child failed; it has printed why. Throws std::system_error without the right to make a
/// namespace.
std::vector<Figures> run_apart(const std::function<void(const Sink&)>& work);

/// Runs `work` in a thread in that network namespace, or in a new one if there is none. Throws what
/// it throws, and std::system_error.
void in_namespace(const proxy::Descriptor& space, const std::function<void()>& work);

}  // namespace bench
