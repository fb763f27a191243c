#include <zstd.h>

#include <memory>

#include "index/row_store.h"

namespace headrace::index {
namespace {

constexpr int kCompressionLevel = 1;

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

// Compresses into `out`; false when it is not worth it.
bool compress(std::string_view raw, std::string& out) {
  thread_local std::unique_ptr<ZSTD_CCtx, FreeContext> context(ZSTD_createCCtx());
  if (!context || raw.size() < 64) return false;
  out.resize(ZSTD_compressBound(raw.size()));
  const size_t got = ZSTD_compressCCtx(context.get(), out.data(), out.size(), raw.data(),
                                       raw.size(), kCompressionLevel);
  if (ZSTD_isError(got) || got > raw.size() - raw.size() / 16) return false;
  out.resize(got);
  return true;
}

}  // namespace

bool RowStoreMerger::can_copy(const RowMergeInput& input, uint32_t block) const {
  const RowStore& store = *input.store;
  if (store.block_codec(block) != codec_ || store.block_raw_bytes(block) < kBlobBlockBytes / 2) {
    return false;
  }
  for (uint32_t row = store.block_first_row(block); row < store.block_end_row(block); ++row) {
    if (row >= input.row_map.size() || input.row_map[row] == kDroppedRow) return false;
  }
  return true;
}

template <typename Visit>
Status RowStoreMerger::for_each_block(const Visit& visit) const {
  PlannedBlock packed;
  const auto flush = [&]() -> Status {
    if (packed.pieces.empty()) return {};
    HR_TRY(visit(packed));
    packed.pieces.clear();
    packed.raw_bytes = 0;
    return {};
  };
  for (uint32_t i = 0; i < inputs_.size(); ++i) {
    const RowStore& store = *inputs_[i].store;
    for (uint32_t block = 0; block < store.block_count(); ++block) {
      if (packed.raw_bytes >= kBlobBlockBytes / 4 || packed.pieces.empty()) {
        if (can_copy(inputs_[i], block)) {
          HR_TRY(flush());
          PlannedBlock copied;
          copied.verbatim = true;
          copied.input = i;
          copied.block = block;
          copied.raw_bytes = store.block_raw_bytes(block);
          HR_TRY(visit(copied));
          continue;
        }
      }
      for (uint32_t row = store.block_first_row(block); row < store.block_end_row(block); ++row) {
        if (row >= inputs_[i].row_map.size() || inputs_[i].row_map[row] == kDroppedRow) continue;
        packed.pieces.push_back({i, row});
        packed.raw_bytes += store.blob_bytes(row);
        if (packed.raw_bytes >= kBlobBlockBytes) HR_TRY(flush());
      }
    }
  }
  return flush();
}

Status RowStoreMerger::write_rows(SectionSink& out) {
  uint32_t block_number = 0;
  FieldWriter buffer;
  PackedEntriesWriter packer(out, kRowFields.size());
  const auto write_row = [&](uint32_t input, uint32_t row, uint32_t offset) -> Status {
    const RowStore& store = *inputs_[input].store;
    const Hash128 key = store.key(row);
    const uint32_t before = store.document(row);
    const uint32_t document = before < inputs_[input].document_map.size()
                                  ? inputs_[input].document_map[before]
                                  : kDroppedRow;
    const uint32_t position = store.position(row);
    if (packed_) {
      return packer.add(std::array<uint64_t, kRowFields.size()>{key.high, key.low, document,
                                                                position, block_number, offset});
    }
    buffer.hash(key);
    buffer.u32(document);
    buffer.u32(position);
    buffer.u32(block_number);
    buffer.u32(offset);
    return {};
  };
  const auto write_entries = [&](const PlannedBlock& block) -> Status {
    if (block.verbatim) {
      const RowStore& store = *inputs_[block.input].store;
      for (uint32_t row = store.block_first_row(block.block);
           row < store.block_end_row(block.block); ++row) {
        HR_TRY(write_row(block.input, row, store.offset_in_block(row)));
      }
    } else {
      uint64_t offset = 0;
      for (const Piece& piece : block.pieces) {
        HR_TRY(write_row(piece.input, piece.row, static_cast<uint32_t>(offset)));
        offset += inputs_[piece.input].store->blob_bytes(piece.row);
      }
    }
    ++block_number;
    if (buffer.size() < (64 << 10)) return {};
    HR_TRY(out.append(buffer.view()));
    buffer.clear();
    return {};
  };
  HR_TRY(for_each_block(write_entries));
  return packed_ ? packer.finish() : out.append(buffer.view());
}

Status RowStoreMerger::write_keys(SectionSink& out) {
  std::vector<MergeInput<PrefixTable>> keys;
  for (const RowMergeInput& input : inputs_) keys.push_back({&input.store->keys(), input.row_map});
  return merge_prefix_tables(keys, packed_, out);
}

Status RowStoreMerger::write_block(const PlannedBlock& block, SectionSink& out) {
  uint32_t rows = 0;
  uint64_t checksum = 0;
  uint64_t stored_bytes = 0;
  BlobCodec codec = BlobCodec::raw;
  if (block.verbatim) {
    const RowStore& store = *inputs_[block.input].store;
    const std::string_view stored = store.block_stored(block.block);
    checksum = load_number<uint64_t>(store.block_entry(block.block).data() + 24);
    if (hash64(stored) != checksum) {
      return fail(ErrorCode::damaged, "row store: a blob block does not match its checksum");
    }
    codec = store.block_codec(block.block);
    stored_bytes = stored.size();
    rows = store.block_end_row(block.block) - store.block_first_row(block.block);
    HR_TRY(out.append(stored));
  } else {
    std::string raw;
    for (const Piece& piece : block.pieces) {
      HR_ASSIGN(const std::string_view blob, inputs_[piece.input].store->blob(piece.row, cache_));
      raw.append(blob);
    }
    std::string packed;
    if (codec_ == BlobCodec::zstd && compress(raw, packed)) {
      codec = BlobCodec::zstd;
      raw.swap(packed);
    }
    checksum = hash64(std::string_view(raw));
    stored_bytes = raw.size();
    rows = static_cast<uint32_t>(block.pieces.size());
    HR_TRY(out.append(raw));
  }
  blocks_.u32(next_row_);
  blocks_.u32(static_cast<uint32_t>(block.raw_bytes));
  blocks_.u64(blobs_bytes_);
  blocks_.u32(static_cast<uint32_t>(stored_bytes));
  blocks_.u32(static_cast<uint32_t>(codec));
  blocks_.u64(checksum);
  blobs_bytes_ += stored_bytes;
  next_row_ += rows;
  return {};
}

Status RowStoreMerger::write_blobs(SectionSink& out) {
  return for_each_block(
      [&](const PlannedBlock& block) -> Status { return write_block(block, out); });
}

Status RowStoreMerger::write_blob_blocks(SectionSink& out) {
  return out.append(blocks_.view());
}

}  // namespace headrace::index
