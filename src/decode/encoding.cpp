// The encodings of text that this process reads itself; the others go to a worker.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "base/utf8.h"
#include "decode/text_formats.h"

namespace headrace {
namespace {

constexpr size_t kSampleBytes = 64 << 10;

// Windows-1252 from 0x80 to 0x9F; 0 where it has no character.
constexpr std::array<char16_t, 32> kWindows1252 = {
    0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017D, 0,      0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178};

// Letters and signs that Windows-1252 and its sisters (1250, 1254, 1257) have at the same place, or
// that Western European text alone has between ASCII letters.
constexpr std::string_view kWesternBytes =
    "\x80\x84\x85\x91\x92\x93\x94\x96\x97\xA0\xA7\xAB\xBB\xC4\xC9\xD6\xDC\xDF\xE1\xE4\xE9\xED"
    "\xF3\xF6\xFC";

std::string lower_name(std::string_view name) {
  std::string lower;
  for (const char c : name) {
    if (c == ' ' || c == '"' || c == '\'') continue;
    lower.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c == '_' ? '-' : c);
  }
  return lower;
}

bool is_utf8_name(std::string_view name) {
  return name == "utf-8" || name == "utf8" || name == "us-ascii" || name == "ascii";
}
bool is_western_name(std::string_view name) {
  return name == "iso-8859-1" || name == "latin1" || name == "latin-1" || name == "windows-1252" ||
         name == "cp1252" || name == "iso8859-1" || name == "l1";
}

// "utf-16le" … by a byte order mark, else empty.
std::string_view name_by_mark(std::string_view bytes) {
  const auto begins = [bytes](std::string_view mark) { return bytes.starts_with(mark); };
  if (begins("\xEF\xBB\xBF")) return "utf-8";
  if (begins(std::string_view("\xFF\xFE\0\0", 4))) return "utf-32le";
  if (begins(std::string_view("\0\0\xFE\xFF", 4))) return "utf-32be";
  if (begins("\xFF\xFE")) return "utf-16le";
  if (begins("\xFE\xFF")) return "utf-16be";
  return {};
}

// The same by where the zero bytes of ASCII characters stand; needs some text in ASCII.
std::string_view name_by_zeros(std::string_view bytes) {
  const std::string_view sample = bytes.substr(0, 4096);
  if (sample.size() < 4) return {};
  std::array<size_t, 4> zeros{};
  for (size_t i = 0; i < sample.size(); ++i) {
    if (sample[i] == 0) ++zeros[i % 4];
  }
  const size_t quarter = sample.size() / 4;
  const auto most = [quarter](size_t n) { return n * 10 >= quarter * 6; };
  const auto few = [quarter](size_t n) { return n * 20 <= quarter; };
  if (most(zeros[1]) && most(zeros[2]) && most(zeros[3]) && few(zeros[0])) return "utf-32le";
  if (most(zeros[0]) && most(zeros[1]) && most(zeros[2]) && few(zeros[3])) return "utf-32be";
  if (most(zeros[1]) && most(zeros[3]) && few(zeros[0]) && few(zeros[2])) return "utf-16le";
  if (most(zeros[0]) && most(zeros[2]) && few(zeros[1]) && few(zeros[3])) return "utf-16be";
  return {};
}

struct Utf8Census {
  size_t sequences = 0;  // valid characters beyond ASCII
  size_t bad = 0;
};

Utf8Census take_utf8_census(std::string_view bytes) {
  Utf8Census census;
  for (size_t i = 0; i < bytes.size();) {
    if (static_cast<unsigned char>(bytes[i]) < 0x80) {
      ++i;
      continue;
    }
    const CodePoint c = decode_code_point(bytes, i);
    if (c.valid) {
      ++census.sequences;
    } else if (bytes.size() - i >= 4) {  // not a sequence cut by the end of the sample
      ++census.bad;
    }
    i += c.length;
  }
  return census;
}

// Text that reads the same in all of the Western encodings: ASCII words with an accented letter
// here and there. What is less plain is for the worker, which knows languages.
bool looks_western(std::string_view bytes) {
  size_t high = 0, letters = 0;
  bool before = false;
  for (const char c : bytes) {
    const bool beyond = static_cast<unsigned char>(c) >= 0x80;
    if (beyond) {
      ++high;
      if (before || kWesternBytes.find(c) == std::string_view::npos) return false;
    } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') {
      ++letters;
    }
    before = beyond;
  }
  return high * 3 <= letters;
}

