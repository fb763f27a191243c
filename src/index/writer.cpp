// The Writer: changes go to the log, become durable and visible at commit, and are folded into file
// segments by flush, whose manifest is the only commit point of files.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/check.h"
#include "index/log_records.h"
#include "index/logged_writer.h"
#include "index/row_codec.h"
#include "index/vector_precision.h"
#include "memory/budget.h"

namespace headrace::index {

namespace {

// One log frame holds a document with all its rows.
constexpr uint64_t kDocumentBytesMax = 1ULL << 30;
constexpr uint64_t kLargeBytes = 8ULL << 20;

uint64_t metadata_bytes(const Metadata& metadata) {
  uint64_t bytes = 0;
  for (const auto& [name, value] : metadata) {
    bytes += name.size() + 16 + value_bytes(value);
  }
  return bytes;
}

Status check_size(std::string_view source, uint64_t bytes) {
  if (bytes <= kDocumentBytesMax) return {};
  return fail(ErrorCode::too_large,
              fmt::format("{}: {} MiB of rows in one document; {} are possible", source,
                          bytes >> 20, kDocumentBytesMax >> 20),
              "split it into several documents");
}

// Nothing may reach the log that cannot be read back from it.
Result<uint64_t> check_document(const DocumentWrite& document) {
  uint64_t bytes = 0;
  for (const Row& row : document.rows) {
    Hash128 key;
    if (!parse_row_key(row.key, key)) {
      return fail(ErrorCode::invalid_argument, fmt::format("\"{}\" is no row key", row.key));
    }
    bytes += row.text.size() + row.title.size() + row.heading.size() + 64;
    bytes += metadata_bytes(row.metadata);
  }
  HR_TRY(check_size(document.source, bytes));
  return bytes;
}

bool same_space(const Space& a, const Space& b) {
  return a.name == b.name && a.model == b.model && a.fingerprint == b.fingerprint &&
         a.dimension == b.dimension && a.metric == b.metric;
}

}  // namespace

Status LoggedWriter::put(DocumentWrite document) {
  HR_ASSIGN(const uint64_t bytes, check_document(document));
  MutexLock turn(turn_);
  MutexLock guard(mutex_);
  HR_TRY(ready());
  DocumentState known;
  known.source = document.source;
  known.container = document.container;
  known.stamp = document.stamp;
  known.content_hash = document.content_hash;
  known.settings = document.settings;
  known.is_container = document.is_container;
  known.row_count = static_cast<uint32_t>(document.rows.size());
  known.error = document.error;
  if (document.error) {
    document.rows.clear();
    if (const auto before = known_document(document.source)) known.row_count = before->row_count;
  }
  pending_documents_.set(document.source, std::move(known));
  Status added = add(Change(std::move(document)));
  // A large document's rows are many small pieces, which the allocator would keep.
  if (bytes >= kLargeBytes) return_freed_memory();
  return added;
}

Status LoggedWriter::put_rows(const RowGroup& rows) {
  const size_t count = rows.sources.size();
  const auto fits = [&](size_t given) { return given == 0 || given == count; };
  HR_CHECK(fits(rows.texts.size()), "a group is of one length");
  for (const MetadataColumn& column : rows.columns)
    HR_CHECK(column.values.size() == count, "a column has a value for each row");
  MutexLock turn(turn_);
  MutexLock guard(mutex_);
  HR_TRY(ready());
  std::vector<Hash128> keys(count);
  for (size_t i = 0; i < count; ++i) keys[i] = row_hash(rows.sources[i], 0);
  if (!rows.vectors.empty()) HR_TRY(check_space_vectors(rows.space, count, rows.vectors));
  for (size_t i = 0; i < count; ++i) {
    const std::string_view text = rows.texts.empty() ? std::string_view() : rows.texts[i];
    uint64_t bytes = text.size() + 64;
    for (const MetadataColumn& column : rows.columns)
      bytes += column.name.size() + 16 + value_bytes(column.values[i]);
    HR_TRY(check_size(rows.sources[i], bytes));
  }
  Row row;
  std::vector<Value*> cells;
  for (const MetadataColumn& column : rows.columns)
    cells.push_back(&row.metadata[std::string(column.name)]);
  DocumentWrite head;
  std::string blob;
  uint64_t reserved = rows.vectors.size_bytes() + count * (sizeof(Hash128) + 256) + 256;
  for (const std::string_view text : rows.texts) reserved += text.size();
  log_->reserve(std::min<uint64_t>(reserved, options_.log_buffer_bytes_max));
  for (size_t i = 0; i < count; ++i) {
    head.source = rows.sources[i];
    row.text = rows.texts.empty() ? std::string_view() : rows.texts[i];
    for (size_t c = 0; c < cells.size(); ++c) *cells[c] = rows.columns[c].values[i];
    blob.clear();
    encode_row_blob(row, blob);
    log_->add_encoded(LogFrameType::document, [&](FieldWriter& out) {
      encode_document_head(head, 1, out);
      encode_row(keys[i], 0, blob, out);
    });
    pending_documents_.set_row(head.source);
    HR_TRY(write_when_full());
  }
  if (rows.vectors.empty()) return {};
  log_vectors(rows.space, keys, rows.vectors, *log_);
  return write_when_full();
}

Status LoggedWriter::remove(std::string_view source) {
  MutexLock turn(turn_);
  MutexLock guard(mutex_);
  HR_TRY(ready());
  if (!known_document(source)) return {};
  pending_documents_.set(source, std::nullopt);
  return add(RemoveSource{std::string(source)});
}

Result<uint64_t> LoggedWriter::remove_where(const Filter& filter) {
  MutexLock turn(turn_);
  MutexLock guard(mutex_);
  HR_TRY(ready());
  HR_TRY(commit_locked());
  HR_TRY(settle());
  RemoveRows removed;
  std::vector<std::string> emptied;
  std::vector<const Columns*> columns;
  for (const HeldSegment& held : state_->segments()) columns.push_back(&held.segment->columns());
  HR_ASSIGN(const std::vector<RowBitmap> matches, filter.evaluate(columns));
  for (size_t s = 0; s < matches.size(); ++s) {
    const HeldSegment& held = state_->segments()[s];
    const RowBitmap& matching = matches[s];
    std::map<uint32_t, uint32_t> by_document;
    for (uint32_t row = 0; row < held.segment->row_count(); ++row) {
      if (!matching.test(row) || held.is_deleted(row)) continue;
      removed.keys.push_back(held.segment->rows().key(row));
      ++by_document[held.segment->rows().document(row)];
    }
    for (const auto& [document, rows] : by_document) {
      if (rows == held.live_rows(document))
        emptied.emplace_back(held.segment->documents().source(document));
    }
  }
  const uint64_t count = removed.keys.size();
  if (count == 0) return count;
  HR_TRY(add(std::move(removed)));
  // A document without rows is forgotten, so that indexing its file again brings it back.
  for (const std::string& source : emptied) {
    pending_documents_.set(source, std::nullopt);
    HR_TRY(add(RemoveSource{source}));
  }
  return count;
}

Status LoggedWriter::put_vectors(std::string_view space, std::span<const std::string> keys,
                                 std::span<const float> vectors) {
  MutexLock turn(turn_);
  MutexLock guard(mutex_);
  HR_TRY(ready());
  HR_TRY(check_space_vectors(space, keys.size(), vectors));
  std::vector<Hash128> hashes(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    if (!parse_row_key(keys[i], hashes[i]))
      return fail(ErrorCode::invalid_argument, fmt::format("\"{}\" is no row key", keys[i]));
  }
  const std::optional<Space> known = find_space(space);
  if (known->fingerprint.empty()) {
    log_vectors(space, hashes, vectors, *log_);
    return write_when_full();
  }
  std::vector<float> rounded(vectors.begin(), vectors.end());
  round_to_f16(rounded, known->dimension, known->metric == Metric::cosine);
  log_vectors(space, hashes, rounded, *log_);
  return write_when_full();
}

Status LoggedWriter::check_space_vectors(std::string_view space, size_t rows,
                                         std::span<const float> vectors) {
  const std::optional<Space> known = find_space(space);
  if (!known) {
    return fail(ErrorCode::not_found, fmt::format("{} has no vectors named \"{}\"", path_, space),
                "add the space first");
  }
  if (vectors.size() != rows * known->dimension) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} vectors of dimension {} have {} numbers", rows, known->dimension,
                            vectors.size()));
  }
  return check_vectors(vectors, known->dimension, known->metric);
}

