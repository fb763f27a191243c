// How text falls into words, before stemming. Used by the analyzer alone.
//
//   letters, marks, digits   one word, lower-cased: "F16" is "f16"
//   apostrophes              inside a word they stay in English (the stemmer takes "'s" off),
//                            elsewhere they part words: "l'homme" is "l", "homme"
//   dots                     between digits they stay: "2.5", "15.2.1"; elsewhere they part words
//   underscores              join an identifier: "max_connections" gives itself and its parts, the
//                            first of them at the same position
//   unspaced scripts, Hangul overlapping pairs of characters; a single character where there is one
//   all else                 parts words
//
// Accents and compatibility forms are folded ("café" is "cafe", "ﬁ" is "fi"). Words longer than
// kWordBytesMax are cut there.
//
// Owns: WordBuffers is scratch space of one analyzer. Threads: one at a time. Errors: none; bad
// bytes part words.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace headrace::index {

inline constexpr size_t kWordBytesMax = 96;

// A short word and zeros behind it, as numbers: comparing and hashing take three steps whatever its
// length.
using ShortWord = std::array<uint64_t, 3>;
inline constexpr size_t kShortWordBytesMax = sizeof(ShortWord) - 1;

struct WordRules {
  bool fold_first = true;         // take accents off before stemming, not after
  bool keep_apostrophes = false;  // inside words
};

inline ShortWord short_word(std::string_view text) {
  ShortWord numbers{};
  std::memcpy(numbers.data(), text.data(), text.size());
  return numbers;
}

// A word as it stands in the text [begin, end) and its lower-cased text.
struct Word {
  std::string_view text;
  uint32_t begin = 0;
  uint32_t end = 0;
  bool stemmable = false;  // letters only
  bool folded = true;      // no accents are left to take off
  uint32_t step = 1;       // to the position of the next word
  bool is_short = false;   // ASCII, and `numbers` are its text
  ShortWord numbers;
};

struct WordBuffers {
  std::array<char, kWordBytesMax> ascii;
  std::string unicode;
};

// Lower case, compatibility forms decomposed, accents dropped, a few letters spelled out (ß is ss,
// a final sigma a sigma).
void append_folded(char32_t c, std::string& out);

namespace words {

enum Class : uint8_t {
  kNone = 0,
  kLetter = 1,
  kDigit = 2,
  kUnderscore = 4,
  kApostrophe = 8,
  kDot = 16,
  kHigh = 32,
};

inline constexpr std::array<uint8_t, 256> kClasses = [] {
  std::array<uint8_t, 256> classes{};
  for (int c = 'a'; c <= 'z'; ++c) classes[static_cast<size_t>(c)] = kLetter;
  for (int c = 'A'; c <= 'Z'; ++c) classes[static_cast<size_t>(c)] = kLetter;
  for (int c = '0'; c <= '9'; ++c) classes[static_cast<size_t>(c)] = kDigit;
  for (size_t c = 128; c < 256; ++c) classes[c] = kHigh;
  classes['_'] = kUnderscore;
  classes['\''] = kApostrophe;
  classes['.'] = kDot;
  return classes;
}();

inline uint8_t class_of(char c) {
  return kClasses[static_cast<unsigned char>(c)];
}

// What a run of word characters turned out to be.
struct Run {
  std::string_view text;  // lower-cased, perhaps cut
  size_t end = 0;         // where the run ends in the text
  uint8_t classes = 0;    // all classes seen
  bool folded = true;
  bool is_short = false;
  ShortWord numbers;
};

// A run that holds characters beyond ASCII. An unspaced character ends it.
Run scan_unicode_run(std::string_view text, size_t begin, const WordRules& rules,
                     std::string& buffer);

// The unspaced characters that begin at `begin`: their end, or `begin` when there are none.
size_t unspaced_run_end(std::string_view text, size_t begin);
// The end of the code point at `position`.
size_t next_code_point(std::string_view text, size_t position);
void append_unspaced(std::string_view text, std::string& buffer);

// Whether a connector at `position` joins what stands on both sides of it.
inline bool joins(std::string_view text, size_t position, uint8_t side) {
  return position > 0 && position + 1 < text.size() && (class_of(text[position - 1]) & side) != 0 &&
         (class_of(text[position + 1]) & side) != 0;
}

#if defined(__SSE2__)
inline constexpr std::array<uint8_t, 32> kOnesThenZeros = [] {
  std::array<uint8_t, 32> bytes{};
  std::fill_n(bytes.begin(), 16, uint8_t{0xFF});
  return bytes;
}();

// What 64 bytes are, a bit each.
struct ByteKinds {
  uint64_t letters = 0, digits = 0;
  uint64_t others = 0;      // underscores and bytes beyond ASCII
  uint64_t connectors = 0;  // apostrophes and dots

