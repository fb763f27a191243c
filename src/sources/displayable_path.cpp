#include "sources/displayable_path.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>

#include "base/utf8.h"

namespace headrace {

namespace {

constexpr size_t kEscapeBytes = 4;  // \xNN

bool begins_with_escape(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  return text.size() >= kEscapeBytes && text.starts_with("\\x") &&
         kDigits.find(text[2]) != std::string_view::npos &&
         kDigits.find(text[3]) != std::string_view::npos;
}

}  // namespace

std::string displayable_path(std::string_view path) {
  std::string shown;
  for (size_t i = 0; i < path.size();) {
    const CodePoint code_point = decode_code_point(path, i);
    if (code_point.valid && !begins_with_escape(path.substr(i))) {
      shown.append(path.substr(i, code_point.length));
    } else {
      shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(path[i]));
    }
    i += code_point.length;
  }
  return shown;
}

std::string path_of_displayed(std::string_view shown) {
  std::string path;
  for (size_t i = 0; i < shown.size();) {
    if (!begins_with_escape(shown.substr(i))) {
      path.push_back(shown[i++]);
      continue;
    }
    uint8_t byte = 0;
    std::from_chars(shown.data() + i + 2, shown.data() + i + kEscapeBytes, byte, 16);
    path.push_back(static_cast<char>(byte));
    i += kEscapeBytes;
  }
  return path;
}

}  // namespace headrace