Status LoggedWriter::add_space(const Space& space) {
  MutexLock turn(turn_);
  MutexLock guard(mutex_);
  HR_TRY(ready());
  if (space.dimension == 0 || space.dimension > 4096) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("a dimension of {} is not possible", space.dimension),
                "give 1 to 4096");
  }
  if (const auto known = find_space(space.name)) {
    if (same_space(*known, space)) return {};
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} already has vectors named \"{}\" of {}", path_, space.name,
                            known->model.empty() ? "your own" : known->model),
                "use that model, or another knowledge base");
  }
  HR_TRY(add(space));
  HR_TRY(commit_locked());
  return settle();  // a space is never owed: find_space
}

// A manifest says it all: no log record is needed, and none that an older program would not know.
Status LoggedWriter::drop_space(std::string_view name) {
  MutexLock turn(turn_);
  MutexLock guard(mutex_);
  HR_TRY(ready());
  if (!find_space(name)) {
    return fail(ErrorCode::not_found, fmt::format("{} has no vectors named \"{}\"", path_, name),
                "headrace space list shows the spaces it has");
  }
  HR_TRY(commit_locked());
  // A merge that began before would bring its vectors back.
  call_off_merges();
  HR_TRY(flush_locked());
  std::vector<HeldSegment> segments = state_->segments();
  for (HeldSegment& held : segments) held.drop_vectors(name);
  const std::vector<Space> before = state_->spaces();
  std::vector<Space> spaces = before;
  std::erase_if(spaces, [&](const Space& space) { return space.name == name; });
  state_->set_spaces(std::move(spaces));
  const uint64_t number = state_->manifest().number;
  const Status dropped = publish(std::move(segments), state_->manifest(), nullptr);
  if (state_->manifest().number == number) {  // nobody can see it
    state_->set_spaces(before);
    remove_unreferenced();
  }
  return dropped;
}

