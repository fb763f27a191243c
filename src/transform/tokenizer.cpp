#include "transform/tokenizer.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"
#include "transform/tokenizer_config.h"
#include "transform/tokenizer_general.h"
#include "transform/wordpiece.h"

namespace headrace {
namespace {

// Answers ascending byte offsets of a text with code point offsets, walking it once.
class CodePointCounter {
 public:
  explicit CodePointCounter(std::string_view text) : text_(text) {}
  uint32_t at(uint32_t byte) {
    const size_t target = std::min<size_t>(byte, text_.size());
    // Offsets may go back: special tokens are 0, 0, and tokens can share a character.
    if (target < byte_) byte_ = code_points_ = 0;
    const char* bytes = text_.data();
    while (byte_ < target) {
      if (static_cast<uint8_t>(bytes[byte_]) < 0x80) {
        ++byte_;
      } else {
        byte_ += decode_code_point(text_, byte_).length;
      }
      ++code_points_;
    }
    return static_cast<uint32_t>(code_points_);
  }

 private:
  std::string_view text_;
  size_t byte_ = 0;
  size_t code_points_ = 0;
};

}  // namespace

Result<std::shared_ptr<const Tokenizer>> Tokenizer::load(const std::string& path) {
  HR_ASSIGN(TokenizerConfig config, read_tokenizer_config(path));
  if (WordPieceTokenizer::takes(config)) return WordPieceTokenizer::build(std::move(config));
  return GeneralTokenizer::build(std::move(config));
}

void Tokenizer::encode_pair(std::string_view first, std::string_view second, Encoding& out) const {
  encode(first, out);
  out.types.resize(out.ids.size(), 0);
  encode(second, out);
  out.types.resize(out.ids.size(), 1);
}

std::string Tokenizer::decode(std::span<const int32_t>, bool) const {
  return {};
}

bool Tokenizer::surely_fits(std::string_view, size_t) const {
  return false;
}

int32_t Tokenizer::id_of(std::string_view) const {
  return -1;
}

void offsets_to_code_points(std::string_view text, std::vector<uint32_t>& begins,
                            std::vector<uint32_t>& ends) {
  if (is_ascii(text)) return;
  for (std::vector<uint32_t>* offsets : {&begins, &ends}) {
    CodePointCounter counter(text);
    for (uint32_t& offset : *offsets) offset = counter.at(offset);
  }
}

}  // namespace headrace
