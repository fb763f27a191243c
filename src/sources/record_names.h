// RecordNames: one name for each record of a file, also where the file gives an id twice: the
// second one with " (2)" behind it, as a second member of that name in an archive. The same file
// gives the same names again.
//
// Owns: a bit of each name that counts on from one before it, about ten bytes of any other.
// Threads: one. Errors: none.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/hash_set.h"

namespace headrace {

class RecordNames {
 public:
  std::string unique(std::string name);

 private:
  // False when it was given before.
  bool insert(std::string_view name);
  bool insert_number(uint64_t stem, uint64_t number, std::string_view name);

  HashSet given_;                                 // names by their hash, but those in pages_
  std::unordered_map<uint64_t, uint64_t> times_;  // of names given more than once
  // Names that end in a number, by hash of what is before it and number / 1024: a bit each.
  static constexpr uint64_t kPageNumbers = 1024;
  using Page = std::array<uint64_t, kPageNumbers / 64>;
  std::unordered_map<uint64_t, Page> pages_;
  uint64_t names_ = 0;
  uint64_t stem_before_ = 0, number_before_ = 0;  // the last such name
};

}  // namespace headrace
