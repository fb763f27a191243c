#include "legacy_text.h"

#include <uchardet/uchardet.h>
#include <unicode/ucnv.h>
#include <unicode/udata.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/unicode.h"
#include "base/utf8.h"
#include "legacy_text_ebcdic.h"
#include "legacy_text_guess.h"
#include "office_blocks.h"

namespace headrace::formats {
namespace {

struct ConverterCloser {
  void operator()(UConverter* converter) const { ucnv_close(converter); }
};
struct DetectorCloser {
  void operator()(uchardet* detector) const { uchardet_delete(detector); }
};

// Names as people label text → the superset that such text really is in, as browsers do.
struct Alias {
  std::string_view label, charset;
};
constexpr std::array kAliases = {Alias{"us-ascii", "windows-1252"},
                                 Alias{"ascii", "windows-1252"},
                                 Alias{"iso-8859-1", "windows-1252"},
                                 Alias{"iso8859-1", "windows-1252"},
                                 Alias{"latin1", "windows-1252"},
                                 Alias{"l1", "windows-1252"},
                                 Alias{"iso_8859-1", "windows-1252"},
                                 Alias{"iso-8859-9", "windows-1254"},
                                 Alias{"iso-8859-11", "windows-874"},
                                 Alias{"tis-620", "windows-874"},
                                 Alias{"gb2312", "gb18030"},
                                 Alias{"gbk", "gb18030"},
                                 Alias{"x-gbk", "gb18030"},
                                 Alias{"gb_2312-80", "gb18030"},
                                 Alias{"shift_jis", "windows-31j"},
                                 Alias{"shift-jis", "windows-31j"},
                                 Alias{"sjis", "windows-31j"},
                                 Alias{"x-sjis", "windows-31j"},
                                 Alias{"ks_c_5601-1987", "windows-949"},
                                 Alias{"euc-kr", "windows-949"},
                                 Alias{"uhc", "windows-949"},
                                 Alias{"x-euc-jp", "euc-jp"},
                                 Alias{"x-mac-roman", "macintosh"},
                                 Alias{"mac-roman", "macintosh"},
                                 Alias{"unknown-8bit", "windows-1252"},
                                 Alias{"x-unknown", "windows-1252"},
                                 Alias{"mac-cyrillic", "x-mac-cyrillic"}};

std::string canonical_charset(std::string_view charset) {
  std::string name = ascii_lower(collapse_space(charset));
  for (const Alias& alias : kAliases) {
    if (alias.label == name) return std::string(alias.charset);
  }
  return name;
}

// Appends UTF-16 units as UTF-8; a high surrogate at the end waits in `high`.
void append_units(const char16_t* units, size_t count, char16_t& high, std::string& out) {
  for (size_t i = 0; i < count; ++i) {
    // ICU puts SUB where a byte means nothing in some encodings.
    const char16_t unit = units[i] == 0x1A ? char16_t{0xFFFD} : units[i];
    if (high) {
      if (unit >= 0xDC00 && unit < 0xE000) {
        append_code_point(0x10000 + ((high - 0xD800u) << 10) + (unit - 0xDC00u), out);
        high = 0;
        continue;
      }
      append_code_point(kReplacementCharacter, out);
      high = 0;
    }
    if (unit >= 0xD800 && unit < 0xDC00) {
      high = unit;
    } else {
      append_code_point(unit, out);
    }
  }
}

size_t count_replacements(std::string_view text) {
  size_t count = 0;
  for (size_t at = text.find("\xEF\xBF\xBD"); at != std::string_view::npos;
       at = text.find("\xEF\xBF\xBD", at + 3)) {
    ++count;
  }
  return count;
}

std::string normalize_lines(std::string text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r') {
      out += '\n';
      if (i + 1 < text.size() && text[i + 1] == '\n') ++i;
    } else if (text[i] == '\0') {
      append_code_point(kReplacementCharacter, out);
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

void prepare_text_conversion() {
  UErrorCode status = U_ZERO_ERROR;
  udata_setFileAccess(UDATA_NO_FILES, &status);
  // Opening one loads the alias table.
  (void)convert_to_utf8("a", "windows-1252");
}

Result<std::string> convert_to_utf8(std::string_view bytes, std::string_view charset) {
  constexpr size_t kCharsetNameBytesMax = 64;
  const std::string name = canonical_charset(charset);
  if (name == "utf-8" || name == "utf8") return to_valid_utf8(bytes);
  if (name.empty() || name.size() > kCharsetNameBytesMax) {
    return fail(ErrorCode::unsupported, "no text encoding is named");
  }
  if (bytes.size() > kTextBytesMax) {
    return fail(ErrorCode::too_large, "the text is larger than 256 MiB", "split it");
  }
  UErrorCode status = U_ZERO_ERROR;
  const std::unique_ptr<UConverter, ConverterCloser> converter(ucnv_open(name.c_str(), &status));
  if (U_FAILURE(status) || !converter) {
    return fail(ErrorCode::unsupported,
                "the text encoding \"" + to_valid_utf8(name) + "\" is not known",
                "convert the file to UTF-8");
  }
  std::string out;
  out.reserve(bytes.size() + bytes.size() / 2);
  std::array<char16_t, 4096> buffer;
  const char* source = bytes.data();
  const char* const end = source + bytes.size();
  char16_t high = 0;
  while (true) {
    char16_t* target = buffer.data();
    status = U_ZERO_ERROR;
    ucnv_toUnicode(converter.get(), &target, target + buffer.size(), &source, end, nullptr,
                   /*flush=*/true, &status);
    append_units(buffer.data(), static_cast<size_t>(target - buffer.data()), high, out);
    if (status == U_BUFFER_OVERFLOW_ERROR) continue;
    if (U_FAILURE(status)) {
      return fail(ErrorCode::damaged, "the text cannot be converted from " + name);
    }
    break;
  }
  if (high) append_code_point(kReplacementCharacter, out);
  // Vietnamese has its tones behind the vowels there, which nobody has who searches for the words.
  if (name == "windows-1258" || name == "cp1258") return unicode::to_nfc(out);
  return out;
}

std::string guess_charset(std::string_view bytes) {
  constexpr size_t kSampleBytesMax = 1 << 20;
  // Escapes announce ISO-2022 and the like, which only a detector that follows them knows.
  const size_t escape = bytes.find('\x1B');
  if (escape == std::string_view::npos) return guess_charset_by_language(bytes);
  const std::string_view sample =
      bytes.substr(escape - std::min<size_t>(escape, 4096), kSampleBytesMax);
  const std::unique_ptr<uchardet, DetectorCloser> detector(uchardet_new());
  if (!detector || uchardet_handle_data(detector.get(), sample.data(), sample.size()) != 0)
    return {};
  uchardet_data_end(detector.get());
  const std::string charset = ascii_lower(uchardet_get_charset(detector.get()));
  return charset.starts_with("iso-2022") ? charset : guess_charset_by_language(bytes);
}

Result<std::string> decode_legacy_text(std::string_view bytes, std::string_view hint) {
  if (!is_blank(hint)) {
    // A hint that turns much of the text into replacement characters is wrong.
    auto hinted = convert_to_utf8(bytes, hint);
    if (hinted && count_replacements(*hinted) * 50 <= hinted->size()) {
      return normalize_lines(std::move(*hinted));
    }
  }
  const std::string ebcdic = ebcdic_charset(bytes);
  const std::string guess = ebcdic.empty() ? guess_charset(bytes) : ebcdic;
  if (!guess.empty()) {
    auto guessed = convert_to_utf8(bytes, guess);
    if (guessed && count_replacements(*guessed) * 10 <= guessed->size()) {
      return normalize_lines(std::move(*guessed));
    }
  }
  HR_ASSIGN(std::string text, convert_to_utf8(bytes, "windows-1252"));
  return normalize_lines(std::move(text));
}

std::string code_page_charset(int code_page) {
  switch (code_page) {
    case 0:
    case 1:
      return "windows-1252";
    case 932:
      return "windows-31j";
    case 936:
      return "gb18030";
    case 949:
      return "windows-949";
    case 950:
      return "big5";
    case 10000:
      return "macintosh";
    case 65001:
      return "utf-8";
    default:
      break;
  }
  if (code_page >= 874 && code_page <= 1258 && (code_page == 874 || code_page >= 1250)) {
    return "windows-" + std::to_string(code_page);
  }
  return "ibm-" + std::to_string(code_page);
}

}  // namespace headrace::formats
