// BertStream: BERT's normalizer and pre-tokenizer as one pass over a text, for any options.
//
// Feed it code points with their places in the text; it hands out the characters of the normalized
// text, each with the place it came from, exactly as Hugging Face's BertNormalizer aligns them:
// cleaned, ideographs set apart, decomposed with marks in canonical order, marks stripped, lower
// case. Where marks change places, `tokenizers` keeps the places in the old order: so does this.
// The fast paths of wordpiece.cpp do the same for the common cases without it.
//
// Owns: a run of pending marks (grows with the longest run in the text). Threads: one object, one
// thread. Errors: none.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/unicode.h"
#include "base/utf8.h"
#include "transform/tokenizer_config.h"

namespace headrace {

// What becomes of a code point in an uncased model (all of BertOptions on) when nothing around it
// matters.
enum class UncasedClass : uint8_t { kWord, kDrop, kSpace, kPunctuation, kIdeograph, kComplex };

// What `tokenizers` thinks of a code point; generated tables (wordpiece_tables.inc) hold them all.
struct BertCharacter {
  static constexpr uint8_t kOther = 1;             // clean_text removes it
  static constexpr uint8_t kWhite = 2;             // white space
  static constexpr uint8_t kPunctuation = 4;       // a word of its own
  static constexpr uint8_t kIdeograph = 8;         // handle_chinese_chars sets it apart
  static constexpr uint8_t kNonspacing = 16;       // strip_accents removes it
  static constexpr uint8_t kNoDecomposition = 32;  // unknown to its NFD
  static constexpr uint8_t kClassZero = 64;        // its NFD takes it for a starter

  uint8_t flags;
  UncasedClass uncased;
  int32_t lower_delta;    // lower case, minus the code point
  int32_t uncased_delta;  // kWord, kPunctuation, kIdeograph: what it becomes, minus it
};

const BertCharacter& bert_character(char32_t c);

// A character of the normalized text and the bytes of the original that it stands for.
struct PlacedCharacter {
  char32_t value = 0;
  uint32_t begin = 0;
  uint32_t end = 0;
};

template <typename Sink>  // void sink(const PlacedCharacter&)
class BertStream {
 public:
  BertStream(const BertOptions& options, Sink& sink) : options_(options), sink_(sink) {}

  // The next code point of the text. finish() must follow the last.
  void feed(PlacedCharacter c) {
    if (options_.clean_text) {
      const uint8_t flags = bert_character(c.value).flags;
      if (flags & BertCharacter::kOther) return;
      if (flags & BertCharacter::kWhite) c.value = ' ';
    }
    if (options_.handle_chinese_chars &&
        (bert_character(c.value).flags & BertCharacter::kIdeograph)) {
      decompose({' ', c.begin, c.end});
      decompose(c);
      decompose({' ', c.begin, c.end});
      return;
    }
    decompose(c);
  }

  void finish() { flush(); }

 private:
  struct Pending {
    char32_t value;
    uint8_t combining_class;
    bool first;  // of its original's decomposition: the next original's place is its place
    uint32_t order;
  };
  struct Place {
    uint32_t begin;
    uint32_t end;
  };

  void decompose(const PlacedCharacter& c) {
    if (!options_.strip_accents) return lower(c);
    char32_t parts[unicode::kDecompositionMax];
    size_t count = 1;
    if (bert_character(c.value).flags & BertCharacter::kNoDecomposition) {
      parts[0] = c.value;
    } else {
      count = unicode::decompose(c.value, false, parts);
    }
    for (size_t i = 0; i < count; ++i) {
      const bool class_zero = bert_character(parts[i]).flags & BertCharacter::kClassZero;
      const uint8_t klass = class_zero ? uint8_t{0} : unicode::combining_class(parts[i]);
      // What is pending came before this starter; its own place is not needed for that.
      if (klass == 0) flush();
      if (i == 0) places_.push_back({c.begin, c.end});
      pending_.push_back({parts[i], klass, i == 0, static_cast<uint32_t>(pending_.size())});
    }
  }

  // Emits the pending characters in canonical order, the places in the order of the originals.
  void flush() {
    const auto before = [](const Pending& a, const Pending& b) {
      return a.combining_class != b.combining_class ? a.combining_class < b.combining_class
                                                    : a.order < b.order;
    };
    if (!std::is_sorted(pending_.begin(), pending_.end(), before)) {
      std::sort(pending_.begin(), pending_.end(), before);
    }
    size_t next = 0;
    for (const Pending& pending : pending_) {
      if (pending.first) last_ = places_[next++];
      if (bert_character(pending.value).flags & BertCharacter::kNonspacing) continue;
      lower({pending.value, last_.begin, last_.end});
    }
    pending_.clear();
    places_.clear();
  }

  void lower(PlacedCharacter c) {
    if (options_.lowercase) {
      const bool dotted = c.value == 0x130;  // the only one that becomes two
      c.value = static_cast<char32_t>(static_cast<int32_t>(c.value) +
                                      bert_character(c.value).lower_delta);
      sink_(c);
      if (dotted) sink_({0x307, c.begin, c.end});
      return;
    }
    sink_(c);
  }

  const BertOptions& options_;
  Sink& sink_;
  std::vector<Pending> pending_;
  std::vector<Place> places_;
  Place last_ = {};
};

}  // namespace headrace
