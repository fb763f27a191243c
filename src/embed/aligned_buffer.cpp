#include "embed/aligned_buffer.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>

namespace headrace::embed {
namespace {

constexpr size_t kLine = 64;
constexpr size_t kMappedFrom = 128 << 10;

}  // namespace

ZeroedMemory::ZeroedMemory(size_t bytes) {
  if (bytes == 0) return;
  if (bytes >= kMappedFrom) {
    void* const mapped =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    bytes_ = {static_cast<std::byte*>(mapped), Release{bytes}};
    return;
  }
  const size_t lines = (bytes + kLine - 1) / kLine * kLine;
  void* const memory = std::aligned_alloc(kLine, lines);
  if (memory == nullptr) throw std::bad_alloc();
  std::memset(memory, 0, lines);
  bytes_ = {static_cast<std::byte*>(memory), Release{0}};
}

void ZeroedMemory::Release::operator()(std::byte* bytes) const {
  if (mapped > 0) {
    ::munmap(bytes, mapped);
  } else {
    std::free(bytes);
  }
}

}  // namespace headrace::embed
