// CharsMap: SentencePiece's precompiled normalization map (a double-array trie over byte strings,
// and the strings they become), applied as Hugging Face's Precompiled normalizer applies it.
//
// Owns: the map. Threads: const after build(). Errors: build(): damaged.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "transform/tokenizer_text.h"

namespace headrace {

class CharsMap {
 public:
  static Result<CharsMap> build(std::string_view bytes);

  void apply(AlignedText& text) const;

 private:
  CharsMap() = default;
  // What the shortest known beginning of `chunk` becomes.
  std::optional<std::string_view> find(std::string_view chunk) const;

  std::vector<uint32_t> units_;
  std::string strings_;              // each ends with NUL
  std::array<bool, 128> changes_{};  // ASCII characters that the map knows
  // Of the code points below 65,536: those that join no others of them in a cluster, and those that
  // the map knows.
  std::vector<uint64_t> alone_;
  std::vector<uint64_t> known_;
};

}  // namespace headrace
