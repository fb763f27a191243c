// DocumentPlaces: where the documents of each source are: from the hash of a source to (segment,
// document), in about ten bytes a document. Only a part of the hash is kept, so that a place may
// turn up that belongs to another source: who asks compares. Segments are named by numbers that
// only grow; a merge touches only the documents it moves.
//
// Owns: its tables. Threads: one at a time. Errors: none.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "base/hash_words.h"

namespace headrace::index {

class DocumentPlaces {
 public:
  struct Place {
    uint32_t segment = 0;
    uint32_t document = 0;
    bool operator==(const Place&) const = default;
  };

  // Before any of its `documents` is added. Its number is above all before it.
  void open_segment(uint32_t segment, uint32_t documents) {
    HR_CHECK(segments_.empty() || segments_.back().segment < segment, "segments come in order");
    HR_CHECK(next_ + documents <= kOrdinalMask, "too many documents were added in one process");
    segments_.push_back({segment, next_});
    next_ += documents;
  }
  // After all of its documents were removed.
  void close_segment(uint32_t segment) {
    const auto at = range_of(segment);
    if (at != segments_.end() && at->segment == segment) segments_.erase(at);
  }

  void add(uint64_t hash, Place place) { words_.add(word(hash, place)); }
  void remove(uint64_t hash, Place place) { words_.remove(word(hash, place)); }

  // Calls visit(place) for each that may be of that hash, in no particular order, until it returns
  // true.
  template <typename Visit>
  bool find(uint64_t hash, const Visit& visit) const {
    return words_.find(hash & ~kOrdinalMask, [&](uint64_t word) {
      const uint64_t ordinal = word & kOrdinalMask;
      const auto after = std::ranges::upper_bound(segments_, ordinal, {}, &Range::begin);
      const Range& range = *(after - 1);
      return visit(Place{range.segment, static_cast<uint32_t>(ordinal - range.begin)});
    });
  }

  size_t size() const { return words_.size(); }
  size_t memory_bytes() const { return words_.memory_bytes(); }

 private:
  static constexpr int kHashBits = 28;
  static constexpr uint64_t kOrdinalMask = (uint64_t{1} << (64 - kHashBits)) - 1;
  struct Range {
    uint32_t segment = 0;
    uint64_t begin = 0;  // the ordinal of its first document
  };
  std::vector<Range>::const_iterator range_of(uint32_t segment) const {
    return std::ranges::lower_bound(segments_, segment, {}, &Range::segment);
  }
  uint64_t word(uint64_t hash, Place place) const {
    const auto at = range_of(place.segment);
    HR_CHECK(at != segments_.end() && at->segment == place.segment, "the segment was not opened");
    return (hash & ~kOrdinalMask) | (at->begin + place.document);
  }

  HashWords<kHashBits> words_;
  std::vector<Range> segments_;  // by number, and so by ordinal
  uint64_t next_ = 1;
};

}  // namespace headrace::index