// Whether a code unit of UTF-16 is one that texts are made of.
bool is_plausible_unit(char32_t c) {
  if (c < 0x80) return c >= 0x20 ? c != 0x7F : c == '\n' || c == '\r' || c == '\t';
  return (c >= 0xA0 && c < 0x600) || (c >= 0x600 && c < 0x1100) || (c >= 0x1E00 && c < 0x2070) ||
         (c >= 0x20A0 && c < 0x20C0) || (c >= 0x2010 && c < 0x2030) ||
         (c >= 0x3000 && c < 0x3100) || (c >= 0x4E00 && c < 0x9FA6) ||
         (c >= 0xAC00 && c < 0xD7A4) || (c >= 0xFF00 && c < 0xFFEF);
}

// UTF-16 without a mark in scripts beyond ASCII. Its bytes hold controls that text in other
// encodings never has, and make sense as units in one order of bytes only.
std::string_view name_by_units(std::string_view bytes) {
  const std::string_view sample = bytes.substr(0, 4096 & ~size_t{1});
  if (sample.size() < 4 || bytes.size() % 2 != 0) return {};
  size_t controls = 0, ascii = 0;
  for (const char byte : sample) {
    const auto c = static_cast<unsigned char>(byte);
    controls += c < 0x09 || (c > 0x0D && c < 0x20 && c != 0x1B);
    ascii += c == ' ' || (c >= 'a' && c <= 'z');
  }
  if (controls * 40 < sample.size() || ascii * 5 > sample.size() * 2) return {};
  std::array<size_t, 2> plausible{};  // little, big endian
  std::array<std::array<bool, 256>, 2> pages{};
  for (size_t i = 0; i + 1 < sample.size(); i += 2) {
    const auto a = static_cast<unsigned char>(sample[i]);
    const auto b = static_cast<unsigned char>(sample[i + 1]);
    plausible[0] += is_plausible_unit(static_cast<char32_t>(b << 8 | a));
    plausible[1] += is_plausible_unit(static_cast<char32_t>(a << 8 | b));
    pages[0][b] = true;
    pages[1][a] = true;
  }
  const size_t units = sample.size() / 2;
  const auto count = [](const std::array<bool, 256>& set) {
    return std::count(set.begin(), set.end(), true);
  };
  const bool little = plausible[0] * 50 >= units * 49, big = plausible[1] * 50 >= units * 49;
  // Both make sense: characters of a text share few high bytes, their low bytes are many.
  if (little && big) {
    const auto a = count(pages[0]), b = count(pages[1]);
    return a == b ? std::string_view() : a < b ? "utf-16le" : "utf-16be";
  }
  return little ? "utf-16le" : big ? "utf-16be" : std::string_view();
}

// Appends `c` with the rules of text: no NUL.
void append_character(char32_t c, std::string& out) {
  append_code_point(c == 0 ? kReplacementCharacter : c, out);
}

std::string from_utf16(std::string_view bytes, bool big_endian) {
  std::string out;
  out.reserve(bytes.size());
  const auto unit = [&](size_t i) -> char32_t {
    const auto a = static_cast<unsigned char>(bytes[i]);
    const auto b = static_cast<unsigned char>(bytes[i + 1]);
    return big_endian ? static_cast<char32_t>(a << 8 | b) : static_cast<char32_t>(b << 8 | a);
  };
  size_t i = 0;
  for (; i + 1 < bytes.size(); i += 2) {
    char32_t c = unit(i);
    if (i == 0 && c == 0xFEFF) continue;
    if (c >= 0xD800 && c < 0xDC00 && i + 3 < bytes.size()) {
      const char32_t low = unit(i + 2);
      if (low >= 0xDC00 && low < 0xE000) {
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
        i += 2;
      }
    }
    append_character(c, out);  // a lone surrogate becomes U+FFFD there
  }
  if (i < bytes.size()) append_code_point(kReplacementCharacter, out);
  return out;
}

