#include "transform/tokenizer.h"

#include <simdjson.h>

#include <algorithm>
#include <cstring>
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

// The same for valid UTF-8: it counts bytes that begin a character, eight at once, from the offset
// before, forwards or back.
class CharacterCounter {
 public:
  explicit CharacterCounter(std::string_view text) : text_(text) {}
  uint32_t at(uint32_t byte) {
    if (byte == 0) return 0;  // special tokens, wherever they are
    const size_t target = std::min<size_t>(byte, text_.size());
    if (target >= byte_) {
      characters_ += between(byte_, target);
    } else {
      characters_ -= between(target, byte_);
    }
    byte_ = target;
    return static_cast<uint32_t>(characters_);
  }

 private:
  size_t between(size_t from, size_t to) const {
    const char* p = text_.data();
    size_t count = to - from;
    while (from < to) {
      const size_t size = std::min<size_t>(to - from, 8);
      uint64_t bytes = 0;
      if (text_.size() - from >= 8) {
        std::memcpy(&bytes, p + from, 8);
        bytes <<= 8 * (8 - size);
      } else {
        std::memcpy(&bytes, p + from, size);
      }
      // Bytes 10xxxxxx go on with a character.
      const uint64_t inner = (bytes >> 7) & ~(bytes >> 6) & 0x0101010101010101;
      count -= (inner * 0x0101010101010101) >> 56;
      from += size;
    }
    return count;
  }

  std::string_view text_;
  size_t byte_ = 0;
  size_t characters_ = 0;
};

template <typename Counter>
void count_characters(std::string_view text, std::vector<uint32_t>& begins,
                      std::vector<uint32_t>& ends) {
  for (std::vector<uint32_t>* offsets : {&begins, &ends}) {
    Counter counter(text);
    for (uint32_t& offset : *offsets) offset = counter.at(offset);
  }
}

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
  if (simdjson::validate_utf8(text.data(), text.size())) {
    count_characters<CharacterCounter>(text, begins, ends);
  } else {
    count_characters<CodePointCounter>(text, begins, ends);
  }
}

}  // namespace headrace
