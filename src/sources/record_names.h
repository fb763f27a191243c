// RecordNames: one name for each record of a file, also where the file gives an id twice: the
// second one with " (2)" behind it, as a second member of that name in an archive. The same file
// gives the same names again.
//
// Owns: a hash of each name given. Threads: one. Errors: none.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "base/hash.h"

namespace headrace {

class RecordNames {
 public:
  std::string unique(std::string name) {
    const uint64_t hash = hash64(name);
    if (given_.insert(hash).second) return name;
    uint64_t& times = times_.try_emplace(hash, 1).first->second;
    while (true) {
      std::string numbered = fmt::format("{} ({})", name, ++times);
      if (given_.insert(hash64(numbered)).second) return numbered;
    }
  }

 private:
  std::unordered_set<uint64_t> given_;
  std::unordered_map<uint64_t, uint64_t> times_;  // of names given more than once
};

}  // namespace headrace
