#include "email_headers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "base/utf8.h"
#include "legacy_text.h"
#include "office_blocks.h"

namespace headrace::formats {
namespace {

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = static_cast<char>(c | 0x20);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  if (c == '/' || c == '_') return 63;
  return -1;
}

std::string percent_decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 &&
        hex_value(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// One encoded word at the front of `text`: its charset, its bytes, its length (0: it is none).
struct EncodedWord {
  std::string charset, bytes;
  size_t length = 0;
};
EncodedWord parse_encoded_word(std::string_view text) {
  constexpr size_t kWordBytesMax = 2'000;  // the standard says 75; mailers do not
  const std::string_view ahead = text.substr(0, kWordBytesMax);
  if (!ahead.starts_with("=?")) return {};
  const size_t charset_end = ahead.find('?', 2);
  if (charset_end == std::string_view::npos || charset_end + 2 >= ahead.size()) return {};
  const char encoding = static_cast<char>(ahead[charset_end + 1] | 0x20);
  if ((encoding != 'q' && encoding != 'b') || ahead[charset_end + 2] != '?') return {};
  const size_t end = ahead.find("?=", charset_end + 3);
  if (end == std::string_view::npos) return {};
  const std::string_view body = ahead.substr(charset_end + 3, end - charset_end - 3);
  std::string_view charset = ahead.substr(2, charset_end - 2);
  charset = charset.substr(0, charset.find('*'));  // a language may follow
  return {std::string(charset),
          encoding == 'q' ? decode_quoted_printable(body, true) : decode_base64(body), end + 2};
}

}  // namespace

std::string decode_base64(std::string_view text) {
  std::string out;
  out.reserve(text.size() / 4 * 3 + 3);
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    if (c == '=') {
      bits = 0;
      count = 0;  // padding may stand between pieces that were encoded apart
      continue;
    }
    const int value = base64_value(c);
    if (value < 0) continue;
    bits = (bits << 6) | static_cast<uint32_t>(value);
    if (++count == 1) continue;
    const int shift = (4 - count) * 2;
    out += static_cast<char>((bits >> shift) & 0xFF);
    if (count == 4) {
      count = 0;
      bits = 0;
    }
  }
  return out;
}

std::string decode_quoted_printable(std::string_view text, bool underscores) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '_' && underscores) {
      out += ' ';
    } else if (c != '=') {
      out += c;
    } else if (i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    } else {
      // A soft line break: "=" and spaces to the end of the line.
      size_t end = i + 1;
      while (end < text.size() && (text[end] == ' ' || text[end] == '\t' || text[end] == '\r'))
        ++end;
      if (end < text.size() && text[end] == '\n') {
        i = end;
      } else if (end < text.size()) {
        out += c;
      } else {
        i = end;
      }
    }
  }
  return out;
}

std::string email_text(std::string_view bytes, std::string_view charset) {
  const std::string name = ascii_lower(charset);
  const bool says_unicode = name.empty() || name == "utf-8" || name == "utf8" || name == "us-ascii";
  if (says_unicode && is_valid_utf8(bytes)) return std::string(bytes);
  if (!says_unicode || name == "utf-8" || name == "utf8") {
    if (auto text = convert_to_utf8(bytes, name)) return std::move(*text);
  }
  if (auto text = decode_legacy_text(bytes, "")) return std::move(*text);
  return to_valid_utf8(bytes);
}

std::string decode_encoded_words(std::string_view text) {
  std::string out;
  std::string pending;  // bytes of words in one charset: a character may be split between two
  std::string charset;
  const auto flush = [&] {
    if (!pending.empty()) out += email_text(pending, charset);
    pending.clear();
  };
  size_t at = 0;
  while (at < text.size()) {
    const EncodedWord word = parse_encoded_word(text.substr(at));
    if (word.length == 0) {
      // White space between two encoded words is no text.
      size_t next = at;
      while (next < text.size() && is_space(text[next])) ++next;
      const bool between = !pending.empty() && next > at && next < text.size() &&
                           parse_encoded_word(text.substr(next)).length > 0;
      if (between) {
        at = next;
        continue;
      }
      flush();
      size_t end = std::min(text.find("=?", at + 1), text.size());
      while (end > at + 1 && end < text.size() && is_space(text[end - 1])) --end;
      out += email_text(text.substr(at, end - at), "");
      at = end;
      continue;
    }
    if (word.charset != charset) flush();
    charset = word.charset;
    pending += word.bytes;
    at += word.length;
  }
  flush();
  return out;
}

size_t EmailHeaders::read(std::string_view message) {
  constexpr size_t kFieldsMax = 10'000;
  constexpr size_t kFieldBytesMax = 256 << 10;
  size_t at = 0;
  std::string* field = nullptr;
  for (size_t count = 0; at < message.size() && count < kFieldsMax; ++count) {
    const size_t newline = std::min(message.find('\n', at), message.size());
    std::string_view line = message.substr(at, newline - at);
    const size_t next = std::min(newline + 1, message.size());
    while (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) return next;
    if (line[0] == ' ' || line[0] == '\t') {
      if (field && field->size() < kFieldBytesMax) {
        *field += ' ';
        line.remove_prefix(1);
        *field += line.substr(0, kFieldBytesMax);
      }
      at = next;
      continue;
    }
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) {
      if (!line.starts_with("From ") && !line.starts_with(">From ")) return at;  // the body begins
      at = next;
      continue;
    }
    std::string name = ascii_lower(line.substr(0, colon));
    while (!name.empty() && is_space(name.back())) name.pop_back();
    const auto [entry, fresh] = fields_.try_emplace(name);
    field = fresh ? &entry->second : nullptr;
    if (field) *field = line.substr(colon + 1, kFieldBytesMax);
    at = next;
  }
  return at;
}

