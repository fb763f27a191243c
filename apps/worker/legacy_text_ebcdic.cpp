#include "legacy_text_ebcdic.h"

#include <algorithm>
#include <array>

namespace headrace::formats {
namespace {

constexpr size_t kSampleBytes = 4096;
constexpr size_t kBytesMin = 8;

constexpr char kNextLine = '\x15', kLineFeed = '\x25';
// "|" in code page 37, "!" in 500; the other way about "!" and "]"; a cent sign and "[".
constexpr char kBarOrMark = '\x4F', kMarkOrBracket = '\x5A', kCentOrBracket = '\x4A';

bool is_letter_byte(unsigned char c) {
  const unsigned char low = c & 0x0F, row = c & 0xF0;
  const bool upper_rows = row == 0xC0 || row == 0xD0 || row == 0x80 || row == 0x90;
  if (upper_rows) return low >= 1 && low <= 9;
  return (row == 0xA0 || row == 0xE0) && low >= 2 && low <= 9;
}

bool is_digit_byte(unsigned char c) {
  return c >= 0xF0 && c <= 0xF9;
}

// The letters with accents of code pages 37 and 500 that words are written with.
bool is_accented_byte(unsigned char c) {
  const unsigned char low = c & 0x0F, row = c & 0xF0;
  if (row == 0x40 || row == 0x50 || row == 0x60) return low >= 1 && low <= 9;
  if (row == 0xC0 || row == 0xD0 || row == 0xE0) return low >= 0x0B;
  return c == 0x70 || c == 0x80 || c == 0x9C || c == 0x9E;
}

// Space, line ends, tab and the usual punctuation.
bool is_plain_byte(char c) {
  using std::string_view_literals::operator""sv;
  return "\x40\x05\x0D\x15\x25\x4B\x6B\x5E\x7A\x60\x61\x7D\x7F\x4D\x5D\x6F\x5A\x4F\x4A\x50\x6C\x7E\x6D"sv
             .find(c) != std::string_view::npos;
}

}  // namespace

// Its words are of letters that lie apart from those of every other encoding, with 0x40 or
// punctuation between them: text in another one never is, but for a few bytes.
std::string ebcdic_charset(std::string_view bytes) {
  const std::string_view sample = bytes.substr(0, kSampleBytes);
  size_t letters = 0, accented = 0, digits = 0, plain = 0, between = 0;
  for (size_t i = 0; i < sample.size(); ++i) {
    const auto c = static_cast<unsigned char>(sample[i]);
    letters += is_letter_byte(c);
    digits += is_digit_byte(c);
    if (!is_plain_byte(sample[i])) {
      accented += is_accented_byte(c);
      continue;
    }
    ++plain;
    const bool in_text =
        i > 0 && is_letter_byte(static_cast<unsigned char>(sample[i - 1])) && i + 1 < sample.size();
    between += in_text;
  }
  const size_t known = letters + digits + plain + std::min(accented, letters / 4);
  if (sample.size() < kBytesMin || known * 20 < sample.size() * 19) return {};
  if ((letters + digits) * 5 < sample.size() * 3 || letters * 3 < sample.size()) return {};
  if (between * 16 < letters) return {};
  const auto count = [&](char c) { return std::ranges::count(sample, c); };
  const bool is_500 = count(kCentOrBracket) > 0 || count(kBarOrMark) > count(kMarkOrBracket);
  const bool next_lines = count(kNextLine) > count(kLineFeed);
  return std::string(is_500 ? "ibm-500" : "ibm-37") + (next_lines ? ",swaplfnl" : "");
}

}  // namespace headrace::formats
