// Analyzer: text → search terms: Unicode words, lower-cased, accents kept apart from nothing
// ("café" finds "cafe"), stemmed by Snowball, CJK as overlapping bigrams. The same analysis is used
// for rows and for queries; its version is part of the segment format.
//
// Owns: a stemmer (not shareable): one Analyzer per thread. Errors: create() for an unknown
// language.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
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

// Room for a number beside a term that the analyzer remembers, so that who counts terms need not
// look for the same one again. Worth nothing unless `owner` is the caller's own.
struct TermMemo {
  uint32_t owner = 0;
  uint32_t number = 0;
};

// A term as an analyzer keeps it.
struct RememberedTerm {
  static constexpr size_t kBytesMax = 23;
  uint8_t size = 0;
  std::array<char, kBytesMax> bytes{};
  std::string_view view() const { return {bytes.data(), size}; }
};

// A term at a place. Whoever finds his own number in `memo` need not look at the term itself, which
// lies elsewhere in memory.
struct PlacedTerm {
  uint32_t position = 0;
  TermMemo* memo = nullptr;                    // null where the term is not remembered
  const RememberedTerm* remembered = nullptr;  // null: `spelled` is the term
  std::string_view spelled;
  std::string_view text() const { return remembered != nullptr ? remembered->view() : spelled; }
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
  // The same, some terms at a time.
  using OnTerms = std::function<void(std::span<const PlacedTerm> terms)>;
  virtual uint32_t analyze_remembering(std::string_view text, const OnTerms& on_terms) = 0;
  virtual std::vector<TermSpan> analyze_with_spans(std::string_view text) = 0;
};

// Analyzers that builders of segments take in turn: what one has learnt of the words of a language
// serves the next. A few are kept.
class LentAnalyzer {
 public:
  // "none" where the language is unknown.
  explicit LentAnalyzer(std::string_view language);
  ~LentAnalyzer();
  LentAnalyzer(LentAnalyzer&&) noexcept = default;
  LentAnalyzer& operator=(LentAnalyzer&&) = delete;
  Analyzer* operator->() const { return analyzer_.get(); }
  const std::string& language() const { return language_; }

 private:
  std::string language_;
  std::unique_ptr<Analyzer> analyzer_;
};

}  // namespace headrace::index
