// Any bytes in the place of a manifest, also with a right checksum: what is accepted is written and
// read again as the same.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "base/check.h"
#include "base/hash.h"
#include "index/manifest.h"

using namespace headrace;
using namespace headrace::index;

namespace {
void try_decode(std::string_view bytes) {
  const auto manifest = Manifest::decode(bytes, "fuzz");
  if (!manifest) return;
  const auto again = Manifest::decode(manifest->encode(), "again");
  HR_CHECK(again && again->encode() == manifest->encode(), "a manifest is stable");
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  try_decode(bytes);
  static_cast<void>(parse_file_name(bytes));
  if (size < 64) return 0;
  const auto whole = static_cast<uint64_t>(size);
  std::memcpy(bytes.data() + 16, &whole, 8);
  const uint64_t checksum = hash64(std::string_view(bytes).substr(0, size - 8));
  std::memcpy(bytes.data() + size - 8, &checksum, 8);
  try_decode(bytes);
  return 0;
}
