// The row store of a segment: each row's key, document, position and blob (row_codec.h). Sections
// "rows" (fixed entries), "keys" (key → row), "blobs" (blocks of about 16 KiB, compressed in files)
// and "blob blocks" (where they are): docs/formats/segment.md.
//
// Owns: RowStore is a view into the segment's bytes. Threads: const and safe; a BlockCache belongs
// to one thread. Errors: damaged.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "index/field_codec.h"
#include "index/packed_entries.h"
#include "index/prefix_table.h"
#include "index/section.h"

namespace headrace::index {

inline constexpr uint32_t kRowEntryBytes = 32;
// Where the numbers of an entry stand, in the order of its packed form: the key's halves, document,
// position, block, offset.
inline constexpr std::array<uint8_t, 6> kRowFields = {0, 8, 16, 20, 24, 28};
inline constexpr uint32_t kBlobBlockEntryBytes = 32;
inline constexpr uint32_t kBlobBlockBytes = 16 << 10;
inline constexpr uint64_t kRowBlobBytesMax = 1ULL << 30;

enum class BlobCodec : uint32_t { raw = 0, zstd = 1 };

// Rows as they come, uncompressed; finish writes the four sections' bytes.
class RowStoreBuilder {
 public:
  // Room for the blobs to come: growing step by step would hold large ones twice.
  void reserve_blobs(uint64_t bytes) { blobs_.reserve(bytes); }
  void add(const Hash128& key, uint32_t document, uint32_t position, std::string_view blob);
  uint32_t count() const { return static_cast<uint32_t>(rows_.size() / kRowEntryBytes); }
  uint64_t memory_bytes() const { return rows_.size() * 5 / 4 + blobs_.size(); }
  std::string_view rows() const { return rows_.view(); }
  std::string_view blobs() const { return blobs_; }
  std::string keys() const;
  std::string blob_blocks() const;

 private:
  struct Block {
    uint32_t first_row = 0;
    uint64_t offset = 0;
  };
  FieldWriter rows_;
  std::string blobs_;
  std::vector<Block> blocks_;
};

// The block that was decompressed last.
// The block read last, checked and decompressed.
struct BlockCache {
  const void* store = nullptr;
  uint32_t block = 0;
  std::string_view view;  // where it lies: in the segment, or in `bytes`
  std::string bytes;
};

class RowStore {
 public:
  // `packed`: rows and keys are packed entries, see docs/formats/segment.md.
  static Result<RowStore> open(std::string_view rows, std::string_view keys, std::string_view blobs,
                               std::string_view blob_blocks, bool packed);

  uint32_t count() const { return count_; }
  Hash128 key(uint32_t row) const { return {field<uint64_t>(row, 0), field<uint64_t>(row, 8)}; }
  uint32_t document(uint32_t row) const { return field<uint32_t>(row, 16); }
  uint32_t position(uint32_t row) const { return field<uint32_t>(row, 20); }
  // Valid until the cache is used again.
  Result<std::string_view> blob(uint32_t row, BlockCache& cache) const;
  uint64_t blob_bytes(uint32_t row) const;

  // Calls visit(row) for every row with this key until it returns true.
  template <typename Visit>
  void find(const Hash128& key, const Visit& visit) const {
    keys_.find(key.high,
               [&](uint32_t row) { return row < count_ && this->key(row) == key && visit(row); });
  }

  uint32_t block_count() const { return block_count_; }
  uint32_t block_of(uint32_t row) const { return field<uint32_t>(row, 24); }
  uint32_t block_first_row(uint32_t block) const { return block_field<uint32_t>(block, 0); }
  uint32_t block_end_row(uint32_t block) const {
    return block + 1 < block_count_ ? block_first_row(block + 1) : count_;
  }
  uint32_t block_raw_bytes(uint32_t block) const { return block_field<uint32_t>(block, 4); }
  BlobCodec block_codec(uint32_t block) const {
    return static_cast<BlobCodec>(block_field<uint32_t>(block, 20));
  }
  std::string_view block_stored(uint32_t block) const;
  std::string_view block_entry(uint32_t block) const {
    return blocks_.substr(uint64_t{block} * kBlobBlockEntryBytes, kBlobBlockEntryBytes);
  }
  uint32_t offset_in_block(uint32_t row) const { return field<uint32_t>(row, 28); }

  const PrefixTable& keys() const { return keys_; }

  // Every row decodes, every block matches its checksum, the key index is complete and sorted.
  Status check(uint32_t document_count) const;

 private:
  template <typename Number>
  Number field(uint32_t row, uint32_t offset) const {
    if (row >= count_) return Number{};
    if (packed_rows_) {
      uint32_t number = 0;
      while (kRowFields[number] != offset) ++number;
      return static_cast<Number>(packed_rows_->get(row, number));
    }
    return load_number<Number>(rows_.data() + uint64_t{row} * kRowEntryBytes + offset);
  }
  template <typename Number>
  Number block_field(uint32_t block, uint32_t offset) const {
    if (block >= block_count_) return Number{};
    return load_number<Number>(blocks_.data() + uint64_t{block} * kBlobBlockEntryBytes + offset);
  }
  Result<std::string_view> block_bytes(uint32_t block, BlockCache& cache) const;

  std::string_view rows_, blobs_, blocks_;
  std::optional<PackedEntries> packed_rows_;
  PrefixTable keys_;
  uint32_t count_ = 0;
  uint32_t block_count_ = 0;
};

struct RowMergeInput {
  const RowStore* store = nullptr;
  NumberMap row_map;
  NumberMap document_map;
};

// Streams the merged row store: one call for each section, in this order. Blocks whose rows all
// live are copied as they are.
class RowStoreMerger {
 public:
  RowStoreMerger(std::span<const RowMergeInput> inputs, BlobCodec codec, bool packed)
      : inputs_(inputs), codec_(codec), packed_(packed) {}
  Status write_rows(SectionSink& out);
  Status write_keys(SectionSink& out);
  Status write_blobs(SectionSink& out);
  Status write_blob_blocks(SectionSink& out);  // after write_blobs

 private:
  // A block of the result: one input block as it is, or rows packed together.
  struct Piece {
    uint32_t input = 0;
    uint32_t row = 0;
  };
  struct PlannedBlock {
    bool verbatim = false;
    uint32_t input = 0;
    uint32_t block = 0;
    std::vector<Piece> pieces;
    uint64_t raw_bytes = 0;
  };
  template <typename Visit>
  Status for_each_block(const Visit& visit) const;
  bool can_copy(const RowMergeInput& input, uint32_t block) const;
  Status write_block(const PlannedBlock& block, SectionSink& out);

  std::span<const RowMergeInput> inputs_;
  BlobCodec codec_;
  bool packed_;
  FieldWriter blocks_;
  uint64_t blobs_bytes_ = 0;
  uint32_t next_row_ = 0;
  BlockCache cache_;
};

}  // namespace headrace::index
