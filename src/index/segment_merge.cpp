#include "index/segment_merge.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "index/row_codec.h"
#include "runtime/thread_pool.h"

namespace headrace::index {
namespace {

// A merge reads its mapped inputs from end to end; pages behind it are given back after this many
// bytes of output, so that resident memory does not grow with the inputs. Little output may be all
// that comes of much input.
constexpr uint64_t kForgetBytes = 1 << 20;
constexpr uint64_t kInputBytesPerAppend = 16 << 10;
// Fewer rows are merged faster than a thread begins.
constexpr uint32_t kRowsWorthAThread = 4096;

class ForgettingSink : public SectionSink {
 public:
  ForgettingSink(SectionSink& target, std::span<const SegmentMergeInput> inputs)
      : target_(target), inputs_(inputs) {}
  Status append(std::string_view bytes) override {
    written_ += std::max<uint64_t>(bytes.size(), kInputBytesPerAppend);
    if (written_ >= kForgetBytes) {
      written_ = 0;
      for (const SegmentMergeInput& input : inputs_) input.segment->forget();
    }
    return target_.append(bytes);
  }

 private:
  SectionSink& target_;
  std::span<const SegmentMergeInput> inputs_;
  uint64_t written_ = 0;
};

// Numbers the surviving documents of one input; a stale one survives while a row of it does.
MergeNumbers plan_documents(const SegmentMergeInput& input, DeadRows dead, const NumberMap& rows,
                            uint32_t& next) {
  const DocumentTable& table = input.segment->documents();
  MergeNumbers documents(table.count(), next);
  for (uint32_t document = 0; document < table.count(); ++document) {
    bool kept =
        dead == DeadRows::keep ||
        !(table.is_stale(document) || (input.stale != nullptr && input.stale->test(document)));
    const uint64_t first = table.first_row(document);
    const uint64_t end = first + table.row_count(document);
    for (uint64_t row = first; row < end && row < rows.size() && !kept; ++row) {
      kept = rows[row] != kDroppedRow;
    }
    if (kept) {
      documents.keep(next++);
    } else {
      documents.drop();
    }
    if ((document + 1) % kDocumentsInSight == 0) input.segment->forget();
  }
  input.segment->forget();
  return documents;
}

// Segments without a table of sources get one made.
Status merge_sources(std::span<const SegmentMergeInput> inputs, const SegmentMergeMaps& maps,
                     SectionSink& out) {
  std::vector<std::string> made(inputs.size());
  std::vector<PrefixTable> tables(inputs.size());
  std::vector<MergeInput<PrefixTable>> parts;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Segment& segment = *inputs[i].segment;
    const PrefixTable* table = segment.sources();
    if (table == nullptr) {
      std::vector<uint64_t> pairs(segment.document_count());
      for (uint32_t d = 0; d < pairs.size(); ++d)
        pairs[d] = PrefixTable::pair(segment.documents().source_hash(d), d);
      made[i] = PrefixTable::encode(std::move(pairs));
      HR_ASSIGN(tables[i], PrefixTable::open(made[i], false));
      table = &tables[i];
    }
    parts.push_back({table, maps.documents[i].map()});
  }
  return merge_prefix_tables(parts, true, out);
}

Status merge_vectors_of(std::span<const SegmentMergeInput> inputs, const SegmentMergeMaps& maps,
                        const std::string& space, const VectorMergeOptions& options,
                        SectionFileWriter& writer) {
  std::vector<MergeInput<VectorSet>> sets;
  bool any = false;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].vectors) continue;
    const NumberMap row_map = maps.rows[i].map();
    for (const VectorSet* set : inputs[i].vectors(space)) {
      sets.push_back({set, row_map});
      for (uint32_t at = 0; at < set->count() && !any; ++at) {
        const uint32_t row = set->row_at(at);
        any = row < row_map.size() && row_map[row] != kDroppedRow;
      }
    }
  }
  if (!any) return {};
  HR_ASSIGN(SectionSink * sink, writer.begin(SectionKind::vectors, space));
  VectorMergeOptions own = options;
  if (options.list_memory_bytes != 0) {
    own.let_go = [&] {
      for (const SegmentMergeInput& input : inputs) input.segment->forget();
    };
  }
  return merge_vectors(sets, own, *sink);
}

// Postings of the first version do not say where words stand: the texts are read again.
Status rebuild_postings(std::span<const SegmentMergeInput> inputs, const SegmentMergeMaps& maps,
                        SectionSink& out) {
  std::string_view language = "none";
  for (const SegmentMergeInput& input : inputs) {
    if (input.segment->postings().row_count() > 0) language = input.segment->postings().language();
  }
  PostingsBuilder builder(language);
  BlockCache cache;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const RowStore& rows = inputs[i].segment->rows();
    const NumberMap row_map = maps.rows[i].map();
    for (uint32_t row = 0; row < row_map.size(); ++row) {
      if (row_map[row] == kDroppedRow) continue;
      HR_ASSIGN(const std::string_view blob, rows.blob(row, cache));
      Row decoded;
      if (!decode_row_blob(blob, decoded)) {
        return fail(ErrorCode::damaged, "a row cannot be read",
                    "run verify to see what is affected");
      }
      builder.add(row_map[row], decoded.title, decoded.text);
    }
  }
  return builder.finish(out);
}

// Merges postings on a thread of its own, into memory.
class PostingsBeside {
 public:
  explicit PostingsBeside(std::span<const MergeInput<Postings>> inputs)
      : thread_([this, inputs] { status_ = merge_postings(inputs, image_); }) {}
  Status write(SectionSink& out) {
    thread_.join();
    HR_TRY(status_);
    return out.append(image_.bytes());
  }

