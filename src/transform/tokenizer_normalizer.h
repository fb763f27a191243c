// TextNormalizer: the steps of a tokenizer.json's "normalizer" over an AlignedText.
//
// Owns: its steps. Threads: const after build(). Errors: build() names the step.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "transform/tokenizer_charsmap.h"
#include "transform/tokenizer_config.h"
#include "transform/tokenizer_regex.h"
#include "transform/tokenizer_text.h"

namespace headrace {

class TextNormalizer {
 public:
  TextNormalizer() = default;
  static Result<TextNormalizer> build(const TokenizerConfig& config);

  bool empty() const { return steps_.empty(); }
  // A text in the middle of a piece gets no prefix (Prepend) and keeps its edges (Strip).
  void apply(AlignedText& text, bool begins, bool ends) const;
  std::string apply(std::string_view text) const;

 private:
  struct Step {
    NormalizerStep config;
    std::shared_ptr<const TokenRegex> pattern;
    std::shared_ptr<const CharsMap> map;
  };

  std::vector<Step> steps_;
};

// Whether a text is in NFC for sure: then normalizing changes nothing (false: perhaps not). `text`
// is valid UTF-8.
bool is_surely_nfc(std::string_view text);

// `text`'s matches of a string or of a regular expression, as find(begin, end).
template <typename Found>
void each_string(std::string_view text, std::string_view wanted, Found&& found) {
  for (size_t at = 0; (at = text.find(wanted, at)) != std::string_view::npos;) {
    found(at, at + wanted.size());
    at += wanted.size();
  }
}

}  // namespace headrace
