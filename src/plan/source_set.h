// SourceSet: which sources were met, by their 128-bit hashes: 23 to 46 bytes each, where a set of
// strings takes a hundred and more, and an archive may have millions of members.
//
// Owns: its table. Threads: one at a time. Errors: none.
#pragma once

#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hash.h"

namespace headrace {

class SourceSet {
 public:
  // True when it was not in yet.
  bool insert(std::string_view source) {
    if ((used_ + 1) * 10 > slots_.size() * 7) grow();
    return put(hash128(source));
  }
  bool contains(std::string_view source) const {
    if (slots_.empty()) return false;
    const Hash128 hash = hash128(source);
    return slots_[slot_of(hash)] == hash;
  }
  void clear() {
    slots_ = {};
    used_ = 0;
  }

 private:
  bool put(Hash128 hash) {
    Hash128& slot = slots_[slot_of(hash)];
    if (slot == hash) return false;
    slot = hash;
    ++used_;
    return true;
  }
  // Where it is, or would be. No source's hash is zero, as far as anybody knows.
  size_t slot_of(Hash128 hash) const {
    size_t at = hash.low & (slots_.size() - 1);
    while (slots_[at] != Hash128{} && slots_[at] != hash) at = (at + 1) & (slots_.size() - 1);
    return at;
  }
  void grow() {
    std::vector<Hash128> before(slots_.empty() ? 64 : slots_.size() * 2);
    std::swap(before, slots_);
    used_ = 0;
    for (const Hash128 hash : before) {
      if (hash != Hash128{}) put(hash);
    }
  }

  std::vector<Hash128> slots_;  // a power of two of them
  size_t used_ = 0;
};

}  // namespace headrace