 private:
  ImageSink image_;
  Status status_;
  Thread thread_;
};

uint64_t postings_bytes(std::span<const SegmentMergeInput> inputs) {
  uint64_t bytes = 0;
  for (const SegmentMergeInput& input : inputs) {
    const auto* const section = input.segment->file().find(SectionKind::postings);
    if (section != nullptr) bytes += section->bytes.size();
  }
  return bytes;
}

template <typename Input, typename Merge>
Status write_section(SectionFileWriter& writer, SectionKind kind, const Input& inputs,
                     const Merge& merge) {
  HR_ASSIGN(SectionSink * sink, writer.begin(kind));
  return merge(inputs, *sink);
}

}  // namespace

Result<SegmentMergeMaps> plan_merge(std::span<const SegmentMergeInput> inputs, DeadRows dead) {
  SegmentMergeMaps maps;
  uint64_t total = 0;
  for (const SegmentMergeInput& input : inputs) total += input.segment->row_count();
  if (total >= kDroppedRow) {
    return fail(ErrorCode::too_large, "a segment cannot hold 2^32 rows");
  }
  for (const SegmentMergeInput& input : inputs) {
    MergeNumbers rows(input.segment->row_count(), maps.row_count);
    for (uint32_t row = 0; row < input.segment->row_count(); ++row) {
      if (dead == DeadRows::drop && input.deleted != nullptr && input.deleted->test(row)) {
        rows.drop();
      } else {
        rows.keep(maps.row_count++);
      }
    }
    maps.rows.push_back(std::move(rows));
    maps.documents.push_back(
        plan_documents(input, dead, maps.rows.back().map(), maps.document_count));
  }
  return maps;
}

Result<SectionFileSeal> merge_segments(std::span<const SegmentMergeInput> inputs,
                                       const SegmentMergeMaps& maps,
                                       std::span<const std::string> spaces,
                                       const SegmentMergeOptions& options, SectionSink& out) {
  ForgettingSink sink(out, inputs);
  // Memory segments are read too often to be packed, and live too short.
  const bool packed = options.codec == BlobCodec::zstd;
  SectionFileWriter writer(sink, SectionFileType::segment, options.id,
                           packed ? kSectionFilePacked : kSectionFileVersion);
  std::vector<DocumentMergeInput> documents;
  std::vector<RowMergeInput> rows;
  std::vector<MergeInput<Columns>> columns;
  std::vector<MergeInput<Postings>> postings;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Segment& segment = *inputs[i].segment;
    const NumberMap row_map = maps.rows[i].map(), document_map = maps.documents[i].map();
    documents.push_back({&segment.documents(), document_map, inputs[i].stale, row_map});
    rows.push_back({&segment.rows(), row_map, document_map});
    columns.push_back({&segment.columns(), row_map});
    postings.push_back({&segment.postings(), row_map});
  }
  const bool rebuilds = std::ranges::any_of(inputs, [](const SegmentMergeInput& input) {
    return lacks_positions(input.segment->postings());
  });
  // Words and all else take about as long as each other.
  std::optional<PostingsBeside> beside;
  if (!rebuilds && maps.row_count >= kRowsWorthAThread &&
      postings_bytes(inputs) <= options.beside_bytes_max)
    beside.emplace(postings);
  HR_ASSIGN(SectionSink * document_sink, writer.begin(SectionKind::documents));
  HR_TRY(merge_document_entries(documents, packed, *document_sink));
  HR_TRY(write_section(writer, SectionKind::document_text, documents, merge_document_text));
  if (packed) {
    HR_ASSIGN(SectionSink * source_sink, writer.begin(SectionKind::sources));
    HR_TRY(merge_sources(inputs, maps, *source_sink));
  }
  RowStoreMerger store(rows, options.codec, packed);
  HR_ASSIGN(SectionSink * row_sink, writer.begin(SectionKind::rows));
  HR_TRY(store.write_rows(*row_sink));
  HR_ASSIGN(SectionSink * key_sink, writer.begin(SectionKind::keys));
  HR_TRY(store.write_keys(*key_sink));
  HR_ASSIGN(SectionSink * blob_sink, writer.begin(SectionKind::blobs));
  HR_TRY(store.write_blobs(*blob_sink));
  HR_ASSIGN(SectionSink * block_sink, writer.begin(SectionKind::blob_blocks));
  HR_TRY(store.write_blob_blocks(*block_sink));
  HR_TRY(write_section(writer, SectionKind::columns, columns, merge_columns));
  if (rebuilds) {
    HR_ASSIGN(SectionSink * rebuilt, writer.begin(SectionKind::postings));
    HR_TRY(rebuild_postings(inputs, maps, *rebuilt));
  } else if (beside) {
    HR_ASSIGN(SectionSink * merged, writer.begin(SectionKind::postings));
    HR_TRY(beside->write(*merged));
    beside.reset();
  } else {
    HR_TRY(write_section(writer, SectionKind::postings, postings, merge_postings));
  }
  for (const std::string& space : spaces) {
    HR_TRY(merge_vectors_of(inputs, maps, space, options.vectors, writer));
  }
  HR_ASSIGN(const SectionFileSeal seal, writer.finish(maps.row_count, maps.document_count));
  for (const SegmentMergeInput& input : inputs) input.segment->forget();
  return seal;
}

}  // namespace headrace::index
