// The first line is the name, what follows the content.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "decode/format.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace headrace;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const size_t line = bytes.find('\n');
  if (line == std::string_view::npos) return 0;
  const std::string_view content = bytes.substr(line + 1);
  const Format format = detect_format(content, bytes.substr(0, line));
  HR_CHECK((format == Format::empty) == content.empty(), "only what is empty is empty");
  HR_CHECK(!format_name(format).empty() && !format_media_type(format).empty(), "it has a name");
  return 0;
}
