// Which pages of a PDF did not come, and why, told as one line.
//
// Owns: a few numbers, however many pages it stands for. Threads: a value. Errors: none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace headrace {

class PageSet {
 public:
  // Pages [first, end), counted from 0, behind those that are in it.
  void add(uint64_t first, uint64_t end);
  void append(const PageSet& later);
  bool empty() const { return count_ == 0; }
  uint64_t count() const { return count_; }
  // "page 7", "pages 3, 5 to 9 and 200 more", counted from 1.
  std::string names() const;

 private:
  std::vector<std::pair<uint64_t, uint64_t>> runs_;  // the first few
  uint64_t count_ = 0;
};

struct MissingPages {
  PageSet unreadable;        // damaged, or only claimed
  PageSet lost;              // a worker died of them or did not finish them
  PageSet skipped;           // not tried any more after those
  std::optional<Error> why;  // the first was lost

  void append(MissingPages&& later);
  // Nothing when all pages are there. `all`: none is.
  std::optional<Error> as_error(uint64_t page_count, bool all = false) const;
};

}  // namespace headrace
