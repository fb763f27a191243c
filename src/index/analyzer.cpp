#include "index/analyzer.h"

#include <libstemmer.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/mutex.h"
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
  static constexpr size_t kWordMax = RememberedTerm::kBytesMax;
  static_assert(kWordMax == kShortWordBytesMax);

  // What is read for each word; its term is needed only when the memo is another's.
  struct Entry {
    ShortWord word{};  // all zeros: none
    TermMemo memo;
    bool is(const ShortWord& other) const {
      return ((word[0] ^ other[0]) | (word[1] ^ other[1]) | (word[2] ^ other[2])) == 0;
    }
  };
  static_assert(sizeof(Entry) == 32);

  static uint32_t hash(const ShortWord& word) {
    const uint64_t mixed =
        (word[0] ^ (word[1] * 0x9E3779B97F4A7C15ULL) ^ (word[2] * 0xC2B2AE3D27D4EB4FULL)) *
        0xFF51AFD7ED558CCDULL;
    return static_cast<uint32_t>(mixed >> 40);
  }
  // The entry where a word of this hash belongs, or null while there is no cache.
  Entry* find(uint32_t hash) {
    return entries_.empty() ? nullptr : entries_.data() + (hash & mask_);
  }
  void prefetch(uint32_t hash) const {
    if (!entries_.empty()) __builtin_prefetch(entries_.data() + (hash & mask_));
  }
  RememberedTerm& term(const Entry* entry) { return terms_.data()[entry - entries_.data()]; }

  void count_miss() {
    ++misses_;
    if (misses_ == 64) resize(1024);
    if (misses_ == 2048) resize(16384);
  }

 private:
  void resize(size_t size) {
    entries_.assign(size, {});
    terms_.assign(size, {});
    mask_ = size - 1;
  }

  std::vector<Entry> entries_;
  size_t mask_ = 0;
  std::vector<RememberedTerm> terms_;
  uint64_t misses_ = 0;
};

class WordAnalyzer final : public Analyzer {
 public:
  WordAnalyzer(Stemmer stemmer, WordRules rules) : stemmer_(std::move(stemmer)), rules_(rules) {}

  uint32_t analyze(
      std::string_view text,
      const std::function<void(std::string_view term, uint32_t position)>& on_term) override {
    return analyze_remembering(text, [&](std::span<const PlacedTerm> terms) {
      for (const PlacedTerm& term : terms) on_term(term.text(), term.position);
    });
  }

  uint32_t analyze_remembering(std::string_view text, const OnTerms& on_terms) override {
    uint32_t position = 0;
    scan_words(text, rules_, buffers_, [&](const Word& word) {
      if (word.is_short) {
        Waiting& waiting = waiting_.data()[waiting_count_++];
        waiting.word = word.numbers;
        waiting.position = position;
        waiting.size = static_cast<uint8_t>(word.text.size());
        waiting.is_stemmed = word.stemmable && stemmer_ != nullptr;
        if (waiting.is_stemmed) {
          waiting.hash = StemCache::hash(word.numbers);
          cache_.prefetch(waiting.hash);
        }
        if (waiting_count_ == waiting_.size()) give_waiting(on_terms);
      } else {
        give_waiting(on_terms);
        PlacedTerm term{.position = position};
        set_term(word, term);
        on_terms({&term, 1});
      }
      position += word.step;
    });
    give_waiting(on_terms);
    return position;
  }

  std::vector<TermSpan> analyze_with_spans(std::string_view text) override {
    std::vector<TermSpan> spans;
    uint32_t position = 0;
    scan_words(text, rules_, buffers_, [&](const Word& word) {
      PlacedTerm term;
      std::string whole(word.folded ? word.text : folded(word.text));
      set_term(word, term);
      spans.push_back({std::string(term.text()), std::move(whole), word.begin, word.end, position});
      position += word.step;
    });
    return spans;
  }

 private:
  // An ASCII word that waits for its entry to come from memory.
  struct Waiting {
    ShortWord word;
    uint32_t position;
    uint32_t hash;
    uint8_t size;
    bool is_stemmed;
    std::string_view text() const { return {reinterpret_cast<const char*>(word.data()), size}; }
  };