  explicit ByteKinds(const char* bytes) {
    const auto is_among = [](__m128i x, char first, int count) {
      const __m128i from_least = _mm_add_epi8(x, _mm_set1_epi8(static_cast<char>(-128 - first)));
      return _mm_cmplt_epi8(from_least, _mm_set1_epi8(static_cast<char>(-128 + count)));
    };
    const auto is = [](__m128i x, char c) { return _mm_cmpeq_epi8(x, _mm_set1_epi8(c)); };
    const auto bits = [](__m128i x) {
      return static_cast<uint64_t>(static_cast<uint32_t>(_mm_movemask_epi8(x)));
    };
    for (int part = 0; part < 64; part += 16) {
      const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + part));
      letters |= bits(is_among(_mm_or_si128(x, _mm_set1_epi8(0x20)), 'a', 26)) << part;
      digits |= bits(is_among(x, '0', 10)) << part;
      others |= bits(_mm_or_si128(x, is(x, '_'))) << part;
      connectors |= bits(_mm_or_si128(is(x, '\''), is(x, '.'))) << part;
    }
  }
};

// Emits the short words of nothing but ASCII letters and digits from `begin` on, as nearly all are.
// Gives where it stopped: at what is or may be another word, or at the end of the text. The numbers
// do not come from the buffer: what was just written there takes long to read.
template <typename Emit>
size_t scan_simple_words(std::string_view text, size_t begin, const WordRules& rules,
                         std::array<char, kWordBytesMax>& buffer, const Emit& emit) {
  constexpr size_t kBlock = 64;
  constexpr size_t kShortMax = 16;
  std::array<char, kBlock + kShortMax> end_of_text;
  for (size_t base = begin; base < text.size();) {
    const char* bytes = text.data() + base;
    if (const size_t left = text.size() - base; left < end_of_text.size()) {
      if (class_of(*bytes) == kHigh) return base;
      end_of_text.fill(0);
      std::memcpy(end_of_text.data(), bytes, left);
      bytes = end_of_text.data();
    }
    const ByteKinds kinds(bytes);
    const uint64_t runs = kinds.letters | kinds.digits | kinds.others;
    size_t next = base + kBlock;
    for (uint64_t starts = runs & ~(runs << 1); starts != 0; starts &= starts - 1) {
      const auto at = static_cast<size_t>(std::countr_zero(starts));
      const auto size = static_cast<size_t>(std::countr_one(runs >> at));
      const size_t i = base + at;
      if (at + size == kBlock && i + size < text.size() && at > 0) {
        next = i;  // it may go on
        break;
      }
      if (size >= kShortMax) return i;
      const uint64_t seen = ((uint64_t{1} << size) - 1) << at;
      if ((kinds.others & seen) != 0) return i;
      if ((kinds.connectors & (seen << 1) & ~seen) != 0) {
        const bool is_joined = text[i + size] == '.'
                                   ? joins(text, i + size, kDigit)
                                   : rules.keep_apostrophes && joins(text, i + size, kLetter);
        if (is_joined) return i;
      }
      const __m128i lower =  // digits have that bit already
          _mm_or_si128(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + at)),
                       _mm_set1_epi8(0x20));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(buffer.data()), lower);
      const __m128i kept = _mm_loadu_si128(
          reinterpret_cast<const __m128i*>(kOnesThenZeros.data() + kShortMax - size));
      const __m128i word = _mm_and_si128(lower, kept);
      Word found;
      found.text = {buffer.data(), size};
      found.begin = static_cast<uint32_t>(i);
      found.end = static_cast<uint32_t>(i + size);
      found.stemmable = (kinds.digits & seen) == 0;
      found.is_short = true;
      found.numbers = {static_cast<uint64_t>(_mm_cvtsi128_si64(word)),
                       static_cast<uint64_t>(_mm_cvtsi128_si64(_mm_unpackhi_epi64(word, word))), 0};
      emit(found);
    }
    base = next;
  }
  return text.size();
}
#endif

