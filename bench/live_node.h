#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/sync_figures.h"
#include "proxy/host/descriptor.h"
#include "test/support/program.h"

namespace bench {

/// The address of the API server in its network namespace, reachable from every LiveNode.
inline constexpr const char* kApiAddress = "10.255.0.1";

/// Gives the current network namespace that address.
void become_control_plane();

/// A node: a network namespace that is linked to the one in which it was made. The calling thread
/// is in it as long as this lives, one at a time. Throws std::system_error.
class LiveNode {
 public:
  /// `variant` is the one that kubelet uses there: "legacy" or "nft".
  LiveNode(const std::string& variant, const std::filesystem::path& folder);
  ~LiveNode();
  LiveNode(const LiveNode&) = delete;
  LiveNode& operator=(const LiveNode&) = delete;

  void start(const std::vector<std::string>& argv);
  void stop();

  /// Rules of a nat chain; on legacy entries of the whole table, whatever the chain, since only
  /// that is cheap to ask for.
  std::size_t rules_in(const std::string& chain) const;

  /// Milliseconds from `start` until the condition is true, which is asked all the time. Throws
  /// std::runtime_error if the program ends or ten minutes are over.
  double await(std::chrono::steady_clock::time_point start, const std::function<bool()>& condition);

  /// While it runs.
  const test::Program& program() const { return *program_; }

  /// What the program has logged since it was started.
  std::string log() const;

  std::size_t rss_bytes() const { return rss_bytes_; }

  std::size_t child_rss_bytes() const { return child_rss_bytes_; }

 private:
  void look_at_memory();

  bool is_nft_;
  proxy::Descriptor home_;
  std::filesystem::path log_;
  std::string path_;
  std::unique_ptr<test::Program> program_;
  std::size_t rss_bytes_ = 0;
  std::size_t child_rss_bytes_ = 0;
};

}  // namespace bench
