#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "decode/html.h"
#include "decode/html_entities.h"

namespace headrace {
namespace {

void check_document(const Document& document) {
  uint32_t last = 0;
  for (const Block& block : document.blocks) {
    HR_CHECK(block.begin >= last && block.begin < block.end, "blocks are ordered and not empty");
    last = block.end;
  }
  HR_CHECK(last == document.text.size(), "the last block ends the text");
  for (size_t pos = 0; pos < document.text.size();) {
    const Utf8Step step = read_utf8(std::string_view(document.text).substr(pos, 4));
    HR_CHECK(step.valid && step.code_point != 0, "the text is UTF-8 without NUL");
    pos += step.length;
  }
}

}  // namespace
}  // namespace headrace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace headrace;
  const std::string_view page(reinterpret_cast<const char*>(data), size);
  check_document(decode_html(page).value());
  check_document(decode_html(page, {.whole_page = true}).value());
  check_document(decode_html(page, {.whole_page = true, .is_xhtml = true}).value());
  return 0;
}
