#include "index/row_store.h"

#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>
#include <memory>

#include "index/row_codec.h"

namespace headrace::index {
namespace {

std::unexpected<Error> damaged(std::string what) {
  return fail(ErrorCode::damaged, "row store: " + what);
}

struct FreeContext {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

Status decompress(std::string_view stored, uint64_t raw_bytes, std::string& out) {
  // Kept: a hundred kilobytes, which would come fresh from the system for every block.
  thread_local const std::unique_ptr<ZSTD_DCtx, FreeContext> context(ZSTD_createDCtx());
  if (!context) return fail(ErrorCode::io, "row store: no memory to decompress a block");
  out.resize(raw_bytes);
  const size_t got =
      ZSTD_decompressDCtx(context.get(), out.data(), out.size(), stored.data(), stored.size());
  if (ZSTD_isError(got) || got != raw_bytes) return damaged("a blob block does not decompress");
  return {};
}

}  // namespace

void RowStoreBuilder::add(const Hash128& key, uint32_t document, uint32_t position,
                          std::string_view blob) {
  if (blocks_.empty() || blobs_.size() - blocks_.back().offset >= kBlobBlockBytes) {
    blocks_.push_back({count(), blobs_.size()});
  }
  rows_.hash(key);
  rows_.u32(document);
  rows_.u32(position);
  rows_.u32(static_cast<uint32_t>(blocks_.size() - 1));
  rows_.u32(static_cast<uint32_t>(blobs_.size() - blocks_.back().offset));
  blobs_.append(blob);
}

std::string RowStoreBuilder::keys() const {
  std::vector<uint64_t> pairs(count());
  for (uint32_t row = 0; row < pairs.size(); ++row) {
    const auto high = load_number<uint64_t>(rows_.view().data() + uint64_t{row} * kRowEntryBytes);
    pairs[row] = PrefixTable::pair(high, row);
  }
  return PrefixTable::encode(std::move(pairs));
}

std::string RowStoreBuilder::blob_blocks() const {
  FieldWriter out;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const uint64_t end = i + 1 < blocks_.size() ? blocks_[i + 1].offset : blobs_.size();
    const std::string_view bytes =
        std::string_view(blobs_).substr(blocks_[i].offset, end - blocks_[i].offset);
    out.u32(blocks_[i].first_row);
    out.u32(static_cast<uint32_t>(bytes.size()));
    out.u64(blocks_[i].offset);
    out.u32(static_cast<uint32_t>(bytes.size()));
    out.u32(static_cast<uint32_t>(BlobCodec::raw));
    out.u64(hash64(bytes));
  }
  return out.take();
}

Result<RowStore> RowStore::open(std::string_view rows, std::string_view keys,
                                std::string_view blobs, std::string_view blob_blocks, bool packed) {
  RowStore store;
  uint64_t count = rows.size() / kRowEntryBytes;
  bool fits = rows.size() % kRowEntryBytes == 0 && count < kDroppedRow;
  if (packed) {
    HR_ASSIGN(store.packed_rows_, PackedEntries::open(rows, kRowFields.size()));
    count = store.packed_rows_->count();
    fits = true;
  }
  HR_ASSIGN(store.keys_, PrefixTable::open(keys, packed));
  fits = fits && store.keys_.count() == count;
  if (!fits || blob_blocks.size() % kBlobBlockEntryBytes != 0 ||
      blob_blocks.size() / kBlobBlockEntryBytes > count) {
    return damaged("its sections' lengths do not fit together");
  }
  store.rows_ = rows;
  store.blobs_ = blobs;
  store.blocks_ = blob_blocks;
  store.count_ = static_cast<uint32_t>(count);
  store.block_count_ = static_cast<uint32_t>(blob_blocks.size() / kBlobBlockEntryBytes);
  return store;
}

std::string_view RowStore::block_stored(uint32_t block) const {
  const auto offset = block_field<uint64_t>(block, 8);
  const uint64_t length = block_field<uint32_t>(block, 16);
  if (offset > blobs_.size() || length > blobs_.size() - offset) return {};
  return blobs_.substr(offset, length);
}

Result<std::string_view> RowStore::block_bytes(uint32_t block, BlockCache& cache) const {
  if (cache.store == rows_.data() && cache.block == block) return cache.view;
  if (block >= block_count_) return damaged("a row names a block that is not there");
  const std::string_view stored = block_stored(block);
  if (hash64(stored) != block_field<uint64_t>(block, 24)) {
    return damaged(fmt::format("blob block {} does not match its checksum", block));
  }
  const uint64_t raw_bytes = block_raw_bytes(block);
  cache.store = nullptr;
  switch (block_codec(block)) {
    case BlobCodec::raw:
      if (stored.size() != raw_bytes) return damaged("a blob block has the wrong length");
      cache.view = stored;
      break;
    case BlobCodec::zstd:
      if (ZSTD_getFrameContentSize(stored.data(), stored.size()) != raw_bytes) {
        return damaged("a blob block has the wrong length");
      }
      HR_TRY(decompress(stored, raw_bytes, cache.bytes));
      cache.view = cache.bytes;
      break;
    default:
      return fail(ErrorCode::unsupported, "row store: a blob block is compressed in an unknown way",
                  "use a newer Headrace");
  }
  cache.store = rows_.data();
  cache.block = block;
  return cache.view;
}

uint64_t RowStore::blob_bytes(uint32_t row) const {
  const uint32_t block = block_of(row);
  const uint64_t end = row + 1 < count_ && block_of(row + 1) == block ? offset_in_block(row + 1)
                                                                      : block_raw_bytes(block);
  const uint64_t begin = offset_in_block(row);
  return end >= begin ? end - begin : 0;
}

Result<std::string_view> RowStore::blob(uint32_t row, BlockCache& cache) const {
  if (row >= count_) return damaged("a row is not there");
  HR_ASSIGN(const std::string_view bytes, block_bytes(block_of(row), cache));
  const uint64_t begin = offset_in_block(row);
  const uint64_t length = blob_bytes(row);
  if (begin > bytes.size() || length > bytes.size() - begin) {
    return damaged(fmt::format("row {} lies outside of its block", row));
  }
  return bytes.substr(begin, length);
}

Status RowStore::check(uint32_t document_count) const {
  BlockCache cache;
  for (uint32_t block = 0; block < block_count_; ++block) {
    const uint32_t first = block_first_row(block);
    if (first >= count_ || block_end_row(block) <= first || (block == 0 && first != 0)) {
      return damaged(fmt::format("blob block {} has no rows of its own", block));
    }
  }
  std::string row_text;
  for (uint32_t row = 0; row < count_; ++row) {
    const uint32_t block = block_of(row);
    if (block >= block_count_ || row < block_first_row(block) || row >= block_end_row(block) ||
        document(row) >= document_count) {
      return damaged(fmt::format("row {} belongs to no block or document", row));
    }
    HR_ASSIGN(const std::string_view bytes, blob(row, cache));
    Row decoded;
    if (!decode_row_blob(bytes, decoded)) {
      return damaged(fmt::format("row {} is malformed", row));
    }
    bool found = false;
    find(key(row), [&](uint32_t other) { return found = other == row; });
    if (!found) return damaged(fmt::format("the key of row {} is not in the key index", row));
  }
  if (!keys_.is_sorted()) return damaged("the key index is not sorted");
  return {};
}

}  // namespace headrace::index
