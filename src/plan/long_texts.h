// Texts longer than a model reads: cut at the last token that fits, or embedded in windows whose
// vectors are averaged by their lengths (and normalised where the model's own vectors are).
//
// Threads: plain functions and a VectorModel. Errors: those of the model below.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "plan/vector_model.h"

namespace headrace {

// A stretch of a text in bytes, and how many tokens it holds.
struct TextWindow {
  size_t begin = 0;
  size_t end = 0;
  size_t tokens = 0;
};

// Cuts `text` into windows of at most `tokens_max` tokens (special ones not counted), between words
// where there is such a place in the window's last quarter. A text that fits is one window. A
// text is read in pieces, so memory stays small whatever its length.
std::vector<TextWindow> text_windows(const Tokenizer& tokenizer, std::string_view text,
                                     size_t tokens_max);

// `model`, with long texts embedded in windows instead of by their beginning.
std::shared_ptr<const VectorModel> with_windows(std::shared_ptr<const VectorModel> model);

}  // namespace headrace
