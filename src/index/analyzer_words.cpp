#include "index/analyzer_words.h"

#include "base/unicode.h"
#include "base/utf8.h"

namespace headrace::index {
namespace {

constexpr char32_t kRightQuote = 0x2019;
constexpr char32_t kFinalSigma = 0x03C2;  // the same letter: capitals do not tell them apart
constexpr char32_t kSigma = 0x03C3;

bool is_hangul(char32_t c) {
  return c >= 0xAC00 && c <= 0xD7A3;
}

bool is_unspaced(char32_t c) {
  return (is_hangul(c) || unicode::is_unspaced_script(c)) && unicode::is_word_character(c);
}

// Accents of Latin, Greek, Cyrillic, Hebrew and Arabic; not the vowel signs, nuktas and viramas of
// the scripts of India, which carry meaning and have classes below 10.
bool is_accent(char32_t c) {
  return unicode::category(c) == unicode::Category::Mn && unicode::combining_class(c) >= 10;
}

// Soft hyphens and joiners stand inside words without parting them.
bool is_invisible(char32_t c) {
  return c == 0x00AD || c == 0x200C || c == 0x200D;
}

std::string_view spelled_out(char32_t c) {
  switch (c) {
    case 0x00DF:
      return "ss";
    case 0x00E6:
      return "ae";
    case 0x0153:
      return "oe";
    case 0x00F8:
      return "o";
    case 0x0142:
      return "l";
    case 0x0111:
      return "d";
    case 0x0131:
      return "i";
    case 0x00FE:
      return "th";
    case kFinalSigma:
      return "σ";
    default:
      return {};
  }
}

}  // namespace

void append_folded(char32_t c, std::string& out) {
  char32_t parts[unicode::kDecompositionMax];
  const size_t count = unicode::decompose(unicode::to_lower(c), true, parts);
  for (size_t i = 0; i < count; ++i) {
    if (is_accent(parts[i])) continue;
    const char32_t lower = unicode::to_lower(parts[i]);
    if (const std::string_view spelling = spelled_out(lower); !spelling.empty()) {
      out.append(spelling);
    } else if (unicode::is_word_character(lower)) {
      append_code_point(lower, out);
    }
  }
}

namespace words {

size_t next_code_point(std::string_view text, size_t position) {
  return position + decode_code_point(text, position).length;
}

size_t unspaced_run_end(std::string_view text, size_t begin) {
  size_t i = begin;
  while (i < text.size()) {
    const CodePoint point = decode_code_point(text, i);
    if (!point.valid || !is_unspaced(point.value)) break;
    i += point.length;
  }
  return i;
}

void append_unspaced(std::string_view text, std::string& buffer) {
  for (size_t i = 0; i < text.size();) {
    const CodePoint point = decode_code_point(text, i);
    // Half-width kana are the same letters as their full forms; others have no such twins.
    if (point.value >= 0xFF00) {
      append_folded(point.value, buffer);
    } else {
      append_code_point(point.value, buffer);
    }
    i += point.length;
  }
}

Run scan_unicode_run(std::string_view text, size_t begin, const WordRules& rules,
                     std::string& buffer) {
  Run run;
  buffer.clear();
  size_t i = begin;
  char32_t before = 0;
  while (i < text.size()) {
    const CodePoint point = decode_code_point(text, i);
    char32_t c = point.value;
    if (!point.valid || is_unspaced(c)) break;
    uint8_t kind = 0;
    if (c < 0x80) {
      kind = class_of(static_cast<char>(c));
    } else if (unicode::is_number(c)) {
      kind = kDigit;
    } else if (unicode::is_word_character(c)) {
      kind = kLetter;
    } else if (c == kRightQuote) {
      kind = kApostrophe;
      c = '\'';
    }
    const size_t next = i + point.length;
    if (is_invisible(c) && i > begin) {
      i = next;
      continue;
    }
    if (kind == kApostrophe || kind == kDot) {
      const CodePoint after = next < text.size() ? decode_code_point(text, next) : CodePoint{};
      const bool joined =
          after.valid &&
          (kind == kDot ? unicode::is_number(before) && unicode::is_number(after.value)
                        : rules.keep_apostrophes && unicode::is_letter(before) &&
                              unicode::is_letter(after.value));
      if (!joined || is_unspaced(after.value)) break;
    } else if ((kind & (kLetter | kDigit | kUnderscore)) == 0) {
      break;
    }
    run.classes |= kind;
    if (buffer.size() < kWordBytesMax) {
      if (c < 0x80) {
        buffer += static_cast<char>(c | ((c >= 'A' && c <= 'Z') ? 0x20 : 0));
      } else if (rules.fold_first) {
        append_folded(c, buffer);
      } else {
        const char32_t lower = unicode::to_lower(c);
        append_code_point(lower == kFinalSigma ? kSigma : lower, buffer);
        run.folded = false;
      }
    }
    before = c;
    i = next;
  }
  run.end = i;
  if (!rules.fold_first && !run.folded) {
    // Stemmers spell letters composed; the text may have them in parts.
    buffer = unicode::to_nfc(buffer);
  }
  run.text = buffer;
  return run;
}

}  // namespace words
}  // namespace headrace::index
