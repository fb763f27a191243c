#include <cstdint>
#include <string>
#include <string_view>

#include "decode/check_document.h"
#include "decode/text_formats.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace headrace;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string text = to_utf8(bytes, TextEncoding{"utf-8"});
  check_document(decode_plain_text(text));
  if (const auto json = decode_json(text)) check_document(*json);
  check_document(decode_csv(text));
  if (const auto notebook = decode_notebook(text)) check_document(*notebook);
  return 0;
}