std::string EmailHeaders::raw(std::string_view name) const {
  const auto found = fields_.find(name);
  return found == fields_.end() ? std::string() : found->second;
}

std::string EmailHeaders::text(std::string_view name) const {
  return collapse_space(decode_encoded_words(collapse_space(raw(name))));
}

std::string EmailField::parameter(const std::string& name) const {
  const auto found = parameters.find(name);
  return found == parameters.end() ? std::string() : found->second;
}

namespace {

// Puts name*0=, name*1*=, name*= together under "name".
void join_parameters(std::map<std::string, std::string>& parameters) {
  struct Pieces {
    std::map<int, std::string> texts;
    bool encoded = false;
  };
  std::map<std::string, Pieces> joined;
  for (const auto& [name, value] : parameters) {
    const size_t star = name.find('*');
    if (star == std::string::npos) continue;
    Pieces& pieces = joined[name.substr(0, star)];
    const bool encoded = name.ends_with('*');
    pieces.encoded |= encoded;
    pieces.texts[std::atoi(name.c_str() + star + 1)] = value;
  }
  for (const auto& [name, pieces] : joined) {
    std::string whole;
    for (const auto& piece : pieces.texts) whole += piece.second;
    if (pieces.encoded) {
      // charset'language'text with %XX
      const size_t first = whole.find('\'');
      const size_t second = first == std::string::npos ? first : whole.find('\'', first + 1);
      if (second != std::string::npos) {
        whole = email_text(percent_decode(std::string_view(whole).substr(second + 1)),
                           std::string_view(whole).substr(0, first));
      } else {
        whole = email_text(percent_decode(whole), "");
      }
    }
    parameters[name] = whole;
  }
}

}  // namespace

EmailField parse_email_field(std::string_view raw) {
  constexpr size_t kParametersMax = 256;
  EmailField field;
  size_t at = std::min(raw.find(';'), raw.size());
  field.value = ascii_lower(collapse_space(raw.substr(0, at)));
  while (at < raw.size() && field.parameters.size() < kParametersMax) {
    ++at;  // the semicolon
    const size_t stop = raw.find_first_of("=;", at);
    if (stop == std::string_view::npos) break;
    if (raw[stop] == ';') {
      at = stop;
      continue;
    }
    const std::string name = ascii_lower(collapse_space(raw.substr(at, stop - at)));
    at = stop + 1;
    while (at < raw.size() && is_space(raw[at])) ++at;
    std::string value;
    if (at < raw.size() && raw[at] == '"') {
      for (++at; at < raw.size() && raw[at] != '"'; ++at) {
        if (raw[at] == '\\' && at + 1 < raw.size()) ++at;
        value += raw[at];
      }
      at = std::min(raw.find(';', at), raw.size());
    } else {
      const size_t end = std::min(raw.find(';', at), raw.size());
      value = collapse_space(raw.substr(at, end - at));
      at = end;
    }
    field.parameters.try_emplace(name, std::move(value));
  }
  join_parameters(field.parameters);
  return field;
}

std::string email_date(std::string_view text) {
  static constexpr std::array<std::string_view, 12> kMonths = {
      "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"};
  const std::string original = collapse_space(text);
  std::string lower = ascii_lower(original);
  if (const size_t comma = lower.find(','); comma != std::string::npos) lower.erase(0, comma + 1);
  int day = 0, year = 0, hour = 0, minute = 0, second = 0;
  char month_name[4] = {};
  char zone[8] = {};
  const int got = std::sscanf(lower.c_str(), " %2d %3s%*[a-z] %4d %2d:%2d:%2d %7s", &day,
                              month_name, &year, &hour, &minute, &second, zone);
  int fields = got;
  if (got < 3) {
    second = 0;
    fields = std::sscanf(lower.c_str(), " %2d %3s %4d %2d:%2d:%2d %7s", &day, month_name, &year,
                         &hour, &minute, &second, zone);
    if (fields == 5) {
      second = 0;
      std::sscanf(lower.c_str(), " %*2d %*3s %*4d %*2d:%*2d %7s", zone);
    }
  }
  const auto month = std::find(kMonths.begin(), kMonths.end(), std::string_view(month_name));
  if (fields < 5 || month == kMonths.end() || day < 1 || day > 31 || hour < 0 || hour > 23 ||
      minute < 0 || minute > 59 || second < 0 || second > 60 || year < 0) {
    return original;
  }
  if (year < 50) year += 2000;
  if (year < 1000) year += 1900;
  std::string offset = "Z";
  if ((zone[0] == '+' || zone[0] == '-') && std::string_view(zone).size() >= 5) {
    const std::string_view z = zone;
    if (z.substr(1, 4) != "0000") {
      offset = std::string(z.substr(0, 3)) + ":" + std::string(z.substr(3, 2));
    }
  }
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}", year, month - kMonths.begin() + 1,
                     day, hour, minute, second, offset);
}

}  // namespace headrace::formats
