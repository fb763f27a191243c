// Fuzzes RTF.
#include <cstdint>
#include <string_view>

#include "fuzz_document.h"
#include "rtf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto document = headrace::formats::decode_rtf({reinterpret_cast<const char*>(data), size});
  if (document) headrace::formats::check_document(*document);
  return 0;
}
