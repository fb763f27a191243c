// AlignedBuffer: zeroed memory at a 64-byte boundary, for weights and for what is computed.
//
// Large buffers are mapped by themselves: pages that nobody touched cost nothing, and what is given
// up goes back to the system at once instead of staying behind as holes in the heap.
//
// Owns: its memory. Threads: as any plain memory. Errors: std::bad_alloc when there is none.
#pragma once

#include <cstddef>
#include <memory>

namespace headrace::embed {

class ZeroedMemory {
 public:
  ZeroedMemory() = default;
  explicit ZeroedMemory(size_t bytes);
  void* data() const { return bytes_.get(); }

 private:
  struct Release {
    size_t mapped;  // bytes; 0: from the heap
    void operator()(std::byte* bytes) const;
  };
  std::unique_ptr<std::byte[], Release> bytes_;
};

template <class T>
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t count) : memory_(count * sizeof(T)), count_(count) {}
  // All zero again.
  void resize(size_t count) { *this = AlignedBuffer(count); }
  // Makes room; what was there is gone. What is too small goes first, and no more comes than asked
  // for: two buffers at a time, or twice the size, would be what a process is remembered by.
  void grow(size_t count) {
    if (count <= count_) return;
    *this = AlignedBuffer();
    resize(count);
  }
  size_t size() const { return count_; }
  T* data() { return static_cast<T*>(memory_.data()); }
  const T* data() const { return static_cast<const T*>(memory_.data()); }

 private:
  ZeroedMemory memory_;
  size_t count_ = 0;
};

}  // namespace headrace::embed
