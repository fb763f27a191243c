#include "index/document_table.h"

#include <fmt/format.h>

namespace headrace::index {
namespace {

std::unexpected<Error> damaged(std::string what) {
  return fail(ErrorCode::damaged, "document table: " + what);
}

// Offsets and lengths of an entry's strings and rows, as they stand in the entry.
struct EntryPlace {
  DocumentTextLayout::Place place;
  uint32_t source_length = 0, container_length = 0, settings_length = 0, error_length = 0;
  uint32_t first_row = 0, row_count = 0;
};

void write_places(const EntryPlace& entry, FieldWriter& out, size_t at) {
  out.patch(at + 8, entry.place.source);
  out.patch(at + 16, entry.place.container);
  out.patch(at + 24, entry.place.settings);
  out.patch(at + 32, entry.place.error);
  out.patch(at + 40, entry.source_length);
  out.patch(at + 44, entry.container_length);
  out.patch(at + 48, entry.settings_length);
  out.patch(at + 52, entry.error_length);
  out.patch(at + 56, entry.first_row);
  out.patch(at + 60, entry.row_count);
}

// Calls visit(input, document, live rows) for each kept entry in order.
template <typename Visit>
Status for_each_kept(std::span<const DocumentMergeInput> inputs, const Visit& visit) {
  for (const DocumentMergeInput& input : inputs) {
    for (uint32_t document = 0; document < input.table->count(); ++document) {
      if (input.document_map[document] != kDroppedRow) HR_TRY(visit(input, document));
    }
  }
  return {};
}

}  // namespace

void encode_document_error(const DocumentError& error, std::string& out) {
  FieldWriter writer;
  writer.u8(static_cast<uint8_t>(error.error.code()));
  writer.text(error.stage);
  writer.text(error.error.message());
  writer.text(error.error.hint());
  out.append(writer.view());
}

bool decode_document_error(std::string_view bytes, std::string_view source, DocumentError& error) {
  FieldReader in(bytes);
  const uint8_t code = in.u8();
  error.source = source;
  error.stage = in.text();
  const std::string_view message = in.text();
  const std::string_view hint = in.text();
  if (!in.done() || code > static_cast<uint8_t>(ErrorCode::internal)) return false;
  error.error = Error(static_cast<ErrorCode>(code), std::string(message), std::string(hint));
  return true;
}

DocumentTextLayout::Place DocumentTextLayout::add(std::string_view source,
                                                  std::string_view container,
                                                  std::string_view settings,
                                                  std::string_view error) {
  Place place;
  place.source = end_;
  end_ += source.size();
  if (container != container_) {
    container_ = container;
    container_at_ = end_;
    end_ += container.size();
    place.writes_container = true;
  }
  place.container = container_at_;
  if (settings != settings_) {
    settings_ = settings;
    settings_at_ = end_;
    end_ += settings.size();
    place.writes_settings = true;
  }
  place.settings = settings_at_;
  place.error = end_;
  end_ += error.size();
  return place;
}

uint32_t DocumentTableBuilder::add(const DocumentWrite& document, uint32_t first_row,
                                   uint32_t row_count) {
  std::string error;
  if (document.error) encode_document_error(*document.error, error);
  EntryPlace entry;
  entry.place = layout_.add(document.source, document.container, document.settings, error);
  entry.source_length = static_cast<uint32_t>(document.source.size());
  entry.container_length = static_cast<uint32_t>(document.container.size());
  entry.settings_length = static_cast<uint32_t>(document.settings.size());
  entry.error_length = static_cast<uint32_t>(error.size());
  entry.first_row = first_row;
  entry.row_count = row_count;
  const size_t at = entries_.size();
  entries_.u64(hash64(std::string_view(document.source)));
  entries_.bytes().resize(at + 64);
  write_places(entry, entries_, at);
  entries_.u64(document.stamp.size_bytes);
  entries_.number(document.stamp.modified_ns);
  entries_.u64(document.stamp.inode);
  entries_.hash(document.content_hash);
  entries_.u32(0);  // flags
  entries_.u32(document.is_container ? 1 : 0);
  text_ += document.source;
  if (entry.place.writes_container) text_ += document.container;
  if (entry.place.writes_settings) text_ += document.settings;
  text_ += error;
  return count() - 1;
}

std::string_view DocumentTableBuilder::source(uint32_t document) const {
  const char* entry = entries_.view().data() + uint64_t{document} * kDocumentEntryBytes;
  return std::string_view(text_).substr(load_number<uint64_t>(entry + 8),
                                        load_number<uint32_t>(entry + 40));
}

Result<DocumentTable> DocumentTable::open(std::string_view entries, std::string_view text,
                                          uint32_t row_count, bool packed) {
  if (packed) {
    DocumentTable table;
    HR_ASSIGN(table.packed_, PackedEntries::open(entries, kDocumentFields.size()));
    table.text_ = text;
    table.count_ = table.packed_->count();
    table.row_count_ = row_count;
    return table;
  }
  if (entries.size() % kDocumentEntryBytes != 0 ||
      entries.size() / kDocumentEntryBytes >= kDroppedRow) {
    return damaged("its length is no multiple of an entry's");
  }
  DocumentTable table;
  table.entries_ = entries;
  table.text_ = text;
  table.count_ = static_cast<uint32_t>(entries.size() / kDocumentEntryBytes);
  table.row_count_ = row_count;
  return table;
}

std::string_view DocumentTable::text(uint32_t document, uint32_t offset_field,
                                     uint32_t length_field) const {
  const auto offset = field<uint64_t>(document, offset_field);
  const uint64_t length = field<uint32_t>(document, length_field);
  if (offset > text_.size() || length > text_.size() - offset) return {};
  return text_.substr(offset, length);
}

uint64_t DocumentTable::source_hash(uint32_t document) const {
  return packed_ ? hash64(source(document)) : field<uint64_t>(document, 0);
}

bool DocumentTable::proves_source(uint32_t document) const {
  if (!packed_) return hash64(source(document)) == field<uint64_t>(document, 0);
  return packed_->holds(document) &&
         static_cast<uint32_t>(hash64(source(document))) == field<uint32_t>(document, 0);
}

std::string DocumentTable::entry(uint32_t document) const {
  if (!packed_) {
    return std::string(
        entries_.substr(uint64_t{document} * kDocumentEntryBytes, kDocumentEntryBytes));
  }
  FieldWriter out;
  out.u64(source_hash(document));
  for (size_t f = 1; f < kDocumentFields.size(); ++f) {
    const uint64_t value = packed_->get(document, static_cast<uint32_t>(f));
    is_wide_document_field(f) ? out.u64(value) : out.u32(static_cast<uint32_t>(value));
  }
  return out.take();
}

DocumentState DocumentTable::state(uint32_t document) const {
  DocumentState state;
  state.source = source(document);
  state.container = container(document);
  state.settings = settings(document);
  state.stamp.size_bytes = field<uint64_t>(document, 64);
  state.stamp.modified_ns = field<int64_t>(document, 72);
  state.stamp.inode = field<uint64_t>(document, 80);
  state.content_hash.high = field<uint64_t>(document, 88);
  state.content_hash.low = field<uint64_t>(document, 96);
  state.is_container = field<uint32_t>(document, 108) != 0;
  if (has_error(document)) {
    DocumentError error{state.source, "index", Error(ErrorCode::damaged, "unreadable error")};
    decode_document_error(this->error(document), state.source, error);
    state.error = std::move(error);
  }
  return state;
}

Status DocumentTable::check() const {
  uint32_t next_row = 0;
  for (uint32_t document = 0; document < count_; ++document) {
    for (const auto& [at, length] : {std::pair{8u, 40u}, {16u, 44u}, {24u, 48u}, {32u, 52u}}) {
      const auto offset = field<uint64_t>(document, at);
      const uint64_t bytes = field<uint32_t>(document, length);
      if (offset > text_.size() || bytes > text_.size() - offset) {
        return damaged(fmt::format("strings of entry {} lie outside", document));
      }
    }
    if (!proves_source(document)) {
      return damaged(fmt::format("the source of entry {} does not match its hash", document));
    }
    DocumentError error{"", "", Error(ErrorCode::internal, "")};
    if (has_error(document) && !decode_document_error(this->error(document), "", error)) {
      return damaged(fmt::format("the error of entry {} is malformed", document));
    }
    if (first_row(document) != next_row || row_count(document) > row_count_ - next_row) {
      return damaged(fmt::format("the rows of entry {} are out of order", document));
    }
    next_row += row_count(document);
  }
  if (next_row != row_count_) return damaged("some rows belong to no document");
  return {};
}

Status merge_document_entries(std::span<const DocumentMergeInput> inputs, bool packed,
                              SectionSink& out) {
  PackedEntriesWriter packer(out, kDocumentFields.size());
  DocumentTextLayout layout;
  uint32_t next_row = 0;
  FieldWriter buffer;
  const auto write_entry = [&](const DocumentMergeInput& input, uint32_t document) -> Status {
    const DocumentTable& table = *input.table;
    EntryPlace entry;
    entry.place = layout.add(table.source(document), table.container(document),
                             table.settings(document), table.error(document));
    entry.source_length = static_cast<uint32_t>(table.source(document).size());
    entry.container_length = static_cast<uint32_t>(table.container(document).size());
    entry.settings_length = static_cast<uint32_t>(table.settings(document).size());
    entry.error_length = static_cast<uint32_t>(table.error(document).size());
    entry.first_row = next_row;
    const uint32_t first = table.first_row(document);
    const uint64_t end = uint64_t{first} + table.row_count(document);
    for (uint64_t row = first; row < end && row < input.row_map.size(); ++row) {
      if (input.row_map[row] != kDroppedRow) ++entry.row_count;
    }
    next_row += entry.row_count;
    const size_t at = buffer.size();
    buffer.raw(table.entry(document));
    write_places(entry, buffer, at);
    const bool stale =
        table.is_stale(document) || (input.stale != nullptr && input.stale->test(document));
    buffer.patch(at + 104, stale ? kDocumentIsStale : uint32_t{0});
    if (packed) {
      std::array<uint64_t, kDocumentFields.size()> values;
      for (size_t f = 0; f < values.size(); ++f) {
        const char* const number = buffer.view().data() + kDocumentFields[f];
        values[f] = f > 0 && is_wide_document_field(f) ? load_number<uint64_t>(number)
                                                       : load_number<uint32_t>(number);
      }
      buffer.clear();
      return packer.add(values);
    }
    if (buffer.size() >= (64 << 10)) {
      HR_TRY(out.append(buffer.view()));
      buffer.clear();
    }
    return {};
  };
  HR_TRY(for_each_kept(inputs, write_entry));
  return packed ? packer.finish() : out.append(buffer.view());
}

Status merge_document_text(std::span<const DocumentMergeInput> inputs, SectionSink& out) {
  DocumentTextLayout layout;
  return for_each_kept(inputs, [&](const DocumentMergeInput& input, uint32_t document) -> Status {
    const DocumentTable& table = *input.table;
    const auto place = layout.add(table.source(document), table.container(document),
                                  table.settings(document), table.error(document));
    HR_TRY(out.append(table.source(document)));
    if (place.writes_container) HR_TRY(out.append(table.container(document)));
    if (place.writes_settings) HR_TRY(out.append(table.settings(document)));
    return out.append(table.error(document));
  });
}

}  // namespace headrace::index
