// Any bytes in the place of a section file, also with all checksums made right: what opens is
// checked, and what the check accepts is read row by row. Salvage takes any bytes.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "base/check.h"
#include "base/hash.h"
#include "index/row_codec.h"
#include "index/segment.h"
#include "index/segment_salvage.h"

using namespace headrace;
using namespace headrace::index;

namespace {

constexpr size_t kHeader = 64;
constexpr size_t kTail = 32;

void put64(std::string& bytes, size_t at, uint64_t value) {
  std::memcpy(bytes.data() + at, &value, 8);
}

// Makes the checksums of header and footer right, so that what they protect is reached.
void reseal(std::string& bytes) {
  if (bytes.size() < kHeader + kTail) return;
  put64(bytes, kHeader - 8, hash64(std::string_view(bytes).substr(0, kHeader - 8)));
  const size_t tail = bytes.size() - kTail;
  uint64_t footer = 0;
  std::memcpy(&footer, bytes.data() + tail, 8);
  put64(bytes, tail + 8, bytes.size());
  if (footer > tail - kHeader) return;
  put64(bytes, tail + 16, hash64(std::string_view(bytes).substr(tail - footer, footer + 16)));
}

void try_segment(std::string_view bytes) {
  ImageSink image;
  HR_CHECK(image.append(bytes), "memory takes bytes");
  Space space;
  space.name = "default";
  space.dimension = 4;
  static_cast<void>(salvage_segment(image.bytes(), "fuzz", "en", {&space, 1}));
  const auto segment = Segment::open_image(std::move(image));
  if (!segment || !(*segment)->check()) return;
  BlockCache cache;
  for (uint32_t row = 0; row < (*segment)->row_count(); ++row) {
    const auto blob = (*segment)->rows().blob(row, cache);
    HR_CHECK(blob, "a checked row is there");
    Row decoded;
    HR_CHECK(decode_row_blob(*blob, decoded), "a checked row decodes");
  }
  for (uint32_t document = 0; document < (*segment)->document_count(); ++document)
    static_cast<void>((*segment)->documents().state(document));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  try_segment(bytes);
  reseal(bytes);
  try_segment(bytes);
  return 0;
}
