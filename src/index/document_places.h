// DocumentPlaces: where the documents of each source are: a flat table from the hash of a source to
// (segment, document), in which one hash may stand several times. Segments are named by numbers
// that stay the same when others come and go, so that a merge touches only the documents it moves.
//
// Owns: its table, 16 bytes a slot. Threads: one at a time. Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace headrace::index {

class DocumentPlaces {
 public:
  struct Place {
    uint32_t segment = 0;  // from 1
    uint32_t document = 0;
    bool operator==(const Place&) const = default;
  };

  void add(uint64_t hash, Place place) {
    if ((used_ + 1) * 10 > slots_.size() * 7) grow();
    size_t at = first_slot(hash);
    while (slots_[at].place.segment != 0) at = (at + 1) & mask();
    slots_[at] = {hash, place};
    ++used_;
  }

  // Calls visit(place) for each, in no particular order, until it returns true.
  template <typename Visit>
  bool find(uint64_t hash, const Visit& visit) const {
    if (slots_.empty()) return false;
    for (size_t at = first_slot(hash); slots_[at].place.segment != 0; at = (at + 1) & mask()) {
      if (slots_[at].hash == hash && visit(slots_[at].place)) return true;
    }
    return false;
  }

  void remove(uint64_t hash, Place place) {
    size_t hole = slot_of(hash, place);
    if (hole >= slots_.size()) return;
    --used_;
    // Those behind it move up, so that no search ends at the hole.
    for (size_t at = (hole + 1) & mask(); slots_[at].place.segment != 0; at = (at + 1) & mask()) {
      const size_t wanted = first_slot(slots_[at].hash);
      if (((at - wanted) & mask()) < ((at - hole) & mask())) continue;
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole] = {};
  }

  size_t size() const { return used_; }

 private:
  struct Slot {
    uint64_t hash = 0;
    Place place;  // of segment 0: empty
  };
  size_t mask() const { return slots_.size() - 1; }
  size_t first_slot(uint64_t hash) const { return static_cast<size_t>(hash) & mask(); }
  size_t slot_of(uint64_t hash, Place place) const {
    if (slots_.empty()) return 0;
    for (size_t at = first_slot(hash); slots_[at].place.segment != 0; at = (at + 1) & mask()) {
      if (slots_[at].hash == hash && slots_[at].place == place) return at;
    }
    return slots_.size();
  }
  void grow() {
    std::vector<Slot> before(slots_.empty() ? 64 : slots_.size() * 2);
    before.swap(slots_);
    for (const Slot& slot : before) {
      if (slot.place.segment == 0) continue;
      size_t at = first_slot(slot.hash);
      while (slots_[at].place.segment != 0) at = (at + 1) & mask();
      slots_[at] = slot;
    }
  }

  std::vector<Slot> slots_;  // a power of two
  size_t used_ = 0;
};

}  // namespace headrace::index
