#include "base/unicode.h"

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>
#include <vector>

#include "base/utf8.h"

namespace headrace::unicode {
namespace {

// pool[offset, +canonical) is the canonical decomposition, the `compatible` code points after it
// the compatibility one where that differs.
struct Decomposition {
  uint16_t offset;
  uint8_t canonical;
  uint8_t compatible;
};
struct Composition {
  char32_t first;
  char32_t second;
  char32_t composite;
};

#include "base/unicode_tables.inc"

constexpr char32_t kBlock = 128;
constexpr char32_t kHangulBase = 0xAC00;
constexpr char32_t kHangulCount = 11172;
constexpr char32_t kLeadBase = 0x1100;
constexpr char32_t kLeadCount = 19;
constexpr char32_t kVowelBase = 0x1161;
constexpr char32_t kVowelCount = 21;
constexpr char32_t kTrailBase = 0x11A7;  // one before the first: 0 means no trailing consonant
constexpr char32_t kTrailCount = 28;

bool between(char32_t c, char32_t first, char32_t last) {
  return c - first <= last - first;
}

// Sorts a run of marks by combining class, keeping the order of equals.
void sort_marks(std::span<char32_t> marks) {
  std::vector<std::pair<uint64_t, char32_t>> keyed;  // class and place, mark
  keyed.reserve(marks.size());
  for (size_t i = 0; i < marks.size(); ++i) {
    keyed.emplace_back(uint64_t{combining_class(marks[i])} << 56 | i, marks[i]);
  }
  std::sort(keyed.begin(), keyed.end());
  for (size_t i = 0; i < marks.size(); ++i) marks[i] = keyed[i].second;
}

// Puts `points` into canonical order.
void reorder(std::u32string& points) {
  size_t at = 0;
  while (at < points.size()) {
    if (combining_class(points[at]) == 0) {
      ++at;
      continue;
    }
    size_t end = at + 1;
    bool sorted = true;
    while (end < points.size() && combining_class(points[end]) != 0) {
      sorted = sorted && combining_class(points[end - 1]) <= combining_class(points[end]);
      ++end;
    }
    if (!sorted) sort_marks(std::span(points).subspan(at, end - at));
    at = end;
  }
}

// Composes canonically ordered `points` in place.
void compose_in_place(std::u32string& points) {
  constexpr size_t kNone = static_cast<size_t>(-1);
  size_t starter = kNone;
  size_t out = 0;
  int last_class = -1;  // class of the last code point kept after the starter; -1: none
  for (size_t i = 0; i < points.size(); ++i) {
    const char32_t c = points[i];
    const int klass = combining_class(c);
    if (starter != kNone && last_class < klass) {
      // Nothing of the same or a higher class stands between: not blocked.
      if (const char32_t composite = compose(points[starter], c)) {
        points[starter] = composite;
        continue;
      }
    }
    if (klass == 0) {
      starter = out;
      last_class = -1;
    } else {
      last_class = klass;
    }
    points[out++] = c;
  }
  points.resize(out);
}

}  // namespace

std::string_view version() {
  return kUnicodeVersion;
}

const detail::Record& detail::record(char32_t c) {
  if (c > kCodePointMax) c = kCodePointMax;  // a noncharacter: unassigned
  return kRecords[kRecordStage2[kRecordStage1[c / kBlock] * kBlock + c % kBlock]];
}

bool is_cjk_ideograph(char32_t c) {
  return between(c, 0x4E00, 0x9FFF) || between(c, 0x3400, 0x4DBF) || between(c, 0xF900, 0xFAFF) ||
         between(c, 0x20000, 0x2FA1F) || between(c, 0x30000, 0x323AF);
}

bool is_unspaced_script(char32_t c) {
  if (c < 0x0E00) return false;
  return is_cjk_ideograph(c) || between(c, 0x3040, 0x30FF) ||         // kana
         between(c, 0x3105, 0x312F) || between(c, 0x31A0, 0x31BF) ||  // bopomofo
         between(c, 0x31F0, 0x31FF) || between(c, 0xFF66, 0xFF9F) ||  // kana, other forms
         between(c, 0x0E00, 0x0EFF) ||                                // Thai, Lao
         between(c, 0x1000, 0x109F) || between(c, 0x1780, 0x17FF);    // Burmese, Khmer
}

std::string to_lower(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const unsigned char byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x80) {
      out.push_back(static_cast<char>(byte >= 'A' && byte <= 'Z' ? byte + 32 : byte));
      ++at;
      continue;
    }
    const CodePoint point = decode_code_point(text, at);
    at += point.length;
    append_code_point(to_lower(point.value), out);
    // The only unconditional full mapping: capital I with dot is i and a combining dot.
    if (point.value == 0x130) append_code_point(0x307, out);
  }
  return out;
}