Status LoggedWriter::set_settings(const std::string& settings) {
  MutexLock turn(turn_);
  MutexLock guard(mutex_);
  HR_TRY(ready());
  if (settings == state_->settings()) return {};
  HR_TRY(add(settings));
  HR_TRY(commit_locked());
  return settle();  // nor are they owed
}

Status LoggedWriter::set_history(const History& history) {
  MutexLock turn(turn_);
  MutexLock guard(mutex_);
  HR_TRY(ready());
  if (history == state_->manifest().history) return {};
  HR_TRY(commit_locked());
  HR_TRY(flush_locked());  // what is kept from here on begins with the present
  Manifest manifest = state_->manifest();
  manifest.history = history;
  return publish_as_is(std::move(manifest));
}

void LoggedWriter::discard() {
  MutexLock turn(turn_);
  MutexLock guard(mutex_);
  if (log_->transaction_is_empty()) return;
  static_cast<void>(give_up(Status{}));
}

Status LoggedWriter::commit() {
  MutexLock turn(turn_);
  MutexLock guard(mutex_);
  HR_TRY(ready());
  return commit_locked();
}

Status LoggedWriter::flush_and_merge() {
  HR_TRY(ready());
  HR_TRY(commit_locked());
  wait_for_both();  // what follows must not wait: others would begin something anew
  HR_TRY(flush_locked());
  return merge_all_now();
}

