// The tokenizer without a model: see Tokenizer::without_model().
#include <algorithm>
#include <cstring>
#include <memory>

#include "base/check.h"
#include "base/unicode.h"
#include "base/utf8.h"
#include "transform/tokenizer.h"

namespace headrace {
namespace {

constexpr size_t kRunMax = 6;  // letters or digits in one token

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
    for (const char c : text) {
      const auto byte = static_cast<uint8_t>(c);
      const bool in_run = is_ascii_run(byte);
      count += in_run ? run % kRunMax == 0 : byte > 0x20;
      run = in_run ? run + 1 : 0;
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

  static bool is_ascii_run(uint8_t byte) {
    return static_cast<uint8_t>((byte | 0x20) - 'a') < 26 || static_cast<uint8_t>(byte - '0') < 10;
  }
  static bool in_run(char32_t c) {
    if (c < 0x80) return is_ascii_run(static_cast<uint8_t>(c));
    // Marks belong to the letter before them.
    return unicode::is_word_character(c);
  }
  static bool is_visible(char32_t c) {
    if (c < 0x80) return c > 0x20 && c < 0x7F;
    using unicode::Category;
    const Category k = unicode::category(c);
    return k < Category::Zs || k == Category::Co;
  }

  // Where the token at `at` ends; `at` itself when nothing visible stands there. `length` is that
  // of the character at `at`.
  static size_t token_end(std::string_view text, size_t at, size_t& length) {
    const CodePoint point = decode_code_point(text, at);
    length = point.length;
    if (!in_run(point.value)) return is_visible(point.value) ? at + length : at;
    size_t end = at + length;
    for (size_t count = 1; count < kRunMax && end < text.size(); ++count) {
      const auto byte = static_cast<uint8_t>(text.data()[end]);
      if (byte < 0x80) {
        if (!is_ascii_run(byte)) break;
        ++end;
        continue;
      }
      const CodePoint next = decode_code_point(text, end);
      if (!in_run(next.value)) break;
      end += next.length;
    }
    return end;
  }

  template <typename Put>
  static void walk(std::string_view text, Put&& put) {
    HR_CHECK(text.size() <= UINT32_MAX, "offsets have 32 bits");
    for (size_t at = 0; at < text.size();) {
      size_t length = 1;
      const size_t end = token_end(text, at, length);
      if (end == at) {
        at += length;
        continue;
      }
      put(static_cast<uint32_t>(at), static_cast<uint32_t>(end), id_of(text.data() + at, end - at));
      at = end;
    }
  }
};

}  // namespace

std::shared_ptr<const Tokenizer> Tokenizer::without_model() {
  static const auto tokenizer = std::make_shared<const PlainTokenizer>();
  return tokenizer;
}

}  // namespace headrace
