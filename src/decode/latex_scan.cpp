#include "decode/latex_scan.h"

#include <algorithm>

#include "base/utf8.h"

namespace headrace {
namespace {

constexpr size_t kOptionBytesMax = 4 << 10;
constexpr size_t kArgumentBytesMax = 64 << 10;

}  // namespace

std::string_view take_latex_character(std::string_view in, size_t& at) {
  const std::string_view character = in.substr(at, decode_code_point(in, at).length);
  at += character.size();
  return character;
}

std::string_view take_latex_option(std::string_view in, size_t& at) {
  if (at >= in.size() || in[at] != '[') return {};
  int depth = 0;
  const size_t limit = std::min(in.size(), at + kOptionBytesMax);
  for (size_t i = at; i < limit; ++i) {
    if (in[i] == '{' || in[i] == '[') ++depth;
    if (in[i] == '}' || in[i] == ']') --depth;
    if (depth == 0) {
      const std::string_view inside = in.substr(at + 1, i - at - 1);
      at = i + 1;
      return inside;
    }
  }
  return {};
}

std::string_view take_latex_argument(std::string_view in, size_t& at) {
  while (at < in.size() && in[at] == ' ') ++at;
  if (at >= in.size() || in[at] != '{') return {};
  int depth = 0;
  const size_t limit = std::min(in.size(), at + kArgumentBytesMax);
  for (size_t i = at; i < limit; ++i) {
    if (in[i] == '\\') {
      ++i;
      continue;
    }
    if (in[i] == '{') ++depth;
    if (in[i] == '}' && --depth == 0) {
      const std::string_view inside = in.substr(at + 1, i - at - 1);
      at = i + 1;
      return inside;
    }
  }
  ++at;
  return {};
}

std::optional<std::string_view> take_latex_math(std::string_view in, size_t& at) {
  const bool display = in.substr(at, 2) == "$$";
  const size_t begin = at + (display ? 2 : 1);
  size_t end = begin;
  const size_t limit = std::min(in.size(), begin + kLatexMathBytesMax);
  for (; end < limit; ++end) {
    if (in[end] == '\\') {
      ++end;
    } else if (in[end] == '$' || (in[end] == '\n' && in.substr(end, 2) == "\n\n")) {
      break;
    }
  }
  if (end >= limit || in[end] != '$') return std::nullopt;
  end = std::min(end + (display ? 2 : 1), in.size());
  const std::string_view taken = in.substr(at, end - at);
  at = end;
  return taken;
}

std::optional<std::string_view> take_latex_verbatim(std::string_view in, size_t& at) {
  if (at >= in.size() || in[at] == '\n') return std::nullopt;
  const size_t begin = at;
  const std::string_view mark = take_latex_character(in, at);
  const std::string_view end_mark = mark == "{" ? "}" : mark;
  const size_t line_end = std::min(in.find('\n', at), in.size());
  const size_t end = in.substr(0, line_end).find(end_mark, at);
  if (end == std::string_view::npos && line_end == in.size()) {
    at = begin;
    return std::nullopt;
  }
  const bool ends = end != std::string_view::npos;
  const std::string_view taken = in.substr(at, (ends ? end : line_end) - at);
  at = ends ? end + end_mark.size() : line_end;
  return taken;
}

void skip_latex_condition(std::string_view in, size_t& at) {
  size_t depth = 1;
  while (depth > 0) {
    const size_t sign = in.find('\\', at);
    if (sign == std::string_view::npos) {
      at = in.size();
      break;
    }
    size_t end = sign + 1;
    while (end < in.size() && is_latex_letter(in[end])) ++end;
    const std::string_view name = in.substr(sign + 1, end - sign - 1);
    if (name == "fi" || (name == "else" && depth == 1)) {
      --depth;
    } else if (name.starts_with("if")) {
      ++depth;
    }
    at = name.empty() ? std::min(end + 1, in.size()) : end;
  }
}

}  // namespace headrace