Status LoggedWriter::flush() {
  MutexLock turn(turn_);
  MutexLock guard(mutex_);
  return flush_and_merge();
}

Status LoggedWriter::make_lists(const CancelToken* cancel, uint64_t memory_bytes) {
  MutexLock turn(turn_);
  MutexLock guard(mutex_);
  HR_TRY(flush_and_merge());
  while (const auto range = worth_listing()) {
    if (cancel != nullptr) HR_TRY(cancel->check());
    Merge merge = plan(*range);
    merge.lists = true;
    merge.list_memory_bytes = memory_bytes;
    if (cancel != nullptr) merge.cancelled = &cancel->flag();
    HR_TRY(merge_now(std::move(merge)));
  }
  return {};
}

Status LoggedWriter::optimize(const CancelToken* cancel) {
  MutexLock turn(turn_);
  MutexLock guard(mutex_);
  HR_TRY(ready());
  HR_TRY(commit_locked());
  call_off_merges();
  HR_TRY(flush_locked(true));
  const auto& segments = state_->segments();
  bool clean = segments.size() <= 1;
  for (const HeldSegment& held : segments)
    clean = clean && !held.deleted && !held.stale && held.late.empty() && !wants_lists(held) &&
            !lacks_positions(held.segment->postings());
  if (clean) return {};
  if (cancel != nullptr) HR_TRY(cancel->check());
  Merge merge = plan({0, segments.size()});
  merge.lists = true;
  if (cancel != nullptr) merge.cancelled = &cancel->flag();
  return merge_now(std::move(merge));
}

// Vectors that are many enough to be searched through lists, but are not in lists yet.
bool LoggedWriter::wants_lists(const HeldSegment& held) const {
  for (const Space& space : state_->spaces()) {
    const VectorSet* const set = held.segment->vectors(space.name);
    if (set != nullptr && set->wants_lists()) return true;
  }
  return false;
}

std::optional<DocumentState> LoggedWriter::document(std::string_view source) const {
  MutexLock guard(mutex_);
  return known_document(source);
}

// After a failed sync the log takes nothing more: a new one is needed first.
Status LoggedWriter::ready() {
  if (!prepare_failure_) return prepare_failure_;
  if (!log_->unfit()) return {};
  forget_pending();
  return flush_locked();
}

void LoggedWriter::forget_pending() {
  pending_bytes_.clear();
  pending_spaces_.clear();
  pending_documents_.clear();
}

std::optional<Space> LoggedWriter::find_space(std::string_view name) const {
  for (const Space& space : pending_spaces_) {
    if (space.name == name) return space;
  }
  for (const Space& space : state_->spaces()) {
    if (space.name == name) return space;
  }
  return std::nullopt;
}

std::optional<Space> LoggedWriter::space(std::string_view name) const {
  MutexLock guard(mutex_);
  return find_space(name);
}

std::string LoggedWriter::settings() const {
  MutexLock guard(mutex_);
  return state_->settings();
}

std::optional<DocumentState> LoggedWriter::known_document(std::string_view source) const {
  std::optional<DocumentState> state;
  if (pending_documents_.find(source, state) || owed_.documents.find(source, state) ||
      preparing_documents_.find(source, state))
    return state;
  return state_->document(source);
}

Status LoggedWriter::add(const Change& change) {
  log_change(change, *log_);
  if (const auto* space = std::get_if<Space>(&change)) pending_spaces_.push_back(*space);
  return write_when_full();
}

Status LoggedWriter::write_when_full() {
  if (log_->buffered_bytes() < options_.log_buffer_bytes_max) return {};
  Result<std::string> written = log_->write_buffer();
  if (!written) return give_up(std::unexpected(std::move(written).error()));
  pending_bytes_.push_back(std::move(*written));
  return {};
}

}  // namespace headrace::index
