#include "index/segment.h"

#include <fmt/format.h>

#include <cstring>

#include "base/check.h"

namespace headrace::index {

Status ImageSink::append(std::string_view bytes) {
  const uint64_t lines = (size_ + bytes.size() + sizeof(Line) - 1) / sizeof(Line);
  if (lines > lines_.size()) lines_.resize(lines);
  if (!bytes.empty()) {
    std::memcpy(reinterpret_cast<char*>(lines_.data()) + size_, bytes.data(), bytes.size());
  }
  size_ += bytes.size();
  return {};
}

void ImageSink::shrink() {
  // What a large image has to spare was never touched; moving it would cost as much again.
  constexpr size_t kMovedLinesMax = (1 << 20) / sizeof(Line);
  if (lines_.size() <= kMovedLinesMax) lines_.shrink_to_fit();
}

std::string_view ImageSink::bytes() const {
  return {reinterpret_cast<const char*>(lines_.data()), size_};
}

Result<std::shared_ptr<const Segment>> Segment::open_file(FileSystem& files,
                                                          const std::string& path, std::string name,
                                                          uint64_t check_bytes_max) {
  std::unique_ptr<Segment> segment(new Segment());
  HR_ASSIGN(segment->mapped_, files.map(path));
  return finish_open(std::move(segment), std::move(name), check_bytes_max);
}

Result<std::shared_ptr<const Segment>> Segment::open_image(ImageSink image) {
  std::unique_ptr<Segment> segment(new Segment());
  segment->image_ = std::move(image);
  return finish_open(std::move(segment), "memory segment", 0);
}

Result<std::shared_ptr<const Segment>> Segment::finish_open(std::unique_ptr<Segment> segment,
                                                            std::string name,
                                                            uint64_t check_bytes_max) {
  HR_ASSIGN(segment->file_, SectionFile::open(segment->bytes(), std::move(name),
                                              SectionFileType::segment, check_bytes_max));
  const SectionFile& file = segment->file_;
  const auto open_parts = [&]() -> Status {
    HR_ASSIGN(const auto* documents, file.require(SectionKind::documents));
    HR_ASSIGN(const auto* document_text, file.require(SectionKind::document_text));
    HR_ASSIGN(auto table, DocumentTable::open(documents->bytes, document_text->bytes,
                                              file.row_count(), file.is_packed()));
    segment->documents_ = std::make_unique<DocumentTable>(table);
    if (const auto* sources = file.find(SectionKind::sources)) {
      HR_ASSIGN(auto by_source, PrefixTable::open(sources->bytes, file.is_packed()));
      if (by_source.count() != table.count())
        return fail(ErrorCode::damaged, "its table of sources has the wrong length");
      segment->sources_ = by_source;
    }
    HR_ASSIGN(const auto* rows, file.require(SectionKind::rows));
    HR_ASSIGN(const auto* keys, file.require(SectionKind::keys));
    HR_ASSIGN(const auto* blobs, file.require(SectionKind::blobs));
    HR_ASSIGN(const auto* blocks, file.require(SectionKind::blob_blocks));
    HR_ASSIGN(auto store, RowStore::open(rows->bytes, keys->bytes, blobs->bytes, blocks->bytes,
                                         file.is_packed()));
    segment->rows_ = std::make_unique<RowStore>(store);
    HR_ASSIGN(const auto* columns, file.require(SectionKind::columns));
    HR_ASSIGN(auto opened_columns, Columns::open(columns->bytes));
    segment->columns_ = std::make_unique<Columns>(std::move(opened_columns));
    HR_ASSIGN(const auto* postings, file.require(SectionKind::postings));
    HR_ASSIGN(auto opened_postings, Postings::open(postings->bytes));
    segment->postings_ = std::make_unique<Postings>(std::move(opened_postings));
    for (const SectionFile::Section& section : file.sections()) {
      if (section.kind != SectionKind::vectors) continue;
      HR_ASSIGN(auto set, VectorSet::open(section.bytes));
      segment->vectors_.emplace(section.name, std::move(set));
    }
    if (table.count() != file.document_count() || store.count() != file.row_count() ||
        segment->columns_->row_count() != file.row_count()) {
      return fail(ErrorCode::damaged, "its parts disagree about how many rows it has");
    }
    return {};
  };
  if (auto status = open_parts(); !status) {
    return std::unexpected(std::move(status).error().with_context(file.name()));
  }
  return std::shared_ptr<const Segment>(std::move(segment));
}

const VectorSet* Segment::vectors(std::string_view space) const {
  const auto found = vectors_.find(space);
  return found == vectors_.end() ? nullptr : &found->second;
}

void Segment::forget() const {
  if (mapped_) mapped_->forget(0, mapped_->bytes().size());
}

Status Segment::check_sources() const {
  if (!sources_) return {};
  if (!sources_->is_sorted()) return fail(ErrorCode::damaged, "the table of sources is not sorted");
  for (uint32_t document = 0; document < document_count(); ++document) {
    bool found = false;
    sources_->find(documents_->source_hash(document),
                   [&](uint32_t other) { return found = other == document; });
    if (!found) {
      return fail(ErrorCode::damaged,
                  fmt::format("document {} is not in the table of sources", document));
    }
  }
  return {};
}

Status Segment::check(const CancelToken* cancel) const {
  const auto check_parts = [&]() -> Status {
    HR_TRY(documents_->check());
    HR_TRY(check_sources());
    HR_TRY(rows_->check(document_count()));
    for (uint32_t document = 0; document < document_count(); ++document) {
      const uint64_t first = documents_->first_row(document);
      for (uint64_t row = first; row < first + documents_->row_count(document); ++row) {
        if (rows_->document(static_cast<uint32_t>(row)) != document) {
          return fail(ErrorCode::damaged,
                      fmt::format("row {} and document {} do not belong together", row, document));
        }
      }
    }
    if (cancel != nullptr) HR_TRY(cancel->check());
    HR_TRY(columns_->check());
    if (cancel != nullptr) HR_TRY(cancel->check());
    HR_TRY(postings_->check());
    for (const auto& [space, set] : vectors_) {
      if (cancel != nullptr) HR_TRY(cancel->check());
      HR_TRY(set.check());
      if (set.count() > 0 && set.row_at(set.count() - 1) >= row_count()) {
        return fail(ErrorCode::damaged,
                    fmt::format("the vectors of space {} name rows that are not there", space));
      }
    }
    return {};
  };
  if (auto status = check_parts(); !status) {
    return std::unexpected(std::move(status).error().with_context(file_.name()));
  }
  return {};
}

SegmentBuilder::SegmentBuilder(std::string_view language) : postings_(language) {}

uint32_t SegmentBuilder::add_document(const DocumentWrite& document, uint32_t rows) {
  return documents_.add(document, rows_.count(), rows);
}

void SegmentBuilder::add_row(const Hash128& key, const Row& row, std::string_view blob) {
  const uint32_t number = rows_.count();
  columns_.add(number, row);
  postings_.add(number, row.title, row.text);
  rows_.add(key, documents_.count() - 1, row.position, blob);
}

uint64_t SegmentBuilder::memory_bytes() const {
  return documents_.memory_bytes() + rows_.memory_bytes() + columns_.memory_bytes() +
         postings_.memory_bytes();
}

Result<ImageSink> SegmentBuilder::finish(std::map<std::string, VectorSetBuilder>& vectors) {
  const uint32_t rows = row_count();
  const uint32_t documents = document_count();
  ImageSink image;
  uint64_t bytes = memory_bytes();
  for (const auto& [space, builder] : vectors) bytes += builder.memory_bytes();
  image.reserve(bytes);
  SectionFileWriter writer(image, SectionFileType::segment, 0);
  const auto write = [&](SectionKind kind, std::string_view bytes) -> Status {
    HR_ASSIGN(SectionSink * sink, writer.begin(kind));
    return sink->append(bytes);
  };
  HR_TRY(write(SectionKind::documents, documents_.entries()));
  HR_TRY(write(SectionKind::document_text, documents_.text()));
  HR_TRY(write(SectionKind::rows, rows_.rows()));
  HR_TRY(write(SectionKind::keys, rows_.keys()));
  HR_TRY(write(SectionKind::blobs, rows_.blobs()));
  HR_TRY(write(SectionKind::blob_blocks, rows_.blob_blocks()));
  rows_ = RowStoreBuilder();  // the texts: what follows needs its room
  HR_ASSIGN(SectionSink * columns, writer.begin(SectionKind::columns));
  HR_TRY(columns_.finish(*columns));
  HR_ASSIGN(SectionSink * postings, writer.begin(SectionKind::postings));
  HR_TRY(postings_.finish(*postings));
  for (auto& [space, builder] : vectors) {
    if (builder.count() == 0) continue;
    HR_ASSIGN(SectionSink * sink, writer.begin(SectionKind::vectors, space));
    HR_TRY(builder.finish(*sink));
  }
  HR_TRY(writer.finish(rows, documents));
  image.shrink();
  return image;
}

}  // namespace headrace::index
