// Any bytes, read as what they are found to be and as everything else, become text.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"
#include "decode/text_formats.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace headrace;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  static constexpr std::array<std::string_view, 7> kNames = {
      "", "utf-8", "utf-16le", "utf-16be", "utf-32le", "utf-32be", "windows-1252"};
  for (const std::string_view name : kNames) {
    TextEncoding encoding{std::string(name)};
    if (name.empty()) encoding = detect_encoding(bytes, {});
    if (encoding.needs_worker) continue;
    const std::string text = to_utf8(bytes, encoding);
    HR_CHECK(is_valid_utf8(text), "text is UTF-8");
    HR_CHECK(text.find_first_of(std::string_view("\r\0", 2)) == std::string::npos, "clean lines");
  }
  return 0;
}
