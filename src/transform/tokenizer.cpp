#include "transform/tokenizer.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"
#include "transform/tokenizer_config.h"
#include "transform/wordpiece.h"

namespace headrace {
namespace {

// Walks a text once, answering ascending byte offsets with code point offsets.
class CodePointCounter {
 public:
  explicit CodePointCounter(std::string_view text) : text_(text) {}
  uint32_t at(uint32_t byte) {
    const size_t target = std::min<size_t>(byte, text_.size());
    // Offsets may go back (special tokens are 0, 0; tokens can share a character).
    if (target < byte_) byte_ = code_points_ = 0;
    code_points_ += count_code_points(text_.substr(byte_, target - byte_));
    byte_ = target;
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
  return WordPieceTokenizer::build(std::move(config));
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
