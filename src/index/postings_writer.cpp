#include "index/postings_writer.h"

#include <array>

#include "index/postings_pack.h"
#include "index/section_bytes.h"

namespace headrace::index {
namespace {

// Keeps the impacts that no other one covers: ascending by length code and by tf.
void keep_frontier(std::vector<Impact>& impacts) {
  std::ranges::sort(impacts, [](Impact a, Impact b) {
    return a.length_code != b.length_code ? a.length_code < b.length_code : a.tf > b.tf;
  });
  size_t kept = 0;
  int tf_max = -1;
  for (const Impact impact : impacts) {
    if (impact.tf <= tf_max) continue;
    tf_max = impact.tf;
    impacts[kept++] = impact;
  }
  impacts.resize(kept);
}

// Joins neighbours until at most `count` are left, those first where the joined impact promises
// least more than it must.
void reduce_frontier(std::vector<Impact>& impacts, size_t count) {
  while (impacts.size() > count) {
    size_t best = 0;
    int best_cost = INT32_MAX;
    for (size_t i = 0; i + 1 < impacts.size(); ++i) {
      const int cost = (impacts[i + 1].tf - impacts[i].tf) *
                       (impacts[i + 1].length_code - impacts[i].length_code);
      if (cost < best_cost) {
        best_cost = cost;
        best = i;
      }
    }
    impacts[best].tf = impacts[best + 1].tf;
    impacts.erase(impacts.begin() + static_cast<ptrdiff_t>(best) + 1);
  }
}

// The impacts of one block, through the largest tf seen with each length code.
class ImpactTable {
 public:
  void add(uint8_t length_code, uint32_t tf) {
    const auto capped = static_cast<uint8_t>(std::min<uint32_t>(tf, 255));
    if (tf_max_[length_code] == 0) seen_[seen_count_++] = length_code;
    tf_max_[length_code] = std::max(tf_max_[length_code], capped);
  }
  // Empties the table into `impacts`.
  void take(std::vector<Impact>& impacts) {
    impacts.clear();
    for (size_t i = 0; i < seen_count_; ++i) {
      impacts.push_back({tf_max_[seen_[i]], seen_[i]});
      tf_max_[seen_[i]] = 0;
    }
    seen_count_ = 0;
    keep_frontier(impacts);
  }

