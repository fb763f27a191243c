// Fuzzes e-mail, and the conversion of legacy text with the bytes up to the first line break as the
// encoding's name.
#include <cstdint>
#include <string_view>

#include "email.h"
#include "fuzz_document.h"
#include "legacy_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto file = headrace::formats::decode_email(bytes);
  if (file) headrace::formats::check_document(file->document);
  const size_t line_end = bytes.find('\n');
  if (line_end != std::string_view::npos) {
    const auto text = headrace::formats::decode_legacy_text(bytes.substr(line_end + 1),
                                                            bytes.substr(0, line_end));
    HR_CHECK(!text || headrace::is_valid_utf8(*text), "text is UTF-8");
  }
  return 0;
}
