// The tokenizer without a model: see Tokenizer::without_model().
#include <string>

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
  size_t special_count() const override { return 0; }
  size_t vocabulary_size() const override { return 0; }
  std::string_view token(int32_t) const override { return {}; }

 private:
  // Ids only tell tokens apart: a hash of the token's bytes, not negative.
  static int32_t id_of(std::string_view bytes) {
    uint32_t hash = 2166136261u;
    for (const char byte : bytes) hash = (hash ^ static_cast<uint8_t>(byte)) * 16777619u;
    return static_cast<int32_t>(hash & 0x7FFFFFFFu);
  }

  static bool in_run(char32_t c) {
    if (c < 0x80) return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
    // Marks belong to the letter before them.
    return unicode::is_word_character(c);
  }
  static bool is_visible(char32_t c) {
    if (c < 0x80) return c > 0x20 && c < 0x7F;
    using unicode::Category;
    const Category k = unicode::category(c);
    return k < Category::Zs || k == Category::Co;
  }

  template <typename Put>
  static void walk(std::string_view text, Put&& put) {
    HR_CHECK(text.size() <= UINT32_MAX, "offsets have 32 bits");
    for (size_t at = 0; at < text.size();) {
      const CodePoint point = decode_code_point(text, at);
      size_t end = at + point.length;
      if (in_run(point.value)) {
        for (size_t count = 1; count < kRunMax && end < text.size(); ++count) {
          const CodePoint next = decode_code_point(text, end);
          if (!in_run(next.value)) break;
          end += next.length;
        }
      } else if (!is_visible(point.value)) {
        at = end;
        continue;
      }
      put(static_cast<uint32_t>(at), static_cast<uint32_t>(end), id_of(text.substr(at, end - at)));
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
