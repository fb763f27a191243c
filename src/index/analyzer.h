// Analyzer: text → search terms: Unicode words, lower-cased, accents kept apart from nothing
// ("café" finds "cafe"), stemmed by Snowball, CJK as overlapping bigrams. The same analysis is used
// for rows and for queries; its version is part of the segment format.
//
// Owns: a stemmer (not shareable): one Analyzer per thread. Errors: create() for an unknown
// language.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace headrace::index {

// A term and where its word stands in the text (byte offsets), for highlighting. `word` is the word
// folded but not stemmed; `position` counts words from 0 (an identifier and its first part share
// one, so that "max connections" is found in "max_connections").
struct TermSpan {
  std::string term;
  std::string word;
  uint32_t begin = 0;
  uint32_t end = 0;
  uint32_t position = 0;
};

class Analyzer {
 public:
  // `language`: BCP 47 primary tag ("en", "de", …); "none" = no stemming.
  static Result<std::unique_ptr<Analyzer>> create(std::string_view language);
  virtual ~Analyzer() = default;
  // Calls `on_term` for each term in order with its position; the view is valid during the call
  // only. Gives the position after the last.
  virtual uint32_t analyze(
      std::string_view text,
      const std::function<void(std::string_view term, uint32_t position)>& on_term) = 0;
  virtual std::vector<TermSpan> analyze_with_spans(std::string_view text) = 0;
};

}  // namespace headrace::index
