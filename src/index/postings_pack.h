// Packing 128 numbers into b bits each, four lanes wide (docs/formats/postings.md, "Packing"), so
// that any CPU with 128-bit registers unpacks four at a time.
//
// Owns: nothing. Threads: pure. Errors: callers make sure of the sizes.
#pragma once

#include <cstdint>

namespace headrace::index {

inline constexpr uint32_t packed_bytes(uint32_t bits) {
  return 16 * bits;
}
// Bits needed for the largest of 128 values, 0–32.
uint32_t bits_needed(const uint32_t* values);
// `out` takes packed_bytes(bits).
void pack_block(const uint32_t* values, uint32_t bits, char* out);
// Reads packed_bytes(bits) from `in`; bits <= 32.
void unpack_block(const char* in, uint32_t bits, uint32_t* values);
// The same, then the running sum from `base` (wrapping).
void unpack_gaps(const char* in, uint32_t bits, uint32_t base, uint32_t* values);

}  // namespace headrace::index
