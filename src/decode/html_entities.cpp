#include "decode/html_entities.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

namespace headrace {
namespace {

constexpr size_t kLongestName = 32;   // CounterClockwiseContourIntegral has 31
constexpr size_t kLongestLegacy = 6;  // "frac12"

// What the numbers 0x80–0x9F mean on the web: Windows-1252.
constexpr std::array<char16_t, 32> kWindows1252 = {
    0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x8D,   0x017D, 0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178};

uint32_t hash_name(std::string_view name) {
  uint32_t hash = 2166136261u;
  for (char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 16777619u;
  return hash ^ (hash >> 15);
}

// Open addressing over the names; the load is about one half.
class EntityTable {
 public:
  EntityTable() : slots_(kSlots) {
    std::string_view rest = kHtmlEntityNames;
    while (!rest.empty()) {
      const size_t comma = rest.find(',');
      add(rest.substr(0, comma));
      rest.remove_prefix(comma + 1);
    }
    rest = kHtmlLegacyEntityNames;
    while (!rest.empty()) {
      const size_t comma = rest.find(',');
      const size_t slot = find_slot(rest.substr(0, comma));
      slots_[slot].legacy = true;
      rest.remove_prefix(comma + 1);
    }
  }

  struct Slot {
    std::string_view name;  // into the data above, which lives as long as the process
    char32_t first = 0;
    char32_t second = 0;
    bool legacy = false;
  };

  const Slot* find(std::string_view name) const {
    const Slot& slot = slots_[find_slot(name)];
    return slot.name.empty() ? nullptr : &slot;
  }

 private:
  static constexpr size_t kSlots = 4096;

  size_t find_slot(std::string_view name) const {
    size_t slot = hash_name(name) & (kSlots - 1);
    while (!slots_[slot].name.empty() && slots_[slot].name != name) {
      slot = (slot + 1) & (kSlots - 1);
    }
    return slot;
  }

  void add(std::string_view entry) {
    const size_t space = entry.find(' ');
    Slot& slot = slots_[find_slot(entry.substr(0, space))];
    slot.name = entry.substr(0, space);
    const char* end = entry.data() + entry.size();
    uint32_t value = 0;
    auto parsed = std::from_chars(entry.data() + space + 1, end, value, 16);
    slot.first = value;
    if (parsed.ptr != end && std::from_chars(parsed.ptr + 1, end, value, 16).ptr == end) {
      slot.second = value;
    }
  }

  std::vector<Slot> slots_;
};

const EntityTable& entity_table() {
  static const EntityTable table;
  return table;
}

bool is_alnum(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

HtmlReference read_numeric(std::string_view text) {
  size_t pos = 2;
  const bool hex = pos < text.size() && (text[pos] == 'x' || text[pos] == 'X');
  if (hex) ++pos;
  const size_t digits = pos;
  uint32_t value = 0;
  for (; pos < text.size(); ++pos) {
    const char c = text[pos];
    uint32_t digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<uint32_t>(c - '0');
    } else if (hex && (c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
      digit = static_cast<uint32_t>((c | 0x20) - 'a') + 10;
    } else {
      break;
    }
    if (value <= 0x10FFFF) value = value * (hex ? 16 : 10) + digit;
  }
  if (pos == digits) return {};
  if (pos < text.size() && text[pos] == ';') ++pos;
  if (value >= 0x80 && value < 0xA0) value = kWindows1252[value - 0x80];
  if (value == 0 || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) value = 0xFFFD;
  return {.first = value, .length = pos};
}

}  // namespace

HtmlReference read_html_reference(std::string_view text, bool in_attribute) {
  if (text.size() < 3) return {};
  if (text[1] == '#') return read_numeric(text);
  size_t end = 1;
  while (end < text.size() && end <= kLongestName && is_alnum(text[end])) ++end;
  if (end < 3) return {};
  const EntityTable& table = entity_table();
  if (end < text.size() && text[end] == ';') {
    if (const auto* slot = table.find(text.substr(1, end - 1))) {
      return {.first = slot->first, .second = slot->second, .length = end + 1};
    }
  }
  for (size_t length = std::min(kLongestLegacy, end - 1); length >= 2; --length) {
    const auto* slot = table.find(text.substr(1, length));
    if (slot == nullptr || !slot->legacy) continue;
    const size_t next = 1 + length;
    if (in_attribute && next < text.size() && (text[next] == '=' || is_alnum(text[next]))) {
      return {};
    }
    return {.first = slot->first, .second = slot->second, .length = next};
  }
  return {};
}

Utf8Step read_utf8(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {.code_point = lead, .length = 1, .valid = true};
  if (lead < 0xC2 || lead > 0xF4) return {};
  const uint8_t needed = lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
  // The second byte's range excludes overlong forms, surrogates and what lies above U+10FFFF.
  uint8_t low = 0x80, high = 0xBF;
  if (lead == 0xE0) low = 0xA0;
  if (lead == 0xED) high = 0x9F;
  if (lead == 0xF0) low = 0x90;
  if (lead == 0xF4) high = 0x8F;
  char32_t value = lead & (0x3F >> needed);
  for (uint8_t i = 1; i <= needed; ++i) {
    if (i >= text.size() || byte(i) < low || byte(i) > high) return {.length = i};
    value = (value << 6) | (byte(i) & 0x3F);
    low = 0x80;
    high = 0xBF;
  }
  return {.code_point = value, .length = static_cast<uint8_t>(needed + 1), .valid = true};
}

void append_utf8(char32_t code_point, std::string& out) {
  if (code_point < 0x80) {
    out += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    out += static_cast<char>(0xC0 | (code_point >> 6));
    out += static_cast<char>(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    out += static_cast<char>(0xE0 | (code_point >> 12));
    out += static_cast<char>(0x80 | ((code_point >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code_point & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (code_point >> 18));
    out += static_cast<char>(0x80 | ((code_point >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((code_point >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code_point & 0x3F));
  }
}

std::string html_plain_text(std::string_view raw, bool in_attribute) {
  std::string out;
  bool space = false;
  const auto put = [&](char32_t c) {
    if (c == ' ' || (c >= '\t' && c <= '\r') || c == 0xA0) {
      space = !out.empty();
      return;
    }
    if (c < 0x20 || c == 0x7F || c == 0xAD || c == 0xFEFF) return;
    if (space) out += ' ';
    space = false;
    append_utf8(c, out);
  };
  for (size_t pos = 0; pos < raw.size();) {
    if (raw[pos] == '&') {
      const HtmlReference reference = read_html_reference(raw.substr(pos), in_attribute);
      if (reference.length > 0) {
        put(reference.first);
        if (reference.second != 0) put(reference.second);
        pos += reference.length;
        continue;
      }
    }
    const Utf8Step step = read_utf8(raw.substr(pos, 4));
    put(step.code_point);
    pos += step.length;
  }
  return out;
}

}  // namespace headrace
