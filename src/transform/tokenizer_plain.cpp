// The tokenizer without a model: see Tokenizer::without_model().
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "base/check.h"
#include "base/unicode.h"
#include "base/utf8.h"
#include "transform/tokenizer.h"

namespace headrace {
namespace {

// What a byte is. A token goes on while the kind stays, a capital may be followed by small letters.
enum Kind : uint8_t { kNothing, kMark, kSmall, kCapital, kDigit, kBeyondAscii };
constexpr std::array<uint8_t, 6> kRunMax = {0, 0, 4, 3, 2, 0};  // characters in one token

constexpr std::array<uint8_t, 256> kKinds = [] {
  std::array<uint8_t, 256> kinds{};
  for (size_t c = 0; c < 256; ++c) {
    const bool digit = c >= '0' && c <= '9';
    const bool small = c >= 'a' && c <= 'z';
    const bool capital = c >= 'A' && c <= 'Z';
    kinds[c] = c >= 0x80               ? kBeyondAscii
               : digit                 ? kDigit
               : small                 ? kSmall
               : capital               ? kCapital
               : c > 0x20 && c != 0x7F ? kMark
                                       : kNothing;
  }
  return kinds;
}();
Kind kind_of(char byte) {
  return static_cast<Kind>(kKinds[static_cast<uint8_t>(byte)]);
}
// Whether a token whose last byte is `last` and that holds `count` takes `next` as well.
bool goes_on(Kind last, Kind next, size_t count) {
  return (next == last || (last == kCapital && next == kSmall)) && count < kRunMax[next];
}

class PlainTokenizer final : public Tokenizer {
 public:
  void encode(std::string_view text, Encoding& out) const override {
    walk(text, [&out](uint32_t begin, uint32_t end, int32_t id) {
      out.ids.push_back(id);
      out.begins.push_back(begin);
      out.ends.push_back(end);
    });
  }
  void encode_with_special(std::string_view text, Encoding& out) const override {
    encode(text, out);
  }
  size_t encode_ids(std::string_view text, size_t limit, std::vector<int32_t>& out) const override {
    size_t count = 0;
    walk(text, [&](uint32_t, uint32_t, int32_t id) {
      if (limit == 0 || count < limit) out.push_back(id);
      ++count;
    });
    return count;
  }
  // Counts tokens as if every byte beyond ASCII were one: never too few, and much faster.
  bool surely_fits(std::string_view text, size_t tokens) const override {
    size_t count = 0;
    size_t run = 0;
    Kind last = kNothing;
    for (const char c : text) {
      const Kind kind = kind_of(c);
      run = goes_on(last, kind, run) ? run + 1 : 1;
      count += run == 1 && kind != kNothing;
      last = kind;
    }
    return count <= tokens;
  }
  size_t special_count() const override { return 0; }
  size_t vocabulary_size() const override { return 0; }
  std::string_view token(int32_t) const override { return {}; }

 private:
  // Ids only tell tokens apart: a hash of the token's bytes, not negative.
  static int32_t id_of(const char* bytes, size_t size) {
    uint64_t hash = size;
    for (size_t i = 0; i < size; i += 8) {
      uint64_t word = 0;
      std::memcpy(&word, bytes + i, std::min<size_t>(8, size - i));
      hash = (hash ^ word) * 0x9E3779B97F4A7C15ULL;
      hash ^= hash >> 32;
    }
    return static_cast<int32_t>(hash & 0x7FFFFFFF);
  }

  static bool is_visible(char32_t c) {
    using unicode::Category;
    const Category k = unicode::category(c);
    return k < Category::Zs || k == Category::Co;
  }

  // A character beyond ASCII with the marks on it: how many tokens it is, and where it ends.
  static size_t beyond_ascii(std::string_view text, size_t& at) {
    const CodePoint point = decode_code_point(text, at);
    at += point.length;
    if (!is_visible(point.value)) return 0;
    while (at < text.size() && kind_of(text[at]) == kBeyondAscii) {
      const CodePoint mark = decode_code_point(text, at);
      if (unicode::category(mark.value) != unicode::Category::Mn) break;
      at += mark.length;
    }
    // A syllable of Hangul is two letters, or three.
    if (point.value < 0xAC00 || point.value > 0xD7A3) return 1;
    return (point.value - 0xAC00) % 28 == 0 ? 2 : 3;
  }

  template <typename Put>
  static void walk(std::string_view text, Put&& put) {
    HR_CHECK(text.size() <= UINT32_MAX, "offsets have 32 bits");
    for (size_t at = 0; at < text.size();) {
      const size_t begin = at;
      Kind last = kind_of(text[at]);
      size_t tokens = 1;
      if (last == kBeyondAscii) {
        tokens = beyond_ascii(text, at);
      } else {
        ++at;
        for (; at < text.size() && goes_on(last, kind_of(text[at]), at - begin); ++at)
          last = kind_of(text[at]);
        tokens = last != kNothing;
      }
      for (; tokens > 0; --tokens) {
        put(static_cast<uint32_t>(begin), static_cast<uint32_t>(at),
            id_of(text.data() + begin, at - begin));
      }
    }
  }
};

}  // namespace

std::shared_ptr<const Tokenizer> Tokenizer::without_model() {
  static const auto tokenizer = std::make_shared<const PlainTokenizer>();
  return tokenizer;
}

}  // namespace headrace
