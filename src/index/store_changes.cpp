// How changes stand in the log, and how late vectors and deletes stand in files.
#include <fmt/format.h>

#include "index/log.h"
#include "index/log_records.h"
#include "index/row_codec.h"
#include "index/snapshot.h"
#include "index/store_changes.h"
#include "index/store_state.h"

namespace headrace::index {

namespace {

enum class Tombstone : uint8_t { source = 1, rows = 2 };

Status malformed(std::string_view what) {
  return fail(ErrorCode::damaged, fmt::format("a log record of {} cannot be read", what),
              "run headrace verify");
}

bool read_document(FieldReader& in, DocumentWrite& document) {
  uint32_t rows = 0;
  if (!decode_document_head(in, document, rows)) return false;
  document.rows.resize(std::min<size_t>(rows, in.left()));
  if (document.rows.size() != rows) return false;
  for (Row& row : document.rows) {
    RowRecord record;
    if (!decode_row(in, record) || !decode_row_blob(record.blob, row)) return false;
    row.key = record.key.hex();
    row.position = record.position;
    row.source = document.source;
  }
  return true;
}

}  // namespace

void log_change(const Change& change, LogWriter& log) {
  FieldWriter out;
  if (const auto* document = std::get_if<DocumentWrite>(&change)) {
    // Room at once: growing step by step would hold a large document twice.
    size_t bytes = 256;
    for (const Row& row : document->rows) bytes += row.text.size() + 256;
    log.reserve(bytes);
    std::string blob;
    log.add_encoded(LogFrameType::document, [&](FieldWriter& frame) {
      encode_document_head(*document, static_cast<uint32_t>(document->rows.size()), frame);
      for (const Row& row : document->rows) {
        Hash128 key;
        parse_row_key(row.key, key);
        blob.clear();
        encode_row_blob(row, blob);
        encode_row(key, row.position, blob, frame);
      }
    });
  } else if (const auto* removed = std::get_if<RemoveSource>(&change)) {
    out.u8(static_cast<uint8_t>(Tombstone::source));
    out.text(removed->source);
    log.add(LogFrameType::tombstones, out.view());
  } else if (const auto* rows = std::get_if<RemoveRows>(&change)) {
    out.u8(static_cast<uint8_t>(Tombstone::rows));
    out.varint(rows->keys.size());
    for (const Hash128& key : rows->keys) out.hash(key);
    log.add(LogFrameType::tombstones, out.view());
  } else if (const auto* vectors = std::get_if<SetVectors>(&change)) {
    log_vectors(vectors->space, vectors->keys, vectors->values, log);
  } else if (const auto* space = std::get_if<Space>(&change)) {
    encode_space(*space, out);
    log.add(LogFrameType::space, out.view());
  } else {
    log.add(LogFrameType::settings, std::get<std::string>(change));
  }
}

void log_vectors(std::string_view space, std::span<const Hash128> keys,
                 std::span<const float> values, LogWriter& log) {
  log.reserve(space.size() + keys.size_bytes() + values.size_bytes() + 128);
  log.add_encoded(LogFrameType::vectors, [&](FieldWriter& out) {
    out.text(space);
    out.varint(keys.size());
    for (const Hash128& key : keys) out.hash(key);
    out.varint(values.size());
    out.raw({reinterpret_cast<const char*>(values.data()), values.size_bytes()});
  });
}

Status view_change(const LogFrame& frame, std::vector<Change>& changes) {
  if (frame.type == LogFrameType::vectors) {
    FieldReader in(frame.payload);
    LoggedVectors vectors;
    vectors.space = in.text();
    vectors.keys = in.raw(in.count(sizeof(Hash128)) * sizeof(Hash128));
    vectors.values = in.raw(in.count(sizeof(float)) * sizeof(float));
    if (!in.ok()) return malformed("vectors");
    changes.emplace_back(vectors);
    return {};
  }
  if (frame.type != LogFrameType::document) return read_change(frame, changes);
  DocumentHead head;
  if (!peek_document_head(frame.payload, head)) return malformed("a document");
  changes.emplace_back(
      LoggedDocument{frame.payload, head.source, head.bytes, head.rows, head.has_error});
  return {};
}

Status read_logged_document(const LoggedDocument& document, DocumentWrite& head,
                            const std::function<Status(const RowRecord&)>& visit) {
  FieldReader in(document.payload);
  uint32_t rows = 0;
  if (!decode_document_head(in, head, rows)) return malformed("a document");
  for (uint32_t i = 0; i < rows; ++i) {
    RowRecord row;
    if (!decode_row(in, row)) return malformed("a document");
    HR_TRY(visit(row));
  }
  return {};
}

Status read_logged_keys(const LoggedDocument& document, std::vector<Hash128>& keys) {
  FieldReader in(document.payload.substr(document.rows_at));
  for (uint32_t i = 0; i < document.rows; ++i) {
    RowRecord row;
    if (!decode_row(in, row)) return malformed("a document");
    keys.push_back(row.key);
  }
  return {};
}

Status read_change(const LogFrame& frame, std::vector<Change>& changes) {
  FieldReader in(frame.payload);
  switch (frame.type) {
    case LogFrameType::document: {
      DocumentWrite document;
      if (!read_document(in, document)) return malformed("a document");
      changes.emplace_back(std::move(document));
      return {};
    }
    case LogFrameType::tombstones: {
      const auto kind = static_cast<Tombstone>(in.u8());
      if (kind == Tombstone::source) {
        RemoveSource removed{std::string(in.text())};
        if (!in.ok()) return malformed("a removed document");
        changes.emplace_back(std::move(removed));
        return {};
      }
      RemoveRows removed;
      removed.keys.resize(in.count(16));
      for (Hash128& key : removed.keys) key = in.hash();
      if (kind != Tombstone::rows || !in.ok()) return malformed("removed rows");
      changes.emplace_back(std::move(removed));
      return {};
    }
    case LogFrameType::vectors: {
      SetVectors vectors;
      vectors.space = in.text();
      vectors.keys.resize(in.count(16));
      for (Hash128& key : vectors.keys) key = in.hash();
      vectors.values.resize(in.count(sizeof(float)));
      const std::string_view raw = in.raw(vectors.values.size() * sizeof(float));
      if (!in.ok()) return malformed("vectors");
      std::copy(raw.begin(), raw.end(), reinterpret_cast<char*>(vectors.values.data()));
      changes.emplace_back(std::move(vectors));
      return {};
    }
    case LogFrameType::space: {
      Space space;
      if (!decode_space(in, space)) return malformed("a space");
      changes.emplace_back(std::move(space));
      return {};
    }
    case LogFrameType::settings:
      changes.emplace_back(std::string(frame.payload));
      return {};
    case LogFrameType::rows:
    case LogFrameType::commit:
      return {};
  }
  return malformed("an unknown kind");
}

Result<std::shared_ptr<const LateVectors>> open_late_vectors(FileSystem& files,
                                                             const std::string& path,
                                                             const ManifestPatch& patch) {
  auto late = std::make_shared<LateVectors>();
  HR_ASSIGN(late->mapped, files.map(path));
  HR_ASSIGN(const SectionFile file,
            SectionFile::open(late->mapped->bytes(), path, SectionFileType::vectors,
                              kCheckAtOpenBytesMax));
  const SectionFile::Section* section = file.find(SectionKind::vectors, patch.space);
  if (section == nullptr || file.seal() != patch.seal) {
    return fail(ErrorCode::damaged, fmt::format("{} is not the file the manifest names", path),
                "restore it from a backup");
  }
  HR_ASSIGN(VectorSet set, VectorSet::open(section->bytes));
  late->set = std::make_unique<VectorSet>(std::move(set));
  late->file = patch.file;
  late->seal = patch.seal;
  return late;
}

// One section for each segment, named by its file number: the words of its deleted rows, then of
// its stale documents.
Result<SectionFileSeal> write_deletes(SectionSink& sink, uint64_t id,
                                      std::span<const HeldSegment> segments) {
  SectionFileWriter writer(sink, SectionFileType::deletes, id);
  for (const HeldSegment& held : segments) {
    if (!held.deleted && !held.stale) continue;
    HR_ASSIGN(SectionSink * out, writer.begin(SectionKind::deletes, std::to_string(held.file)));
    FieldWriter words;
    const auto put = [&](const std::shared_ptr<const RowBitmap>& bits, uint32_t size) {
      for (uint32_t w = 0; w < (size + 63) / 64; ++w) words.u64(bits ? bits->words()[w] : 0);
    };
    put(held.deleted, held.segment->row_count());
    put(held.stale, held.segment->document_count());
    HR_TRY(out->append(words.view()));
  }
  return writer.finish(0, 0);
}

Status load_deletes(FileSystem& files, const std::string& path, const Manifest& manifest,
                    std::vector<HeldSegment>& segments) {
  HR_ASSIGN(const auto mapped, files.map(path));
  HR_ASSIGN(const SectionFile file,
            SectionFile::open(mapped->bytes(), path, SectionFileType::deletes, UINT64_MAX));
  if (file.seal() != manifest.deletes_seal) {
    return fail(ErrorCode::damaged, fmt::format("{} is not the file the manifest names", path),
                "restore it from a backup");
  }
  for (HeldSegment& held : segments) {
    const auto* section = file.find(SectionKind::deletes, std::to_string(held.file));
    if (section == nullptr) continue;
    FieldReader in(section->bytes);
    const auto take = [&](uint32_t size) {
      auto bits = std::make_shared<RowBitmap>(size);
      for (uint64_t& word : bits->words()) word = in.u64();
      return bits;
    };
    held.deleted = take(held.segment->row_count());
    held.stale = take(held.segment->document_count());
    if (!in.ok()) {
      return fail(ErrorCode::damaged, fmt::format("{} does not fit its segments", path),
                  "restore it from a backup");
    }
  }
  return {};
}

}  // namespace headrace::index
