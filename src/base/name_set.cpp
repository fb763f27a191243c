#include "base/name_set.h"

#include <charconv>

#include "base/hash.h"

namespace headrace {

namespace {

constexpr size_t kDigitsMax = 18;
// A page is worth its room where names come one after another: a new one is begun next to the name
// before, and there is never more than one for so many names.
constexpr uint64_t kNear = 16;
constexpr uint64_t kNamesPerPage = 64;

}  // namespace

uint64_t NameSet::Numbered::page() const {
  return stem ^ (number / kPageNumbers * 0xd6e8feb86659fd93U);
}

NameSet::Numbered NameSet::numbered(std::string_view name) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  size_t digits = 0;
  while (digits < name.size() && digits < kDigitsMax && digit(name[name.size() - 1 - digits]))
    ++digits;
  if (digits == 0) return {};
  const std::string_view written = name.substr(name.size() - digits);
  Numbered parts;
  parts.is_numbered = true;
  std::from_chars(written.data(), written.data() + written.size(), parts.number);
  // "07" and "7" are two names: the width belongs to what is before the number.
  parts.stem = hash64(name.substr(0, name.size() - digits));
  if (written[0] == '0') parts.stem ^= digits * 0x9e3779b97f4a7c15U;
  return parts;
}

bool NameSet::contains(std::string_view name) const {
  const Numbered parts = numbered(name);
  if (parts.is_numbered) {
    const auto page = pages_.find(parts.page());
    if (page != pages_.end() && (page->second[parts.word()] & parts.bit()) != 0) return true;
  }
  return others_.contains(name);
}

bool NameSet::insert(std::string_view name) {
  ++names_;
  const Numbered parts = numbered(name);
  if (!parts.is_numbered) return others_.insert(name);
  const bool is_near = before_.is_numbered && parts.stem == before_.stem &&
                       parts.number - before_.number + kNear <= 2 * kNear;
  before_ = parts;
  auto page = pages_.find(parts.page());
  if (page == pages_.end()) {
    if (!is_near || pages_.size() * kNamesPerPage > names_) return others_.insert(name);
    page = pages_.try_emplace(parts.page()).first;
  }
  uint64_t& word = page->second[parts.word()];
  // It may have come before its page was begun.
  if ((word & parts.bit()) != 0 || others_.contains(name)) return false;
  word |= parts.bit();
  return true;
}

}  // namespace headrace
