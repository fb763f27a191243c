// HashSet: which texts were met, by their 64-bit hashes: about ten bytes each, where a set of
// strings takes a hundred and more, and a file may have millions of records.
//
// Owns: its table. Threads: one at a time. Errors: none.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/hash.h"
#include "base/hash_words.h"

namespace headrace {

class HashSet {
 public:
  // True when it was not in yet.
  bool insert(std::string_view text) {
    const uint64_t word = word_of(text);
    if (words_.contains(word)) return false;
    words_.add(word);
    return true;
  }
  bool contains(std::string_view text) const { return words_.contains(word_of(text)); }
  void clear() { words_ = {}; }

 private:
  static uint64_t word_of(std::string_view text) {
    const uint64_t hash = hash64(text);
    return hash == 0 ? 1 : hash;
  }
  HashWords<64> words_;
};

}  // namespace headrace
