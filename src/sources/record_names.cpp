#include "sources/record_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/hash.h"

namespace headrace {

namespace {

constexpr size_t kDigitsMax = 18;
// A page is worth its room where names come one after another: a new one is begun next to the name
// before, and there are never more than one for so many names.
constexpr uint64_t kNear = 16;
constexpr uint64_t kNamesPerPage = 64;

}  // namespace

std::string RecordNames::unique(std::string name) {
  if (insert(name)) return name;
  uint64_t& times = times_.try_emplace(hash64(name), 1).first->second;
  while (true) {
    std::string numbered = fmt::format("{} ({})", name, ++times);
    if (insert(numbered)) return numbered;
  }
}

bool RecordNames::insert(std::string_view name) {
  ++names_;
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  size_t digits = 0;
  while (digits < name.size() && digits < kDigitsMax && digit(name[name.size() - 1 - digits]))
    ++digits;
  if (digits == 0) return given_.insert(name);
  const std::string_view written = name.substr(name.size() - digits);
  uint64_t number = 0;
  std::from_chars(written.data(), written.data() + written.size(), number);
  // "07" and "7" are two names: the width belongs to what is before the number.
  uint64_t stem = hash64(name.substr(0, name.size() - digits));
  if (written[0] == '0') stem ^= digits * 0x9e3779b97f4a7c15U;
  return insert_number(stem, number, name);
}

bool RecordNames::insert_number(uint64_t stem, uint64_t number, std::string_view name) {
  const bool is_near = stem == stem_before_ && number - number_before_ + kNear <= 2 * kNear;
  stem_before_ = stem;
  number_before_ = number;
  const uint64_t key = stem ^ (number / kPageNumbers * 0xd6e8feb86659fd93U);
  auto page = pages_.find(key);
  if (page == pages_.end()) {
    const bool is_worth_it = is_near && pages_.size() * kNamesPerPage <= names_;
    if (!is_worth_it) return given_.insert(name);
    page = pages_.try_emplace(key).first;
  }
  uint64_t& word = page->second[number % kPageNumbers / 64];
  const uint64_t bit = uint64_t{1} << (number % 64);
  // It may have come before its page was begun.
  if ((word & bit) != 0 || given_.contains(name)) return false;
  word |= bit;
  return true;
}

}  // namespace headrace
