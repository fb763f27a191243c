#include "text_bytes.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include "base/utf8.h"

namespace headrace::python {
namespace {

// Bits that no ASCII character has, in eight bytes of characters of this size.
template <typename Character>
constexpr uint64_t kBeyondAscii = sizeof(Character) == 1   ? 0x8080808080808080
                                  : sizeof(Character) == 2 ? 0xFF80FF80FF80FF80
                                                           : 0xFFFFFF80FFFFFF80;

// The low bytes of the characters in `bits`, side by side. Bytes above those of the last are
// rubbish.
template <typename Character>
uint64_t low_bytes(uint64_t bits) {
  if constexpr (sizeof(Character) == 4) return bits | bits >> 24;
  if constexpr (sizeof(Character) == 2) {
    bits = (bits | bits >> 8) & 0x0000FFFF0000FFFF;
    return bits | bits >> 16;
  }
  return bits;
}

// Writes the UTF-8 of `text` and returns where it ends.
template <typename Character>
char* write(std::span<const Character> text, char* out) {
  constexpr size_t kAtOnce = sizeof(uint64_t) / sizeof(Character);
  const Character* p = text.data();
  const Character* const end = p + text.size();
  while (p < end) {
    while (static_cast<size_t>(end - p) >= kAtOnce) {
      uint64_t bits = 0;
      std::memcpy(&bits, p, sizeof(bits));
      if ((bits & kBeyondAscii<Character>) != 0) break;
      bits = low_bytes<Character>(bits);
      std::memcpy(out, &bits, kAtOnce);
      p += kAtOnce;
      out += kAtOnce;
    }
    for (size_t i = 0; i < kAtOnce && p < end; ++i) {
      const uint32_t c = *p++;
      if (c < 0x80) {
        *out++ = static_cast<char>(c);
      } else if (c < 0x800) {
        *out++ = static_cast<char>(0xC0 | c >> 6);
        *out++ = static_cast<char>(0x80 | (c & 0x3F));
      } else {
        out += encode_code_point(c, out);
      }
    }
  }
  return out;
}

}  // namespace

std::string_view TextBytes::of(PyObject* text) {
  const auto size = static_cast<size_t>(PyUnicode_GET_LENGTH(text));
  const void* const data = PyUnicode_DATA(text);
  if (PyUnicode_IS_ASCII(text)) return {static_cast<const char*>(data), size};
  const int kind = PyUnicode_KIND(text);  // the bytes of a character
  constexpr std::array<size_t, 5> kMost = {0, 2, 3, 0, 4};
  const size_t most = size * kMost.at(static_cast<size_t>(kind));
  if (most > room_) {
    bytes_.reset();
    bytes_ = std::make_unique_for_overwrite<char[]>(most);
    room_ = most;
  }
  char* const out = bytes_.get();
  const char* const end = kind == PyUnicode_1BYTE_KIND
                              ? write<Py_UCS1>({static_cast<const Py_UCS1*>(data), size}, out)
                          : kind == PyUnicode_2BYTE_KIND
                              ? write<Py_UCS2>({static_cast<const Py_UCS2*>(data), size}, out)
                              : write<Py_UCS4>({static_cast<const Py_UCS4*>(data), size}, out);
  return {out, static_cast<size_t>(end - out)};
}

}  // namespace headrace::python
