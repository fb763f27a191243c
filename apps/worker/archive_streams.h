// ByteStream: bytes that are decompressed as they are read, with a guard against bombs.
//
// Owns: the state of its library. Threads: one. Errors: damaged, too_large (a bomb, or memory that
// a hostile header asks for).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace headrace::archive {

// How much may come out of how much: beyond 16 MiB no more than 1000 times the bytes that went in
// (ordinary compressors reach that only on zeros), and never more than a total.
class ExpansionGuard {
 public:
  explicit ExpansionGuard(uint64_t total_bytes_max) : total_max_(total_bytes_max) {}
  // `in`: compressed bytes used so far; `out`: bytes got from them so far.
  Status check(uint64_t in, uint64_t out) const;

 private:
  uint64_t total_max_;
};

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // Fills the buffer and returns how many bytes came; fewer only at the end.
  virtual Result<size_t> read(char* buffer, size_t size) = 0;
};

// `bytes` must outlive the stream. `kind`: tar (as it is), gzip, zstd, bzip2, xz.
Result<std::unique_ptr<ByteStream>> open_stream(std::string_view kind, std::string_view bytes,
                                                const ExpansionGuard& guard);

}  // namespace headrace::archive
