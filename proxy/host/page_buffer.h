#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace proxy {

/// Memory in whole pages, straight from the kernel. It grows without being copied, so that a table
/// of 100 MB is never held twice, and what it gives back is gone from the resident set at once.
/// New bytes are zero.
class PageBuffer {
 public:
  PageBuffer() = default;
  ~PageBuffer();
  PageBuffer(PageBuffer&& other) noexcept;
  PageBuffer& operator=(PageBuffer&& other) noexcept;
  PageBuffer(const PageBuffer&) = delete;
  PageBuffer& operator=(const PageBuffer&) = delete;

  /// Keeps the bytes below the smaller of both sizes. May move them. Throws std::bad_alloc.
  void resize(std::size_t size);

  std::span<std::uint8_t> bytes() { return {data_, size_}; }

  std::span<const std::uint8_t> bytes() const { return {data_, size_}; }

  std::size_t size() const { return size_; }

 private:
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t mapped_ = 0;  // whole pages
};

}  // namespace proxy