  void give_waiting(const OnTerms& on_terms) {
    std::array<PlacedTerm, kWaitingMax>& terms = given_;
    size_t count = 0;
    for (size_t i = 0; i < waiting_count_; ++i) {
      const Waiting& word = waiting_[i];
      StemCache::Entry* const entry = word.is_stemmed ? cache_.find(word.hash) : nullptr;
      if (entry != nullptr && entry->is(word.word)) {
        terms[count++] = {word.position, &entry->memo, &cache_.term(entry), {}};
        continue;
      }
      if (word.is_stemmed) {
        // What is learnt may take the place of one that is not given yet.
        if (count > 0) on_terms(std::span(terms).first(count));
        count = 0;
      }
      PlacedTerm& term = terms[count++];
      term = {.position = word.position};
      if (word.is_stemmed) {
        learn(word.text(), word.word, word.hash, true, term);
      } else {
        term.spelled = word.text();
      }
    }
    if (count > 0) on_terms(std::span(terms).first(count));
    waiting_count_ = 0;
  }

  void set_term(const Word& word, PlacedTerm& term) {
    if (!word.stemmable || stemmer_ == nullptr || word.text.empty()) {
      term.spelled = word.folded ? word.text : folded(word.text);
    } else if (word.text.size() > StemCache::kWordMax) {
      term.spelled = stem(word.text);
      if (!word.folded) term.spelled = folded(term.spelled);
    } else {
      const ShortWord numbers = short_word(word.text);
      const uint32_t hash = StemCache::hash(numbers);
      StemCache::Entry* const entry = cache_.find(hash);
      if (entry == nullptr || !entry->is(numbers)) {
        learn(word.text, numbers, hash, word.folded, term);
      } else {
        term.memo = &entry->memo;
        term.remembered = &cache_.term(entry);
      }
    }
  }

  // The term stays where it is until the next word is learnt.
  void learn(std::string_view text, const ShortWord& word, uint32_t hash, bool is_folded,
             PlacedTerm& term) {
    term.spelled = stem(text);
    if (!is_folded) term.spelled = folded(term.spelled);
    cache_.count_miss();
    StemCache::Entry* const entry = cache_.find(hash);  // perhaps just made
    if (entry == nullptr || term.spelled.size() > StemCache::kWordMax) return;
    entry->word = word;
    entry->memo = {};
    RememberedTerm& kept = cache_.term(entry);
    kept.size = static_cast<uint8_t>(term.spelled.size());
    std::memcpy(kept.bytes.data(), term.spelled.data(), term.spelled.size());
    term.memo = &entry->memo;
    term.remembered = &kept;
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
  static constexpr size_t kWaitingMax = 16;
  std::array<Waiting, kWaitingMax> waiting_;
  std::array<PlacedTerm, kWaitingMax> given_;
  size_t waiting_count_ = 0;
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

namespace {

constexpr size_t kAnalyzersKept = 4;

struct Lender {
  Mutex mutex;
  std::vector<std::pair<std::string, std::unique_ptr<Analyzer>>> kept HR_GUARDED_BY(mutex);
};

// Never taken down: threads may still build segments when the process ends.
Lender& lender() {
  static Lender* const all = std::make_unique<Lender>().release();
  return *all;
}

}  // namespace

LentAnalyzer::LentAnalyzer(std::string_view language) : language_(language) {
  {
    Lender& all = lender();
    MutexLock guard(all.mutex);
    const auto known =
        std::ranges::find(all.kept, language_, [](const auto& one) { return one.first; });
    if (known != all.kept.end()) {
      analyzer_ = std::move(known->second);
      all.kept.erase(known);
      return;
    }
  }
  auto made = Analyzer::create(language_);
  if (!made) {
    language_ = "none";
    made = Analyzer::create(language_);
  }
  HR_CHECK(made.has_value(), "the language \"none\" always exists");
  analyzer_ = std::move(*made);
}

LentAnalyzer::~LentAnalyzer() {
  if (!analyzer_) return;
  Lender& all = lender();
  MutexLock guard(all.mutex);
  if (all.kept.size() == kAnalyzersKept) all.kept.erase(all.kept.begin());
  all.kept.emplace_back(std::move(language_), std::move(analyzer_));
}

}  // namespace headrace::index
