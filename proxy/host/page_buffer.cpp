#include "proxy/host/page_buffer.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include <sys/mman.h>
#include <unistd.h>

namespace proxy {

namespace {

std::size_t whole_pages(std::size_t size) {
  static const auto kPage = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return (size + kPage - 1) / kPage * kPage;
}

}  // namespace

PageBuffer::~PageBuffer() {
  if (mapped_ != 0) {
    munmap(data_, mapped_);
  }
}

PageBuffer::PageBuffer(PageBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      mapped_(std::exchange(other.mapped_, 0)) {}

PageBuffer& PageBuffer::operator=(PageBuffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(mapped_, other.mapped_);
  return *this;
}

void PageBuffer::resize(std::size_t size) {
  const std::size_t wanted = whole_pages(size);
  if (size < size_) {
    // The rest of the last page must be zero if it is used again.
    std::memset(data_ + size, 0, std::min(wanted, size_) - size);
  }
  if (wanted == 0) {
    *this = PageBuffer();
    return;
  }
  if (wanted != mapped_) {
    void* memory =
        mapped_ == 0
            ? mmap(nullptr, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
            : mremap(data_, mapped_, wanted, MREMAP_MAYMOVE);
    if (memory == MAP_FAILED) {
      throw std::bad_alloc();
    }
    data_ = static_cast<std::uint8_t*>(memory);
    mapped_ = wanted;
  }
  size_ = size;
}

}  // namespace proxy