 private:
  std::array<uint8_t, 256> tf_max_{};
  std::array<uint8_t, 256> seen_{};
  size_t seen_count_ = 0;
};

void append_short(std::span<const uint32_t> rows, std::span<const uint32_t> tfs, uint32_t previous,
                  std::string& out) {
  for (size_t i = 0; i < rows.size(); ++i) {
    put_varint(out, (uint64_t{rows[i] - previous} << 1) | (tfs[i] == 1 ? 1 : 0));
    if (tfs[i] != 1) put_varint(out, tfs[i]);
    previous = rows[i];
  }
}

void append_impacts(std::span<const Impact> impacts, size_t count, std::string& out) {
  for (size_t i = 0; i < count; ++i) {
    const Impact impact = impacts[std::min(i, impacts.size() - 1)];
    out += static_cast<char>(impact.tf);
    out += static_cast<char>(impact.length_code);
  }
}

}  // namespace

PostingsWriter::PostingsWriter(SectionSink& out, std::string_view language,
                               std::span<const uint8_t> length_codes, bool has_positions)
    : out_(out), language_(language), length_codes_(length_codes), has_positions_(has_positions) {}

Status PostingsWriter::write(std::string_view bytes) {
  HR_TRY(out_.append(bytes));
  offset_ += bytes.size();
  return {};
}

Status PostingsWriter::add_term(std::string_view term, const ListContents& contents) {
  const std::span<const uint32_t> rows = contents.rows;
  if (rows.empty()) return {};
  size_t shared = 0;
  if (terms_in_block_ == 0) {
    if (offset_ == 0) {
      std::string head;
      put(head, kPostingsMagic);
      put(head, kPostingsVersion);
      HR_TRY(write(head));
    }
    put(records_, offset_);
    put(records_, uint32_t{0});  // entries_bytes, known when the block is full
    put(records_, static_cast<uint32_t>(keys_.size()));
    put(records_, static_cast<uint32_t>(term.size()));
    keys_ += term;
  } else {
    const size_t limit = std::min(term.size(), previous_term_.size());
    while (shared < limit && term[shared] == previous_term_[shared]) ++shared;
  }
  const size_t lists_before = lists_.size();
  if (rows.size() < kBlockRows) {
    append_short(rows, contents.tfs, 0, lists_);
  } else {
    append_blocks(contents);
  }
  const size_t list_bytes = lists_.size() - lists_before;
  if (has_positions_) lists_ += contents.positions;
  put_varint(entries_, shared);
  put_varint(entries_, term.size() - shared);
  entries_ += term.substr(shared);
  put_varint(entries_, rows.size());
  put_varint(entries_, list_bytes);
  put_varint(entries_, lists_.size() - lists_before - list_bytes);
  previous_term_ = term;
  ++term_count_;
  if (++terms_in_block_ == kTermsPerBlock) HR_TRY(flush_block());
  return {};
}

void PostingsWriter::append_blocks(const ListContents& contents) {
  const std::span<const uint32_t> rows = contents.rows;
  const std::span<const uint32_t> tfs = contents.tfs;
  std::string records;
  block_data_.clear();
  list_impacts_.clear();
  ImpactTable table;
  std::vector<Impact> impacts;
  std::array<uint32_t, kBlockRows> values;
  std::array<char, packed_bytes(32)> packed;
  uint32_t previous = 0;
  for (size_t begin = 0; begin < rows.size(); begin += kBlockRows) {
    const size_t count = std::min<size_t>(kBlockRows, rows.size() - begin);
    const auto block_rows = rows.subspan(begin, count);
    const auto block_tfs = tfs.subspan(begin, count);
    for (size_t i = 0; i < count; ++i) table.add(length_codes_[block_rows[i]], block_tfs[i]);
    table.take(impacts);
    reduce_frontier(impacts, kBlockImpacts);
    list_impacts_.insert(list_impacts_.end(), impacts.begin(), impacts.end());
    if (list_impacts_.size() > 4096) keep_frontier(list_impacts_);

    put(records, block_rows.back());
    put(records, static_cast<uint32_t>(block_data_.size()));
    if (count == kBlockRows) {
      for (size_t i = 0; i < count; ++i) {
        values[i] = block_rows[i] - (i == 0 ? previous : block_rows[i - 1]);
      }
      const uint32_t gap_bits = bits_needed(values.data());
      pack_block(values.data(), gap_bits, packed.data());
      block_data_.append(packed.data(), packed_bytes(gap_bits));
      for (size_t i = 0; i < count; ++i) values[i] = block_tfs[i] - 1;
      const uint32_t tf_bits = bits_needed(values.data());
      pack_block(values.data(), tf_bits, packed.data());
      block_data_.append(packed.data(), packed_bytes(tf_bits));
      records += static_cast<char>(gap_bits);
      records += static_cast<char>(tf_bits);
    } else {
      append_short(block_rows, block_tfs, previous, block_data_);
      records.append(2, static_cast<char>(kShortBlockBits));
    }
    append_impacts(impacts, kBlockImpacts, records);
    const uint64_t positions =
        has_positions_ && begin > 0 ? contents.position_ends[begin - 1] : uint64_t{0};
    put(records, static_cast<uint32_t>(positions));
    previous = block_rows.back();
  }
  keep_frontier(list_impacts_);
  reduce_frontier(list_impacts_, kListImpacts);
  append_impacts(list_impacts_, kListImpacts, lists_);
  lists_ += records;
  lists_ += block_data_;
}

Status PostingsWriter::flush_block() {
  const size_t record = records_.size() - kBlockIndexBytes;
  const auto entries_bytes = static_cast<uint32_t>(entries_.size());
  records_.replace(record + 8, 4, reinterpret_cast<const char*>(&entries_bytes), 4);
  HR_TRY(write(lists_));
  HR_TRY(write(entries_));
  lists_.clear();
  entries_.clear();
  terms_in_block_ = 0;
  ++block_count_;
  return {};
}

Status PostingsWriter::finish() {
  if (terms_in_block_ > 0) HR_TRY(flush_block());
  if (offset_ == 0) {
    std::string head;
    put(head, kPostingsMagic);
    put(head, kPostingsVersion);
    HR_TRY(write(head));
  }
  uint64_t row_count = 0;
  uint64_t total_terms = 0;
  for (const uint8_t code : length_codes_) {
    row_count += code != 0 ? 1 : 0;
    total_terms += decode_length(code);
  }
  std::string trailer;
  put(trailer, row_count);
  put(trailer, total_terms);
  put(trailer, term_count_);
  const uint64_t index_offset = offset_ + length_codes_.size();
  put(trailer, offset_);
  put(trailer, index_offset);
  put(trailer, index_offset + records_.size());
  put(trailer, static_cast<uint64_t>(keys_.size()));
  put(trailer, static_cast<uint32_t>(length_codes_.size()));
  put(trailer, block_count_);
  std::string language(language_.substr(0, kLanguageBytes));
  language.resize(kLanguageBytes);
  trailer += language;
  put(trailer, kAnalyzerVersion);
  put(trailer, has_positions_ ? kFeaturePositions : uint32_t{0});
  put(trailer, kPostingsVersion);
  put(trailer, kPostingsMagic);
  HR_TRY(write({reinterpret_cast<const char*>(length_codes_.data()), length_codes_.size()}));
  HR_TRY(write(records_));
  HR_TRY(write(keys_));
  return write(trailer);
}

}  // namespace headrace::index
