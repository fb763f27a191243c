// AlignedText: a text on its way through normalizers, each byte with the bytes of the original
// that it stands for, aligned exactly as Hugging Face `tokenizers` aligns them.
//
// Owns: text and spans. Threads: one object, one thread. Errors: none.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/utf8.h"

namespace headrace {

struct Span {
  uint32_t begin = 0;
  uint32_t end = 0;
};

// A character of a text being rewritten. change 0: it takes the place of the next character of the
// old text; 1: it is new, and stands where the one before it stood; -n: as 0, and the n characters
// after that are gone.
struct Rewritten {
  char32_t value = 0;
  int32_t change = 0;
};

struct AlignedText {
  std::string text;         // valid UTF-8
  std::vector<Span> spans;  // one for each byte
  uint32_t origin = 0;      // where in the original this text begins

  void clear() {
    text.clear();
    spans.clear();
  }

  void append(char32_t value, Span span) {
    char bytes[4];
    const size_t size = encode_code_point(value, bytes);
    text.append(bytes, size);
    for (size_t i = 0; i < size; ++i) spans.push_back(span);
  }

  // `original[begin, end)` as it stands; bad bytes become U+FFFD.
  void assign(std::string_view original, size_t begin, size_t end) {
    clear();
    origin = static_cast<uint32_t>(begin);
    const std::string_view within = original.substr(0, end);
    if (is_valid_utf8(within.substr(begin))) {
      text.assign(within.substr(begin));
      spans.resize(end - begin);
      for (size_t at = begin; at < end;) {
        const size_t next = at + decode_code_point(within, at).length;
        const Span span{static_cast<uint32_t>(at), static_cast<uint32_t>(next)};
        for (; at < next; ++at) spans[at - begin] = span;
      }
      return;
    }
    text.reserve(end - begin);
    spans.reserve(end - begin);
    for (size_t at = begin; at < end;) {
      const CodePoint point = decode_code_point(within, at);
      append(point.value, {static_cast<uint32_t>(at), static_cast<uint32_t>(at + point.length)});
      at += point.length;
    }
  }

  // Replaces the text; the first `removed` characters of the old one are gone.
  void rewrite(const std::vector<Rewritten>& characters, size_t removed) {
    AlignedText out;
    out.origin = origin;
    out.text.reserve(text.size());
    out.spans.reserve(text.size());
    size_t at = 0;
    const auto skip = [this, &at] {
      if (at < text.size()) at += decode_code_point(text, at).length;
    };
    for (size_t i = 0; i < removed; ++i) skip();
    for (const Rewritten& c : characters) {
      if (c.change > 0) {
        out.append(c.value, at == 0 ? Span{origin, origin} : spans[std::min(at, spans.size()) - 1]);
        continue;
      }
      // Past the end (a quirk of some maps) the last character stands in.
      out.append(c.value, at < spans.size() ? spans[at]
                          : spans.empty()   ? Span{origin, origin}
                                            : spans.back());
      skip();
      for (int32_t i = c.change; i < 0; ++i) skip();
    }
    *this = std::move(out);
  }
};

}  // namespace headrace