// An ASCII run; stops with `end` at a byte above 127 when the run goes on there.
inline Run scan_ascii_run(std::string_view text, size_t begin, const WordRules& rules,
                          std::array<char, kWordBytesMax>& buffer) {
  Run run;
  size_t size = 0;
  size_t i = begin;
  for (; i < text.size(); ++i) {
    const char c = text[i];
    const uint8_t kind = class_of(c);
    if ((kind & (kLetter | kDigit | kUnderscore)) == 0) {
      if (kind == kApostrophe ? !rules.keep_apostrophes || !joins(text, i, kLetter)
                              : kind != kDot || !joins(text, i, kDigit)) {
        break;
      }
    }
    run.classes |= kind;
    if (size < kWordBytesMax) {
      buffer[size++] = static_cast<char>(c | ((c >= 'A' && c <= 'Z') ? 0x20 : 0));
    }
  }
  run.end = i;
  run.text = {buffer.data(), size};
  run.is_short = size <= kShortWordBytesMax;
  if (run.is_short) run.numbers = short_word(run.text);
  return run;
}

// Emits the run, and the parts of an identifier.
template <typename Emit>
void emit_run(const Run& run, size_t begin, Emit&& emit) {
  const auto word = [&](std::string_view text) {
    return Word{text, static_cast<uint32_t>(begin), static_cast<uint32_t>(run.end),
                (run.classes & (kDigit | kUnderscore)) == 0, run.folded};
  };
  if ((run.classes & kUnderscore) == 0) {
    if (run.text.empty()) return;
    Word whole = word(run.text);
    whole.is_short = run.is_short;
    if (run.is_short) whole.numbers = run.numbers;
    emit(whole);
    return;
  }
  const size_t first = run.text.find_first_not_of('_');
  if (first == std::string_view::npos) return;
  const std::string_view whole = run.text.substr(first, run.text.find_last_not_of('_') + 1 - first);
  if (whole.find('_') != std::string_view::npos) {
    Word identifier = word(whole);
    identifier.step = 0;  // stands where its first part stands
    emit(identifier);
  }
  for (size_t at = 0; at < whole.size();) {
    const size_t stop = std::min(whole.find('_', at), whole.size());
    if (stop > at) {
      Word part = word(whole.substr(at, stop - at));
      part.stemmable = part.text.find_first_of("0123456789") == std::string_view::npos;
      emit(part);
    }
    at = stop + 1;
  }
}

}  // namespace words

// Calls emit(Word) for each word in order; its text is valid during the call.
template <typename Emit>
void scan_words(std::string_view text, const WordRules& rules, WordBuffers& buffers, Emit&& emit) {
  using namespace words;
  for (size_t i = 0; i < text.size();) {
#if defined(__SSE2__)
    i = scan_simple_words(text, i, rules, buffers.ascii, emit);
    if (i >= text.size()) break;
#endif
    const uint8_t kind = class_of(text[i]);
    if ((kind & (kLetter | kDigit | kUnderscore | kHigh)) == 0) {
      ++i;
      continue;
    }
    if (kind != kHigh) {
      const Run run = scan_ascii_run(text, i, rules, buffers.ascii);
      if (run.end >= text.size() || class_of(text[run.end]) != kHigh) {
        emit_run(run, i, emit);
        i = run.end;
        continue;
      }
    } else if (const size_t end = unspaced_run_end(text, i); end != i) {
      for (size_t at = i;;) {
        const size_t next = next_code_point(text, at);
        const size_t stop = next < end ? next_code_point(text, next) : end;
        if (at == i || next < end) {
          buffers.unicode.clear();
          append_unspaced(text.substr(at, stop - at), buffers.unicode);
          emit(Word{buffers.unicode, static_cast<uint32_t>(at), static_cast<uint32_t>(stop)});
        }
        at = next;
        if (stop >= end) break;
      }
      i = end;
      continue;
    }
    const Run run = scan_unicode_run(text, i, rules, buffers.unicode);
    if (run.end > i) {
      emit_run(run, i, emit);
      i = run.end;
    } else {
      i = next_code_point(text, i);
    }
  }
}

}  // namespace headrace::index
