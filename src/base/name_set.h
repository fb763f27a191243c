// NameSet: which names were met, of files of millions of records: a bit of each name that counts on
// from the one before it ("f#d17", "f#d18"), also with gaps, and about ten bytes of any other.
//
// Owns: its tables. Threads: one at a time. Errors: none.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <unordered_map>

#include "base/hash_set.h"

namespace headrace {

class NameSet {
 public:
  // True when it was not in yet.
  bool insert(std::string_view name);
  bool contains(std::string_view name) const;
  void clear() { *this = {}; }
  // Pages of numbers, a bit each (for tests).
  size_t pages() const { return pages_.size(); }

 private:
  // A name that ends in a number: by hash of what is before that, and how it is written.
  struct Numbered {
    uint64_t stem = 0;
    uint64_t number = 0;
    bool is_numbered = false;
    uint64_t page() const;
    size_t word() const { return number % kPageNumbers / 64; }
    uint64_t bit() const { return uint64_t{1} << (number % 64); }
  };
  static Numbered numbered(std::string_view name);

  static constexpr uint64_t kPageNumbers = 1024;
  using Page = std::array<uint64_t, kPageNumbers / 64>;
  std::unordered_map<uint64_t, Page> pages_;
  HashSet others_;  // all names that had no page when they came
  uint64_t names_ = 0;
  Numbered before_;  // the last one
};

}  // namespace headrace
