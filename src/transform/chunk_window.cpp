#include "transform/chunk_window.h"

#include <algorithm>

#include "base/utf8.h"

namespace headrace {
namespace {

constexpr size_t kPieceBytes = 32 << 10;
// A piece ends at a line break or white space at most this far on; else inside a word.
constexpr size_t kPieceSearchBytes = 64 << 10;

size_t piece_end(std::string_view text, size_t begin) {
  if (text.size() - begin <= kPieceBytes + kPieceBytes / 2) return text.size();
  const size_t from = begin + kPieceBytes;
  const std::string_view searched = text.substr(from, kPieceSearchBytes);
  // Before the white space: tokenizers that join a space to the word behind it see it whole.
  const size_t blank = searched.find("\n\n");
  if (blank != std::string_view::npos && blank < kPieceBytes / 2) return from + blank;
  const size_t space = searched.find_first_of(" \n\t");
  if (space != std::string_view::npos) return from + space;
  return code_point_floor(text, from + searched.size());
}

}  // namespace

void ChunkWindow::encode_more() {
  if (first_ > 4096 && first_ > tokens_.begins.size() / 2) {
    const auto forget = [this](auto& values) {
      values.erase(values.begin(), values.begin() + static_cast<ptrdiff_t>(first_));
    };
    forget(tokens_.begins);
    forget(tokens_.ends);
    first_ = 0;
  }
  tokens_.ids.clear();
  const size_t end = piece_end(text_, encoded_end_);
  const size_t known = tokens_.begins.size();
  tokenizer_.encode(text_.substr(encoded_end_, end - encoded_end_), tokens_);
  const auto base = static_cast<uint32_t>(encoded_end_);
  if (base != 0) {
    for (size_t i = known; i < tokens_.begins.size(); ++i) {
      tokens_.begins[i] += base;
      tokens_.ends[i] += base;
    }
  }
  encoded_end_ = end;
}

size_t ChunkWindow::first_token_after(size_t position) const {
  return static_cast<size_t>(std::upper_bound(tokens_.ends.begin() + static_cast<ptrdiff_t>(first_),
                                              tokens_.ends.end(), static_cast<uint32_t>(position)) -
                             tokens_.ends.begin());
}

size_t ChunkWindow::limit(size_t begin, size_t tokens, size_t bytes) {
  const size_t bytes_end = bytes < text_.size() - begin
                               ? std::max(code_point_floor(text_, begin + bytes), begin + 1)
                               : text_.size();
  // Tokens in the window are searched again after each piece: their indices may have moved.
  for (;;) {
    const size_t first = first_token_after(begin);
    if (tokens_.begins.size() > first + tokens) {
      return std::min<size_t>(std::max<size_t>(tokens_.begins[first + tokens], begin), bytes_end);
    }
    if (encoded_end_ >= bytes_end) return bytes_end;
    encode_more();
  }
}

size_t ChunkWindow::back(size_t begin, size_t end, size_t tokens) {
  const size_t first = first_token_after(begin);
  const size_t last =
      static_cast<size_t>(std::lower_bound(tokens_.begins.begin() + static_cast<ptrdiff_t>(first),
                                           tokens_.begins.end(), static_cast<uint32_t>(end)) -
                          tokens_.begins.begin());
  if (last - first <= tokens) return begin;
  return tokens_.begins[last - tokens];
}

size_t ChunkWindow::count(size_t begin, size_t end) const {
  const size_t first = first_token_after(begin);
  const size_t last =
      static_cast<size_t>(std::lower_bound(tokens_.begins.begin() + static_cast<ptrdiff_t>(first),
                                           tokens_.begins.end(), static_cast<uint32_t>(end)) -
                          tokens_.begins.begin());
  return last - first;
}

void ChunkWindow::forget_before(size_t begin) {
  first_ = first_token_after(begin);
}

}  // namespace headrace