size_t decompose(char32_t c, bool compatibility, char32_t* out) {
  if (c >= 0xA0 && c <= kCodePointMax) {
    if (between(c, kHangulBase, kHangulBase + kHangulCount - 1)) {
      const char32_t syllable = c - kHangulBase;
      out[0] = kLeadBase + syllable / (kVowelCount * kTrailCount);
      out[1] = kVowelBase + syllable / kTrailCount % kVowelCount;
      const char32_t trail = syllable % kTrailCount;
      if (trail == 0) return 2;
      out[2] = kTrailBase + trail;
      return 3;
    }
    const Decomposition& entry =
        kDecompositions[kDecompositionStage2[kDecompositionStage1[c / kBlock] * kBlock +
                                             c % kBlock]];
    const bool other = compatibility && entry.compatible != 0;
    const size_t length = other ? entry.compatible : entry.canonical;
    if (length != 0) {
      std::copy_n(kDecompositionPool + entry.offset + (other ? entry.canonical : 0), length, out);
      return length;
    }
  }
  out[0] = c;
  return 1;
}

char32_t compose(char32_t first, char32_t second) {
  if (between(first, kLeadBase, kLeadBase + kLeadCount - 1) &&
      between(second, kVowelBase, kVowelBase + kVowelCount - 1)) {
    return kHangulBase + ((first - kLeadBase) * kVowelCount + (second - kVowelBase)) * kTrailCount;
  }
  if (between(first, kHangulBase, kHangulBase + kHangulCount - 1) &&
      (first - kHangulBase) % kTrailCount == 0 &&
      between(second, kTrailBase + 1, kTrailBase + kTrailCount - 1)) {
    return first + (second - kTrailBase);
  }
  if (second < 0x300) return 0;  // no composite has a second part below the combining marks
  const auto* end = std::end(kCompositions);
  const auto* found =
      std::lower_bound(std::begin(kCompositions), end, Composition{first, second, 0},
                       [](const Composition& a, const Composition& b) {
                         return a.first != b.first ? a.first < b.first : a.second < b.second;
                       });
  return found != end && found->first == first && found->second == second ? found->composite : 0;
}

std::string normalize(std::string_view text, NormalForm form) {
  const bool compatibility = form == NormalForm::nfkc || form == NormalForm::nfkd;
  const bool composed = form == NormalForm::nfc || form == NormalForm::nfkc;
  const auto is_ascii = [text](size_t i) { return static_cast<unsigned char>(text[i]) < 0x80; };
  std::string out;
  out.reserve(text.size());
  std::u32string points;
  char32_t parts[kDecompositionMax];
  for (size_t at = 0; at < text.size();) {
    // ASCII never changes; only the last of a run may compose with what follows it.
    size_t run = at;
    while (run < text.size() && is_ascii(run)) ++run;
    if (run == text.size()) {
      out.append(text.substr(at));
      break;
    }
    if (run > at) {
      out.append(text.substr(at, run - at - 1));
      at = run - 1;
    }
    points.clear();
    if (is_ascii(at)) points.push_back(static_cast<unsigned char>(text[at++]));
    while (at < text.size() && !is_ascii(at)) {
      const CodePoint point = decode_code_point(text, at);
      at += point.length;
      points.append(parts, decompose(point.value, compatibility, parts));
    }
    reorder(points);
    if (composed) compose_in_place(points);
    for (const char32_t c : points) append_code_point(c, out);
  }
  return out;
}

}  // namespace headrace::unicode
