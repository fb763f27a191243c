// PrefixTable: where things lie by the hash of their name: pairs (upper 32 bits of the hash,
// number), sorted; several may have one prefix, so who asks compares. The sections "keys" (rows by
// key) and "sources" (documents by source): docs/formats/segment.md.
//
// Owns: a view into the section's bytes. Threads: const and safe. Errors: damaged.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "index/field_codec.h"
#include "index/packed_entries.h"
#include "index/section.h"

namespace headrace::index {

inline constexpr uint32_t kPrefixTableFields = 2;

class PrefixTable {
 public:
  // `packed`: entries are packed, see docs/formats/segment.md.
  static Result<PrefixTable> open(std::string_view bytes, bool packed);

  static uint32_t prefix_of(uint64_t hash) { return static_cast<uint32_t>(hash >> 32); }
  // As pairs are sorted.
  static uint64_t pair(uint64_t hash, uint32_t number) { return (hash >> 32) << 32 | number; }
  // The bytes of a table that is not packed.
  static std::string encode(std::vector<uint64_t> pairs);

  uint32_t count() const { return count_; }
  uint32_t prefix(uint32_t i) const {
    if (packed_) return static_cast<uint32_t>(packed_->get(i, 0));
    return load_number<uint32_t>(bytes_.data() + uint64_t{i} * 8);
  }
  uint32_t number(uint32_t i) const {
    if (packed_) return static_cast<uint32_t>(packed_->get(i, 1));
    return load_number<uint32_t>(bytes_.data() + uint64_t{i} * 8 + 4);
  }

  // Calls visit(number) for every entry with the prefix of this hash until it returns true.
  template <typename Visit>
  void find(uint64_t hash, const Visit& visit) const {
    const uint32_t wanted = prefix_of(hash);
    for (uint32_t i = first(wanted); i < count_ && prefix(i) == wanted; ++i) {
      if (visit(number(i))) return;
    }
  }
  bool is_sorted() const;

 private:
  // The first entry whose prefix is not below `wanted`.
  uint32_t first(uint32_t wanted) const;

  std::string_view bytes_;
  std::optional<PackedEntries> packed_;
  uint32_t count_ = 0;
};

// Numbers as the inputs' maps have them, without those that are dropped.
Status merge_prefix_tables(std::span<const MergeInput<PrefixTable>> inputs, bool packed,
                           SectionSink& out);

}  // namespace headrace::index
