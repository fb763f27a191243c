// RecordNames: one name for each record of a file, also where the file gives an id twice: the
// second one with " (2)" behind it, as a second member of that name in an archive. The same file
// gives the same names again.
//
// Owns: which names were given. Threads: one. Errors: none.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <unordered_map>

#include "base/hash.h"
#include "base/name_set.h"

namespace headrace {

class RecordNames {
 public:
  std::string unique(std::string name) {
    if (given_.insert(name)) return name;
    uint64_t& times = times_.try_emplace(hash64(name), 1).first->second;
    while (true) {
      std::string numbered = fmt::format("{} ({})", name, ++times);
      if (given_.insert(numbered)) return numbered;
    }
  }

 private:
  NameSet given_;
  std::unordered_map<uint64_t, uint64_t> times_;  // of names given more than once
};

}  // namespace headrace