std::string from_utf32(std::string_view bytes, bool big_endian) {
  std::string out;
  out.reserve(bytes.size() / 2);
  size_t i = 0;
  for (; i + 3 < bytes.size(); i += 4) {
    char32_t c = 0;
    for (size_t k = 0; k < 4; ++k) {
      const size_t at = big_endian ? i + k : i + 3 - k;
      c = c << 8 | static_cast<unsigned char>(bytes[at]);
    }
    if (i == 0 && c == 0xFEFF) continue;
    append_character(c, out);
  }
  if (i < bytes.size()) append_code_point(kReplacementCharacter, out);
  return out;
}

std::string from_windows1252(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() + bytes.size() / 16);
  for (const char byte : bytes) {
    const auto c = static_cast<unsigned char>(byte);
    if (c < 0x80) {
      out.push_back(byte);
    } else if (c < 0xA0) {
      append_character(kWindows1252[c - 0x80], out);
    } else {
      append_code_point(c, out);
    }
  }
  return out;
}

// "\r\n" and "\r" become "\n", NUL becomes U+FFFD.
std::string normalize_lines(std::string text) {
  if (std::memchr(text.data(), '\r', text.size()) != nullptr) {
    size_t to = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\r') {
        if (i + 1 < text.size() && text[i + 1] == '\n') continue;
        text[to++] = '\n';
      } else {
        text[to++] = text[i];
      }
    }
    text.resize(to);
  }
  if (std::memchr(text.data(), '\0', text.size()) != nullptr) {
    std::string out;
    out.reserve(text.size() + 64);
    for (const char c : text) {
      if (c == '\0') {
        append_code_point(kReplacementCharacter, out);
      } else {
        out.push_back(c);
      }
    }
    return out;
  }
  return text;
}

}  // namespace

bool is_wide(const TextEncoding& encoding) {
  return encoding.name.starts_with("utf-16") || encoding.name.starts_with("utf-32");
}

TextEncoding detect_encoding(std::string_view bytes, std::string_view hint) {
  if (const std::string_view mark = name_by_mark(bytes); !mark.empty()) return {std::string(mark)};
  if (const std::string_view zeros = name_by_zeros(bytes); !zeros.empty()) {
    return {std::string(zeros)};
  }
  if (const std::string_view units = name_by_units(bytes); !units.empty()) {
    return {std::string(units)};
  }
  const std::string name = lower_name(hint);
  const size_t valid = valid_utf8_prefix(bytes);
  if (valid == bytes.size()) {
    // 7-bit text may still be ISO-2022 or HZ: those announce themselves by escapes.
    const bool escapes =
        name.starts_with("iso-2022") || bytes.find("\x1B$") != std::string_view::npos;
    if (escapes && bytes.find('\x1B') != std::string_view::npos) return {"", true};
    return {"utf-8"};
  }
  if (name == "utf-16" || name == "utf-16le") return {"utf-16le"};
  if (name == "utf-16be") return {"utf-16be"};
  // A few bad bytes in what is UTF-8 otherwise: better a few U+FFFD than another encoding.
  const size_t from = code_point_floor(bytes, valid - std::min<size_t>(valid, kSampleBytes / 2));
  const std::string_view sample = bytes.substr(from, kSampleBytes);
  const Utf8Census census = take_utf8_census(sample);
  if (census.sequences >= 4 * census.bad && census.sequences > 0) return {"utf-8"};
  if (is_utf8_name(name) && census.sequences >= census.bad) return {"utf-8"};
  if (is_western_name(name)) return {"windows-1252"};
  if (!name.empty() && !is_utf8_name(name)) return {"", true};
  if (looks_western(sample)) return {"windows-1252"};
  return {"", true};
}

std::string to_utf8(std::string_view bytes, const TextEncoding& encoding) {
  const std::string& name = encoding.name;
  if (name == "utf-16le" || name == "utf-16be") {
    return normalize_lines(from_utf16(bytes, name == "utf-16be"));
  }
  if (name == "utf-32le" || name == "utf-32be") {
    return normalize_lines(from_utf32(bytes, name == "utf-32be"));
  }
  if (name == "windows-1252") return normalize_lines(from_windows1252(bytes));
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  return normalize_lines(to_valid_utf8(bytes));
}

}  // namespace headrace
