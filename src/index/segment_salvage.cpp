#include "index/segment_salvage.h"

#include <fmt/format.h>

#include <algorithm>

#include "index/row_codec.h"

namespace headrace::index {

namespace {

// How many documents with losses are named one by one.
constexpr size_t kNamedLossesMax = 100;

bool section_holds(const SectionFile& file, SectionKind kind) {
  const auto* section = file.find(kind);
  return section != nullptr && file.check_section(*section).has_value();
}

struct FoundDocument {
  uint32_t old = 0;
  DocumentState state;
  std::vector<uint32_t> rows;  // old numbers
  uint32_t rows_before = 0;
};

}  // namespace

Result<SalvagedSegment> salvage_segment(std::string_view bytes, const std::string& name,
                                        std::string_view language, std::span<const Space> spaces) {
  HR_ASSIGN(const SectionFile file, SectionFile::open(bytes, name, SectionFileType::segment, 0));
  HR_ASSIGN(const auto* entries, file.require(SectionKind::documents));
  HR_ASSIGN(const auto* text, file.require(SectionKind::document_text));
  HR_ASSIGN(const DocumentTable table,
            DocumentTable::open(entries->bytes, text->bytes, file.row_count(), file.is_packed()));
  HR_ASSIGN(const auto* rows, file.require(SectionKind::rows));
  HR_ASSIGN(const auto* keys, file.require(SectionKind::keys));
  HR_ASSIGN(const auto* blobs, file.require(SectionKind::blobs));
  HR_ASSIGN(const auto* blocks, file.require(SectionKind::blob_blocks));
  HR_ASSIGN(const RowStore store, RowStore::open(rows->bytes, keys->bytes, blobs->bytes,
                                                 blocks->bytes, file.is_packed()));
  const bool documents_hold = section_holds(file, SectionKind::documents) &&
                              section_holds(file, SectionKind::document_text);
  const bool rows_hold = section_holds(file, SectionKind::rows);

  SalvagedSegment salvaged;
  salvaged.row_map.assign(store.count(), kDroppedRow);
  salvaged.document_map.assign(table.count(), kDroppedRow);
  std::vector<FoundDocument> found;
  BlockCache cache;
  size_t named = 0;
  uint64_t unnamed = 0;
  for (uint32_t d = 0; d < table.count(); ++d) {
    if (!documents_hold && !table.proves_source(d)) {
      salvaged.lost.push_back(fmt::format("{}: document {} cannot be told any more", name, d));
      continue;
    }
    FoundDocument document;
    document.old = d;
    document.state = table.state(d);
    const uint64_t first = table.first_row(d);
    const uint64_t end = std::min<uint64_t>(first + table.row_count(d), store.count());
    document.rows_before = table.row_count(d);
    for (uint64_t r = first; r < end; ++r) {
      const auto row = static_cast<uint32_t>(r);
      if (!rows_hold || !documents_hold) {
        const std::string key = row_key(document.state.source, store.position(row));
        if (store.document(row) != d || store.key(row).hex() != key) continue;
      }
      const auto blob = store.blob(row, cache);
      Row decoded;
      if (!blob || !decode_row_blob(*blob, decoded)) continue;
      document.rows.push_back(row);
    }
    if (document.rows.size() < document.rows_before || !documents_hold) {
      // The next `index` must not take it for unchanged.
      document.state.stamp = {};
      document.state.content_hash = {};
    }
    if (document.rows.size() < document.rows_before) {
      if (++named <= kNamedLossesMax) {
        salvaged.lost.push_back(fmt::format("{}: {} of {} rows of {}", name,
                                            document.rows_before - document.rows.size(),
                                            document.rows_before, document.state.source));
      } else {
        ++unnamed;
      }
    }
    found.push_back(std::move(document));
  }
  if (unnamed > 0)
    salvaged.lost.push_back(fmt::format("{}: rows of {} further documents", name, unnamed));

  SegmentBuilder builder(language);
  auto stale = std::make_shared<RowBitmap>(static_cast<uint32_t>(found.size()));
  uint32_t next_row = 0;
  for (const FoundDocument& document : found) {
    DocumentWrite write;
    write.source = document.state.source;
    write.container = document.state.container;
    write.stamp = document.state.stamp;
    write.content_hash = document.state.content_hash;
    write.settings = document.state.settings;
    write.is_container = document.state.is_container;
    write.error = document.state.error;
    const uint32_t number =
        builder.add_document(write, static_cast<uint32_t>(document.rows.size()));
    salvaged.document_map[document.old] = number;
    if (table.is_stale(document.old)) {
      stale->set(number);
      salvaged.stale = stale;
    }
    for (const uint32_t row : document.rows) {
      HR_ASSIGN(const std::string_view blob, store.blob(row, cache));
      Row decoded;
      decode_row_blob(blob, decoded);
      decoded.source = write.source;
      decoded.position = store.position(row);
      decoded.key = store.key(row).hex();
      builder.add_row(store.key(row), decoded, blob);
      salvaged.row_map[row] = next_row++;
    }
  }
  std::map<std::string, VectorSetBuilder> vectors;
  for (const auto& section : file.sections()) {
    if (section.kind != SectionKind::vectors) continue;
    const auto space = std::find_if(spaces.begin(), spaces.end(),
                                    [&](const Space& known) { return known.name == section.name; });
    if (space == spaces.end()) continue;
    auto set = VectorSet::open(section.bytes);
    if (!file.check_section(section) || !set || !set->check() ||
        set->dimension() != space->dimension) {
      salvaged.lost.push_back(fmt::format("{}: the vectors of \"{}\"", name, section.name));
      continue;
    }
    auto& target = vectors.emplace(section.name, VectorSetBuilder(space->dimension, space->metric))
                       .first->second;
    std::vector<float> vector(space->dimension);
    for (uint32_t i = 0; i < set->count(); ++i) {
      const uint32_t row = set->row_at(i);
      if (row >= salvaged.row_map.size() || salvaged.row_map[row] == kDroppedRow) continue;
      if (set->vector(row, vector)) target.add(salvaged.row_map[row], vector);
    }
  }
  HR_ASSIGN(ImageSink image, builder.finish(vectors));
  HR_ASSIGN(salvaged.segment, Segment::open_image(std::move(image)));
  return salvaged;
}

}  // namespace headrace::index
