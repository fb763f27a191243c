#include "decode/html_tags.h"

namespace headrace {
namespace {

constexpr std::array<std::string_view, kHtmlTagCount> kNames = {"", "",
#define X(tag, name, properties) name,
                                                                HEADRACE_HTML_TAGS(X)
#undef X
};

constexpr size_t kSlots = 512;

constexpr uint32_t hash_of(std::string_view name) {
  uint32_t hash = kHtmlNameSeed;
  for (char c : name) hash = html_name_step(hash, c);
  return hash;
}

constexpr size_t slot_of(uint32_t hash) {
  return (hash ^ (hash >> 16)) & (kSlots - 1);
}

// Open addressing; 0 is an empty slot, for `text` has no name.
constexpr std::array<uint8_t, kSlots> kTable = [] {
  std::array<uint8_t, kSlots> table{};
  for (size_t tag = 2; tag < kHtmlTagCount; ++tag) {
    size_t slot = slot_of(hash_of(kNames[tag]));
    while (table[slot] != 0) slot = (slot + 1) & (kSlots - 1);
    table[slot] = static_cast<uint8_t>(tag);
  }
  return table;
}();

}  // namespace

bool equals_ignoring_case(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c) != lower[i]) return false;
  }
  return true;
}

HtmlTag find_html_tag(std::string_view name, uint32_t hash) {
  for (size_t slot = slot_of(hash); kTable[slot] != 0; slot = (slot + 1) & (kSlots - 1)) {
    if (equals_ignoring_case(name, kNames[kTable[slot]])) return static_cast<HtmlTag>(kTable[slot]);
  }
  return HtmlTag::unknown;
}

std::string_view html_tag_name(HtmlTag tag) {
  return kNames[static_cast<size_t>(tag)];
}

}  // namespace headrace
