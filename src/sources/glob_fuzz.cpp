// The first line is a path, the others are an ignore file; each pattern is tried alone too.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "sources/glob.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace headrace;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const size_t line = bytes.find('\n');
  if (line == std::string_view::npos) return 0;
  const std::string_view path = bytes.substr(0, line), rest = bytes.substr(line + 1);
  PatternList list;
  list.add_file(rest);
  (void)list.matches(path, false);
  (void)list.matches(path, true);
  (void)glob_match(rest, path);
  if (!has_glob(path) && path.find('\\') == std::string_view::npos)
    HR_CHECK(glob_match(path, path), "a plain path matches itself");
  return 0;
}
