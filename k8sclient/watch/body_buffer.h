#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include <cpprest/astreambuf.h>

#include "k8sclient/base/mutex.h"

namespace k8sclient {

/// Why an exchange ended early.
enum class Interruption { kStopped, kTooSilent };

/// The body of one HTTP answer on its way from the threads of cpprestsdk, which write it as a
/// stream buffer, to the one thread that reads it. The writer is held up while the reader is
/// behind, so memory is bounded. Whoever reads may leave at any time: what is written later goes
/// nowhere.
class BodyBuffer : public concurrency::streams::details::streambuf_state_manager<std::uint8_t> {
 public:
  using Clock = std::chrono::steady_clock;

  /// The exchange breaks off when more than `most_unwritten` bytes have come in since the last
  /// piece of the body: cpprestsdk holds a head, and a chunk, until it has all of it.
  explicit BodyBuffer(std::size_t most_unwritten)
      : streambuf_state_manager(std::ios_base::out), most_unwritten_(most_unwritten) {}

  // The HTTP side.

  /// So many bytes have come in, of whatever.
  void came_in(std::size_t bytes);

  /// The head of the answer has arrived.
  void head_arrived();

  /// The body is complete, or broke off (`error`, not empty).
  void finish(std::string error);

  // The reading side.

  /// Waits until the head or the end is there; says if it gave up before.
  std::optional<Interruption> wait_for_head(Clock::time_point deadline, std::stop_token stop);

  /// Waits until there are bytes or the end; says if it gave up before.
  std::optional<Interruption> wait_for_bytes(Clock::time_point deadline, std::stop_token stop);

  /// Everything that has arrived; empty at the end, or before the first byte.
  std::string take();

  /// The end has been reached, bytes taken or not.
  bool is_finished() const;

  /// Why it broke off; empty if it did not.
  std::string error() const;

  /// It broke off because too much came in at once; the connection still stands.
  bool is_flooded() const;

  /// No more is wanted.
  void abandon();

  // What cpprestsdk asks of a stream buffer that is only written.

  bool can_seek() const override { return false; }

  bool has_size() const override { return false; }

  std::size_t buffer_size(std::ios_base::openmode) const override { return 0; }

  void set_buffer_size(std::size_t, std::ios_base::openmode) override {}

  std::size_t in_avail() const override { return 0; }

  pos_type getpos(std::ios_base::openmode) const override { return traits::eof(); }

  pos_type seekpos(pos_type, std::ios_base::openmode) override { return traits::eof(); }

  pos_type seekoff(off_type, std::ios_base::seekdir, std::ios_base::openmode) override {
    return traits::eof();
  }

  bool acquire(std::uint8_t*&, std::size_t&) override { return false; }

  void release(std::uint8_t*, std::size_t) override {}

 protected:
  pplx::task<int_type> _putc(std::uint8_t byte) override;
  pplx::task<std::size_t> _putn(const std::uint8_t* bytes, std::size_t count) override;

  pplx::task<int_type> _bumpc() override { return end(); }

  int_type _sbumpc() override { return traits::eof(); }

  pplx::task<int_type> _getc() override { return end(); }

  int_type _sgetc() override { return traits::eof(); }

  pplx::task<int_type> _nextc() override { return end(); }

  pplx::task<int_type> _ungetc() override { return end(); }

  pplx::task<std::size_t> _getn(std::uint8_t*, std::size_t) override { return nothing(); }

  std::size_t _scopy(std::uint8_t*, std::size_t) override { return 0; }

  pplx::task<bool> _sync() override { return pplx::task_from_result(true); }

  std::uint8_t* _alloc(std::size_t) override { return nullptr; }

  void _commit(std::size_t) override {}

 private:
  static pplx::task<int_type> end() { return pplx::task_from_result<int_type>(traits::eof()); }

  static pplx::task<std::size_t> nothing() { return pplx::task_from_result<std::size_t>(0); }

  template <typename Condition>
  std::optional<Interruption> wait(Clock::time_point deadline,
                                   std::stop_token stop,
                                   Condition condition);

  const std::size_t most_unwritten_;
  mutable Mutex mutex_;
  std::condition_variable_any changed_;
  std::string bytes_ GUARDED_BY(mutex_);
  std::size_t unwritten_ GUARDED_BY(mutex_) = 0;
  std::optional<pplx::task_completion_event<void>> room_
      GUARDED_BY(mutex_);  // set: the writer waits for it
  bool has_head_ GUARDED_BY(mutex_) = false;
  bool is_finished_ GUARDED_BY(mutex_) = false;
  bool is_abandoned_ GUARDED_BY(mutex_) = false;
  bool is_flooded_ GUARDED_BY(mutex_) = false;
  std::string error_ GUARDED_BY(mutex_);
};

}  // namespace k8sclient
