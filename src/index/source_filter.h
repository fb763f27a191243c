// SourceFilter: whether a segment may hold a document of a source, by one byte a document in memory
// (a Bloom filter of blocks of 256 bits; of others it lets about 3 % through), so that looking for
// new documents does not read every segment's table of sources.
//
// Putze, Sanders, Singler: Cache-, Hash- and Space-Efficient Bloom Filters (2007).
//
// Owns: its bits. Threads: const and safe. Errors: none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "index/prefix_table.h"

namespace headrace::index {

class SourceFilter {
 public:
  explicit SourceFilter(const PrefixTable& sources) : blocks_(sources.count() / 32 + 1) {
    for (uint32_t i = 0; i < sources.count(); ++i) {
      const uint64_t mixed = mix(sources.prefix(i));
      Block& block = blocks_[block_of(mixed)];
      for (size_t word = 0; word < block.size(); ++word) block[word] |= bit(mixed, word);
    }
  }

  // What is looked for, made once for the filters of many segments.
  class Wanted {
   public:
    explicit Wanted(uint64_t hash) : mixed_(mix(PrefixTable::prefix_of(hash))) {
      for (size_t word = 0; word < bits_.size(); ++word) bits_[word] = bit(mixed_, word);
    }

   private:
    friend class SourceFilter;
    uint64_t mixed_;
    std::array<uint32_t, 8> bits_;
  };

  bool may_hold(const Wanted& wanted) const {
    const Block& block = blocks_[block_of(wanted.mixed_)];
    uint32_t missing = 0;
    for (size_t word = 0; word < block.size(); ++word) missing |= wanted.bits_[word] & ~block[word];
    return missing == 0;
  }
  bool may_hold(uint64_t hash) const { return may_hold(Wanted(hash)); }

  size_t memory_bytes() const { return blocks_.size() * sizeof(Block); }

 private:
  using Block = std::array<uint32_t, 8>;
  static uint64_t mix(uint32_t prefix) {
    uint64_t mixed = (prefix + uint64_t{1}) * 0x9e3779b97f4a7c15U;
    mixed = (mixed ^ (mixed >> 32)) * 0xd6e8feb86659fd93U;
    return mixed ^ (mixed >> 32);
  }
  size_t block_of(uint64_t mixed) const {
    return static_cast<size_t>(((mixed >> 40) * blocks_.size()) >> 24);
  }
  // Five of the lower forty bits for each of a block's words.
  static uint32_t bit(uint64_t mixed, size_t word) {
    return uint32_t{1} << ((mixed >> (5 * word)) & 31);
  }

  std::vector<Block> blocks_;
};

}  // namespace headrace::index
