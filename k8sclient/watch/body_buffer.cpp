#include "k8sclient/watch/body_buffer.h"

#include <utility>

#include <fmt/format.h>

namespace k8sclient {

namespace {

// The writer waits when the reader is this far behind.
constexpr std::size_t kRoom = 1U << 20U;

}  // namespace

void BodyBuffer::head_arrived() {
  const MutexLock lock(mutex_);
  has_head_ = true;
  changed_.notify_all();
}

void BodyBuffer::came_in(std::size_t bytes) {
  const MutexLock lock(mutex_);
  unwritten_ += bytes;
  if (unwritten_ > most_unwritten_ && !is_finished_) {
    is_flooded_ = true;
    is_finished_ = true;
    error_ = fmt::format("the head of the answer, or one chunk of it, is longer than {} bytes",
                         most_unwritten_);
    changed_.notify_all();
  }
}

void BodyBuffer::finish(std::string error) {
  const MutexLock lock(mutex_);
  if (is_flooded_) {
    return;
  }
  is_finished_ = true;
  error_ = std::move(error);
  changed_.notify_all();
}

template <typename Condition>
std::optional<Interruption> BodyBuffer::wait(Clock::time_point deadline,
                                             std::stop_token stop,
                                             Condition condition) {
  MutexLock lock(mutex_);
  if (changed_.wait_until(lock, stop, deadline, condition)) {
    return std::nullopt;
  }
  return stop.stop_requested() ? Interruption::kStopped : Interruption::kTooSilent;
}

std::optional<Interruption> BodyBuffer::wait_for_head(Clock::time_point deadline,
                                                      std::stop_token stop) {
  return wait(
      deadline, std::move(stop), [this]() REQUIRES(mutex_) { return has_head_ || is_finished_; });
}

std::optional<Interruption> BodyBuffer::wait_for_bytes(Clock::time_point deadline,
                                                       std::stop_token stop) {
  return wait(deadline, std::move(stop), [this]() REQUIRES(mutex_) {
    return !bytes_.empty() || is_finished_;
  });
}

std::string BodyBuffer::take() {
  std::optional<pplx::task_completion_event<void>> room;
  std::string bytes;
  {
    const MutexLock lock(mutex_);
    bytes.swap(bytes_);
    room.swap(room_);
  }
  if (room) {
    room->set();
  }
  return bytes;
}

bool BodyBuffer::is_finished() const {
  const MutexLock lock(mutex_);
  return is_finished_;
}

std::string BodyBuffer::error() const {
  const MutexLock lock(mutex_);
  return error_;
}

bool BodyBuffer::is_flooded() const {
  const MutexLock lock(mutex_);
  return is_flooded_;
}

void BodyBuffer::abandon() {
  {
    const MutexLock lock(mutex_);
    is_abandoned_ = true;
  }
  take();
}

pplx::task<BodyBuffer::int_type> BodyBuffer::_putc(std::uint8_t byte) {
  return _putn(&byte, 1).then([byte](std::size_t) { return static_cast<int_type>(byte); });
}

pplx::task<std::size_t> BodyBuffer::_putn(const std::uint8_t* bytes, std::size_t count) {
  const MutexLock lock(mutex_);
  unwritten_ = 0;
  if (is_abandoned_) {
    return pplx::task_from_result(count);
  }
  bytes_.append(bytes, bytes + count);
  changed_.notify_all();
  if (bytes_.size() < kRoom) {
    return pplx::task_from_result(count);
  }
  room_.emplace();
  return pplx::create_task(*room_).then([count] { return count; });
}

}  // namespace k8sclient
