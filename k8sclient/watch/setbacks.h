#pragma once

#include <chrono>
#include <exception>
#include <memory>
#include <optional>

#include "k8sclient/watch/backoff.h"
#include "k8sclient/watch/server_loss.h"

namespace k8sclient {

/// What went wrong with one watch lately, and what follows from that: when to try again, whether
/// the position can be believed, and whom to let go first. Time is passed in. For one thread.
class Setbacks {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// `loss` is shared by the watches of one server; null: this one is alone.
  Setbacks(const Delays& delays, std::shared_ptr<ServerLoss> loss);
  ~Setbacks();
  Setbacks(const Setbacks&) = delete;
  Setbacks& operator=(const Setbacks&) = delete;

  /// A try went well.
  void heard();

  /// An event or a bookmark came, so the server and we are at the same place.
  void saw_event(Time now);

  /// A try failed; `has_position` says whether a list had been complete. The delay before the next
  /// one: none, once in a while, where the failure says that the server works, as when a position
  /// is too old, or a watch that it had accepted broke off, which may have happened to this
  /// connection alone.
  Milliseconds failed(const std::exception& error, bool has_position, Time now);

  /// How much longer to wait after that delay, at random: not at all unless this process lost all
  /// its connections together, as all other nodes did if it was the server.
  Milliseconds more_delay(Time now);

  /// How long to wait before a list, which is what costs a server most: not at all unless it has
  /// just come back. A part of the time that it was away, at random.
  Milliseconds list_delay(Time now);

  /// Whether the server may have forgotten what we know, as after a restore from a backup: it was
  /// not to be reached, or nothing happened for too long.
  bool is_position_in_doubt(Time now) const;

  /// Whether the server accepted watches and said nothing at all, though it has to now and then.
  bool was_silent() const;

  /// The server was asked, and knows at least what we know.
  void position_is_right(Time now);

 private:
  const Delays delays_;
  const std::shared_ptr<ServerLoss> loss_;
  Backoff backoff_;
  std::optional<Time> retried_at_once_;
  bool broke_off_ = false;           // and more_delay() was not asked yet
  bool was_away_ = false;            // and what it knows now was not looked at yet
  std::optional<Time> away_since_;   // it answered nobody
  int silent_watches_ = 0;           // one after the other
  std::optional<Time> quiet_since_;  // the last event; nothing before the first one
};

}  // namespace k8sclient
