#include "index/analyzer.h"

#include <libstemmer.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/unicode.h"
#include "base/utf8.h"
#include "index/analyzer_words.h"

namespace headrace::index {
namespace {

// Languages without a Snowball stemmer (or without inflection) that are still welcome: their words
// are folded, not stemmed; unspaced scripts become bigrams whatever the language.
constexpr std::array<std::string_view, 26> kUnstemmed = {
    "zh", "ja", "ko", "th", "vi", "pl", "cs", "sk", "uk", "bg", "hr", "sl", "et",
    "lv", "he", "fa", "ur", "bn", "ms", "is", "mk", "sq", "ka", "az", "kk", "af"};

constexpr std::array<std::string_view, 28> kStemmed = {
    "ar", "ca", "da", "de", "el", "en", "es", "eu", "fi", "fr", "ga", "hi", "hu", "hy",
    "id", "it", "lt", "nb", "ne", "nl", "nn", "no", "pt", "ro", "ru", "sv", "ta", "tr"};

std::string known_languages() {
  std::vector<std::string_view> tags(kStemmed.begin(), kStemmed.end());
  tags.insert(tags.end(), kUnstemmed.begin(), kUnstemmed.end());
  std::ranges::sort(tags);
  std::string list;
  for (const std::string_view tag : tags) list += (list.empty() ? "" : " ") + std::string(tag);
  return list;
}

struct StemmerDeleter {
  void operator()(sb_stemmer* stemmer) const { sb_stemmer_delete(stemmer); }
};
using Stemmer = std::unique_ptr<sb_stemmer, StemmerDeleter>;

Stemmer make_stemmer(std::string_view language) {
  if (language == "nb" || language == "nn") language = "no";
  return Stemmer(sb_stemmer_new(std::string(language).c_str(), "UTF_8"));
}

// Words that came by before, with their terms: a direct-mapped cache of fixed size, so that memory
// stays bounded on any text. Made only once enough words were stemmed to be worth it; queries never
// pay for it.
class StemCache {
 public:
  static constexpr size_t kWordMax = 22;

  struct Entry {
    std::array<char, kWordMax> word{};
    uint8_t word_size = 0;
    uint8_t term_size = 0;
    std::array<char, kWordMax + 2> term{};
  };
  static_assert(sizeof(Entry) == 48);

  // The entry where `word` belongs, or null while there is no cache.
  Entry* find(std::string_view word) {
    if (entries_.empty() || word.size() > kWordMax) return nullptr;
    return &entries_[hash(word) & (entries_.size() - 1)];
  }

  void count_miss() {
    ++misses_;
    if (misses_ == 64) entries_.assign(1024, {});
    if (misses_ == 2048) entries_.assign(16384, {});
  }

 private:
  static size_t hash(std::string_view word) {
    uint64_t parts[3] = {};
    std::memcpy(parts, word.data(), word.size());
    const uint64_t mixed = (parts[0] ^ (parts[1] * 0x9E3779B97F4A7C15ULL) ^
                            (parts[2] * 0xC2B2AE3D27D4EB4FULL) ^ word.size()) *
                           0xFF51AFD7ED558CCDULL;
    return static_cast<size_t>(mixed >> 40);
  }

  std::vector<Entry> entries_;
  uint64_t misses_ = 0;
};

class WordAnalyzer final : public Analyzer {
 public:
  WordAnalyzer(Stemmer stemmer, WordRules rules) : stemmer_(std::move(stemmer)), rules_(rules) {}

  uint32_t analyze(
      std::string_view text,
      const std::function<void(std::string_view term, uint32_t position)>& on_term) override {
    uint32_t position = 0;
    scan_words(text, rules_, buffers_, [&](const Word& word) {
      on_term(term_of(word), position);
      position += word.step;
    });
    return position;
  }

  std::vector<TermSpan> analyze_with_spans(std::string_view text) override {
    std::vector<TermSpan> spans;
    uint32_t position = 0;
    scan_words(text, rules_, buffers_, [&](const Word& word) {
      std::string whole(word.folded ? word.text : folded(word.text));
      spans.push_back(
          {std::string(term_of(word)), std::move(whole), word.begin, word.end, position});
      position += word.step;
    });
    return spans;
  }

 private:
  std::string_view term_of(const Word& word) {
    if (!word.stemmable || stemmer_ == nullptr) {
      return word.folded ? word.text : folded(word.text);
    }
    StemCache::Entry* const entry = cache_.find(word.text);
    if (entry != nullptr && entry->word_size == word.text.size() &&
        std::memcmp(entry->word.data(), word.text.data(), word.text.size()) == 0) {
      return {entry->term.data(), entry->term_size};
    }
    std::string_view term = stem(word.text);
    if (!word.folded) term = folded(term);
    cache_.count_miss();
    StemCache::Entry* const place = cache_.find(word.text);  // the cache may just have been made
    if (place != nullptr && term.size() <= place->term.size()) {
      place->word_size = static_cast<uint8_t>(word.text.size());
      place->term_size = static_cast<uint8_t>(term.size());
      std::memcpy(place->word.data(), word.text.data(), word.text.size());
      std::memcpy(place->term.data(), term.data(), term.size());
      return {place->term.data(), place->term_size};
    }
    return term;
  }

  std::string_view stem(std::string_view word) {
    const sb_symbol* const stem =
        sb_stemmer_stem(stemmer_.get(), reinterpret_cast<const sb_symbol*>(word.data()),
                        static_cast<int>(word.size()));
    const int size = stem == nullptr ? 0 : sb_stemmer_length(stemmer_.get());
    if (size <= 0) return word;
    return {reinterpret_cast<const char*>(stem), static_cast<size_t>(size)};
  }

  // Accents are taken off after stemming where the stemmer knows them (rules_.fold_first is off).
  std::string_view folded(std::string_view term) {
    if (rules_.fold_first) return term;
    folded_.clear();
    for (size_t i = 0; i < term.size();) {
      const CodePoint point = decode_code_point(term, i);
      append_folded(point.value, folded_);
      i += point.length;
    }
    return folded_.empty() ? term : std::string_view(folded_);
  }

  Stemmer stemmer_;
  WordRules rules_;
  WordBuffers buffers_;
  StemCache cache_;
  std::string folded_;
};

}  // namespace

Result<std::unique_ptr<Analyzer>> Analyzer::create(std::string_view language) {
  std::string tag(language.substr(0, language.find_first_of("-_")));
  for (char& c : tag) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  WordRules rules;
  // English writes accents for ornament (résumé, naïve), so they go before stemming; elsewhere the
  // stemmer's rules are spelled with them.
  rules.fold_first = tag == "en" || tag == "nl" || tag == "none";
  rules.keep_apostrophes = tag == "en";
  if (tag == "none" || std::ranges::find(kUnstemmed, tag) != kUnstemmed.end()) {
    return std::make_unique<WordAnalyzer>(nullptr, rules);
  }
  Stemmer stemmer = tag.size() == 2 ? make_stemmer(tag) : nullptr;
  if (stemmer == nullptr) {
    return fail(ErrorCode::invalid_argument, "unknown language '" + std::string(language) + "'",
                "use none for no stemming, or one of " + known_languages());
  }
  return std::make_unique<WordAnalyzer>(std::move(stemmer), rules);
}

}  // namespace headrace::index
