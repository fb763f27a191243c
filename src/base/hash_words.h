// HashWords: 64-bit words found by their top bits, at about ten bytes each however many they are:
// small open tables, one for each prefix, that grow by a quarter of themselves, where one large
// table would double. Its words must be spread evenly by those bits, as hashes are.
//
// Owns: its tables. Threads: one at a time. Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/check.h"

namespace headrace {

// Words are told apart by their top `kKeyBits` bits; the others are payload. A word may be in
// several times. No word is zero.
template <int kKeyBits>
class HashWords {
 public:
  void add(uint64_t word) {
    HR_CHECK(word != 0, "zero is no word");
    if (tables_.empty()) tables_.resize(1);
    if (size_ >= tables_.size() * kWordsPerTable && prefix_bits_ < kKeyBits) split();
    put(tables_[table_of(word)], word);
    ++size_;
  }

  // Calls visit(word) for each whose key is that of `key`, until it returns true.
  template <typename Visit>
  bool find(uint64_t key, const Visit& visit) const {
    if (tables_.empty()) return false;
    const std::vector<uint64_t>& slots = tables_[table_of(key)].slots;
    if (slots.empty()) return false;
    for (size_t at = home(key, slots.size()); slots[at] != 0; at = next(at, slots.size())) {
      if (((slots[at] ^ key) & kKeyMask) == 0 && visit(slots[at])) return true;
    }
    return false;
  }
  bool contains(uint64_t word) const {
    return find(word, [word](uint64_t found) { return found == word; });
  }

  // One of those that equal it; false when there is none.
  bool remove(uint64_t word) {
    if (tables_.empty() || word == 0) return false;
    Table& table = tables_[table_of(word)];
    std::vector<uint64_t>& slots = table.slots;
    if (slots.empty()) return false;
    size_t hole = home(word, slots.size());
    while (slots[hole] != word) {
      if (slots[hole] == 0) return false;
      hole = next(hole, slots.size());
    }
    --table.used;
    --size_;
    // Those behind it move up, so that no search ends at the hole.
    for (size_t at = next(hole, slots.size()); slots[at] != 0; at = next(at, slots.size())) {
      const size_t wanted = home(slots[at], slots.size());
      if (distance(wanted, at, slots.size()) < distance(hole, at, slots.size())) continue;
      slots[hole] = slots[at];
      hole = at;
    }
    slots[hole] = 0;
    return true;
  }

  size_t size() const { return size_; }
  size_t memory_bytes() const {
    size_t bytes = tables_.capacity() * sizeof(Table);
    for (const Table& table : tables_) bytes += table.slots.capacity() * sizeof(uint64_t);
    return bytes;
  }

 private:
  struct Table {
    std::vector<uint64_t> slots;  // zero: empty; never full
    size_t used = 0;
  };
  static constexpr size_t kWordsPerTable = 400;  // on average, at most
  static constexpr size_t kSlotsMin = 16;
  static constexpr uint64_t kKeyMask = ~uint64_t{0} << (64 - kKeyBits);

  size_t table_of(uint64_t word) const {
    return prefix_bits_ == 0 ? 0 : static_cast<size_t>(word >> (64 - prefix_bits_));
  }
  // The key's bits behind the prefix, as a fraction of the table.
  size_t home(uint64_t word, size_t slots) const {
    const uint64_t rest = prefix_bits_ == 64 ? 0 : (word & kKeyMask) << prefix_bits_;
    return static_cast<size_t>(((rest >> 32) * slots) >> 32);
  }
  static size_t next(size_t at, size_t slots) { return at + 1 == slots ? 0 : at + 1; }
  static size_t distance(size_t from, size_t to, size_t slots) {
    return to >= from ? to - from : to + slots - from;
  }

  void put(Table& table, uint64_t word) {
    if ((table.used + 1) * 8 > table.slots.size() * 7) {
      const std::vector<uint64_t> before = std::exchange(
          table.slots,
          std::vector<uint64_t>(table.slots.size() + table.slots.size() / 4 + kSlotsMin));
      for (const uint64_t known : before) {
        if (known != 0) place(table.slots, known);
      }
    }
    place(table.slots, word);
    ++table.used;
  }
  void place(std::vector<uint64_t>& slots, uint64_t word) const {
    size_t at = home(word, slots.size());
    while (slots[at] != 0) at = next(at, slots.size());
    slots[at] = word;
  }

  // Table by table, so that the words are never all held twice.
  void split() {
    std::vector<Table> before = std::exchange(tables_, std::vector<Table>(tables_.size() * 2));
    ++prefix_bits_;
    for (Table& table : before) {
      for (const uint64_t word : std::exchange(table, {}).slots) {
        if (word != 0) put(tables_[table_of(word)], word);
      }
    }
  }

  std::vector<Table> tables_;  // a power of two of them
  int prefix_bits_ = 0;
  size_t size_ = 0;
};

}  // namespace headrace
