#pragma once

#include <cstdint>
#include <list>
#include <mutex>
#include <thread>

namespace test {

/// A wire to a port of loopback that can be cut: clients connect to `port()` and reach the target.
/// Thread-safe.
class Relay {
 public:
  explicit Relay(std::uint16_t target);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  std::uint16_t port() const { return port_; }

  /// Ends all connections, and new ones as soon as they come.
  void cut();

  /// New connections pass again.
  void restore();

  /// The connections of now stay open and carry nothing any more; new ones pass.
  void silence();

 private:
  struct Wire {
    int client = -1;
    int server = -1;
    bool is_silent = false;
  };

  void run(const std::stop_token& stop);
  void accept_one();
  static bool carry(int from, int to);
  static void close(const Wire& wire);

  const std::uint16_t target_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::list<Wire> wires_;
  bool is_cut_ = false;
  std::jthread thread_;  // last: it ends before what it uses
};

}  // namespace test
