// The first byte picks the language.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "decode/check_document.h"
#include "decode/text_formats.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace headrace;
  if (size == 0) return 0;
  static constexpr std::array<std::string_view, 16> kNames = {
      "a.c",  "a.cpp", "a.go",  "a.rs", "a.ts", "a.py",  "a.rb", "a.sh",
      "a.kt", "a.php", "a.sql", "a.r",  "a.pl", "a.css", "a.hs", "no-ending"};
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string text = to_utf8(bytes, TextEncoding{"utf-8"});
  check_document(decode_source_code(text, kNames[data[0] % kNames.size()]));
  return 0;
}
