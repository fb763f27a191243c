#include "index/prepared_changes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "index/log_format.h"
#include "index/log_records.h"
#include "index/row_codec.h"
#include "index/vector_precision.h"

namespace headrace::index {

namespace {

// Fewer rows are not worth a segment of their own.
constexpr size_t kRowsPerPartMin = 512;
// So much of vectors is in memory twice while segments are made of it.
constexpr uint64_t kRunVectorBytesMax = 16 << 20;

// Where a row of the run is, by its key.
struct KeyedRow {
  Hash128 key;
  uint32_t part = 0;
  uint32_t row = 0;
};

// A document of a run: given as a value, or in a frame of the log.
struct Written {
  DocumentWrite* write = nullptr;
  const LoggedDocument* logged = nullptr;
  size_t first_key = 0;  // of its rows, in Extent::keys

  static std::optional<Written> of(Change& change) {
    if (auto* write = std::get_if<DocumentWrite>(&change)) return Written{write, nullptr};
    if (const auto* logged = std::get_if<LoggedDocument>(&change)) return Written{nullptr, logged};
    return std::nullopt;
  }
  std::string_view source() const { return write != nullptr ? write->source : logged->source; }
  bool has_error() const { return write != nullptr ? write->error.has_value() : logged->has_error; }
  uint32_t rows() const {
    return write != nullptr ? static_cast<uint32_t>(write->rows.size()) : logged->rows;
  }
};

struct SourceHash {
  size_t operator()(std::string_view source) const { return hash64(source); }
};

// Vectors, given as values or in a frame of the log.
struct WrittenVectors {
  std::string_view space;
  std::string_view keys;
  std::string_view values;

  static std::optional<WrittenVectors> of(const Change& change) {
    const auto bytes = [](const auto& of) {
      return std::string_view(reinterpret_cast<const char*>(of.data()),
                              of.size() * sizeof(of.front()));
    };
    if (const auto* set = std::get_if<SetVectors>(&change))
      return WrittenVectors{set->space, bytes(set->keys), bytes(set->values)};
    if (const auto* logged = std::get_if<LoggedVectors>(&change))
      return WrittenVectors{logged->space, logged->keys, logged->values};
    return std::nullopt;
  }
  size_t size() const { return keys.size() / sizeof(Hash128); }
  Hash128 key(size_t i) const {
    Hash128 key;
    std::memcpy(&key, keys.data() + i * sizeof(Hash128), sizeof(Hash128));
    return key;
  }
  bool is_well_formed(const Space* of) const {
    return of != nullptr && values.size() == size() * of->dimension * sizeof(float);
  }
  SetVectors copy() const {
    SetVectors set{std::string(space), std::vector<Hash128>(size()),
                   std::vector<float>(values.size() / sizeof(float))};
    std::ranges::copy(keys, reinterpret_cast<char*>(set.keys.data()));
    std::ranges::copy(values, reinterpret_cast<char*>(set.values.data()));
    return set;
  }
};

// Some documents of a run, which become one segment.
struct Part {
  std::vector<Written> writes;
  std::vector<Hash128> keys;  // of its rows
  // By space: numbers of rows, ascending, and where their vectors are.
  struct Vectors {
    const Space* space = nullptr;
    std::vector<std::pair<uint32_t, const char*>> rows;  // of floats at any place
    bool as_f16 = false;
  };
  std::vector<Vectors> vectors;
  std::shared_ptr<const Segment> segment;
  Status status;
};

Status append_keys(const Written& written, std::vector<Hash128>& keys) {
  if (written.has_error()) return {};
  if (written.logged != nullptr) return read_logged_keys(*written.logged, keys);
  for (const Row& row : written.write->rows) {
    if (!parse_row_key(row.key, keys.emplace_back()))
      return fail(ErrorCode::invalid_argument, fmt::format("\"{}\" is no row key", row.key));
  }
  return {};
}

// The changes that are prepared together: documents, and between them vectors of just the rows
// before them, in their order, as groups of rows with their vectors are written.
class Extent {
 public:
  Status measure(std::span<Change> changes, std::span<const Space> spaces) {
    size_t with_vectors = 0;  // so many of the keys
    uint64_t vector_bytes = 0;
    for (; size < changes.size(); ++size) {
      if (const auto vectors = WrittenVectors::of(changes[size])) {
        const auto space = std::ranges::find(spaces, vectors->space, &Space::name);
        if (!vectors->is_well_formed(space == spaces.end() ? nullptr : &*space)) return {};
        const bool all_count = last.size() == written.size();
        const std::span<const Hash128> open = std::span(keys).subspan(with_vectors);
        const std::string_view open_bytes(reinterpret_cast<const char*>(open.data()),
                                          open.size_bytes());
        if (!all_count || open_bytes != vectors->keys) return {};
        with_vectors = keys.size();
        vector_bytes += vectors->values.size();
        continue;
      }
      std::optional<Written> next = Written::of(changes[size]);
      if (!next || vector_bytes >= kRunVectorBytesMax) return {};
      const auto known = last.find(next->source());
      // A failure keeps the rows of the good version before it. Vectors are of what their source
      // was then, not of what it becomes later.
      if (known != last.end() && (next->has_error() || with_vectors > 0)) return {};
      next->first_key = keys.size();
      HR_TRY(append_keys(*next, keys));
      last.insert_or_assign(next->source(), written.size());
      written.push_back(*next);
    }
    return {};
  }

  size_t size = 0;  // changes
  std::vector<Written> written;
  std::vector<Hash128> keys;
  // Of several writes of one source only the last counts.
  std::unordered_map<std::string_view, size_t, SourceHash> last;
};

void add_values(SegmentBuilder& builder, DocumentWrite& write, std::span<const Hash128> keys) {
  std::string blob;
  builder.add_document(write, static_cast<uint32_t>(keys.size()));
  for (size_t r = 0; r < keys.size(); ++r) {
    blob.clear();
    encode_row_blob(write.rows[r], blob);
    builder.add_row(keys[r], write.rows[r], blob);
    write.rows[r] = Row();  // what follows needs its room
  }
}

// `head` and `row` are room that is used again.
Status add_logged(SegmentBuilder& builder, const LoggedDocument& document, DocumentWrite& head,
                  Row& row, const std::atomic<bool>* ended) {
  const uint32_t rows = document.has_error ? 0 : document.rows;
  bool began = false;
  const auto begin = [&] {
    builder.add_document(head, rows);
    row.source = head.source;
    began = true;
  };
  HR_TRY(read_logged_document(document, head, [&](const RowRecord& record) -> Status {
    if (!began) begin();
    if (rows == 0) return {};
    if (ended != nullptr && *ended) return fail(ErrorCode::cancelled, "the writer was closed");
    if (!decode_row_blob(record.blob, row))
      return fail(ErrorCode::damaged, "a row in the log cannot be read", "run headrace verify");
    row.position = record.position;
    builder.add_row(record.key, row, record.blob);
    return {};
  }));
  if (!began) begin();
  return {};
}

Status build(Part& part, std::string_view language, const std::atomic<bool>* ended) {
  SegmentBuilder builder(language);
  uint64_t blob_bytes = 0;
  for (const Written& written : part.writes) {
    if (written.logged != nullptr) blob_bytes += written.logged->payload.size();
  }
  builder.reserve_blobs(blob_bytes);
  size_t number = 0;
  DocumentWrite head;
  Row room;
  for (const Written& written : part.writes) {
    const size_t rows = written.has_error() ? 0 : written.rows();
    if (written.logged != nullptr) {
      HR_TRY(add_logged(builder, *written.logged, head, room, ended));
    } else {
      add_values(builder, *written.write, std::span(part.keys).subspan(number, rows));
    }
    number += rows;
  }
  std::map<std::string, VectorSetBuilder> sets;
  for (const Part::Vectors& vectors : part.vectors) {
    VectorSetBuilder set(vectors.space->dimension, vectors.space->metric);
    set.expect(vectors.rows.size(), vectors.as_f16);
    std::vector<float> vector(vectors.space->dimension);
    for (const auto& [row, values] : vectors.rows) {
      std::memcpy(vector.data(), values, vector.size() * sizeof(float));
      set.add(row, vector);
    }
    sets.emplace(vectors.space->name, std::move(set));
  }
  HR_ASSIGN(ImageSink image, builder.finish(sets));
  HR_ASSIGN(part.segment, Segment::open_image(std::move(image)));
  return {};
}

// A run of documents of which no source depends on what was before it in the run.
class Run {
 public:
  Run(const Extent& extent, ThreadPool* pool) : pool_(pool) {
    size_t rows = 0;
    std::vector<const Written*> writes;
    writes.reserve(extent.written.size());
    for (size_t i = 0; i < extent.written.size(); ++i) {
      const Written& written = extent.written[i];
      if (extent.last.size() != extent.written.size() && extent.last.at(written.source()) != i)
        continue;
      writes.push_back(&written);
      rows += written.rows() + 1;
    }
    const size_t parts_max = pool_ == nullptr ? 1 : pool_->size();
    parts_.resize(std::clamp<size_t>(rows / kRowsPerPartMin, 1, parts_max));
    // About as many rows for each.
    size_t seen = 0;
    for (const Written* written : writes) {
      Part& part = parts_[seen * parts_.size() / rows];
      part.writes.push_back(*written);
      if (!written->has_error()) {
        const auto keys = std::span(extent.keys).subspan(written->first_key, written->rows());
        part.keys.insert(part.keys.end(), keys.begin(), keys.end());
      }
      seen += written->rows() + 1;
    }
    std::erase_if(parts_, [](const Part& part) { return part.writes.empty(); });
  }

  // Whether the vectors are of rows of this run alone, and go into its segments. They must stay
  // where they are until build().
  bool take(const WrittenVectors& change, const Space* space) {
    if (!change.is_well_formed(space)) return false;
    std::vector<Part::Vectors> found(parts_.size());
    for (Part::Vectors& vectors : found) vectors.space = space;
    if (!match_in_order(change, space->dimension, found)) {
      for (Part::Vectors& vectors : found) vectors.rows.clear();
      if (!match_by_key(change, space->dimension, found)) return false;
    }
    for (size_t p = 0; p < parts_.size(); ++p) {
      const auto known = std::ranges::find(parts_[p].vectors, space, &Part::Vectors::space);
      if (known == parts_[p].vectors.end()) {
        parts_[p].vectors.push_back(std::move(found[p]));
      } else {
        const bool behind = known->rows.empty() || found[p].rows.empty() ||
                            known->rows.back().first < found[p].rows.front().first;
        known->rows.insert(known->rows.end(), found[p].rows.begin(), found[p].rows.end());
        if (!behind) keep_last(known->rows);
      }
    }
    return true;
  }

  Status build_all(std::string_view language, std::vector<PreparedChange>& prepared,
                   const std::atomic<bool>* ended) {
    choose_precision();
    HR_TRY(for_each([&](Part& part) { return build(part, language, ended); }));
    for (Part& part : parts_) prepared.emplace_back(std::move(part.segment));
    return {};
  }

 private:
  template <typename Body>
  Status for_each(const Body& body) {
    if (pool_ == nullptr || parts_.size() == 1) {
      for (Part& part : parts_) HR_TRY(body(part));
      return {};
    }
    pool_->parallel_for(parts_.size(), [&](size_t i) { parts_[i].status = body(parts_[i]); });
    for (Part& part : parts_) HR_TRY(std::exchange(part.status, Status{}));
    return {};
  }

  // By some of all vectors of a space: a part alone would have to look at most of its own.
  void choose_precision() {
    if (parts_.empty()) return;
    for (size_t v = 0; v < parts_.front().vectors.size(); ++v) {  // the spaces of all parts
      const bool as_f16 = sample_fits_f16(v);
      for (Part& part : parts_) part.vectors[v].as_f16 = as_f16;
    }
  }

  bool sample_fits_f16(size_t v) const {
    const Space& space = *parts_.front().vectors[v].space;
    std::vector<const char*> all;
    for (const Part& part : parts_) {
      for (const auto& [row, values] : part.vectors[v].rows) all.push_back(values);
    }
    if (all.size() < kPrecisionSample) return false;
    return tells_rows_apart(space.dimension, [&](size_t i, std::span<float> out) {
      std::memcpy(out.data(), all[i * all.size() / kPrecisionSample], out.size_bytes());
      if (space.metric == Metric::cosine) at_unit_length(out, out);
    });
  }

  // The usual case: a vector for every row, in their order, from where the last ones ended.
  bool match_in_order(const WrittenVectors& change, size_t dimension,
                      std::vector<Part::Vectors>& found) {
    size_t p = next_part_;
    uint32_t row = next_row_;
    for (size_t at = 0; at < change.size(); ++at, ++row) {
      while (p < parts_.size() && row == parts_[p].keys.size()) {
        ++p;
        row = 0;
      }
      if (p == parts_.size() || parts_[p].keys[row] != change.key(at)) return false;
      found[p].rows.emplace_back(row, change.values.data() + at * dimension * sizeof(float));
    }
    next_part_ = p;
    next_row_ = row;
    return true;
  }

  bool match_by_key(const WrittenVectors& change, size_t dimension,
                    std::vector<Part::Vectors>& found) {
    if (by_key_.empty()) {
      for (uint32_t p = 0; p < parts_.size(); ++p) {
        for (uint32_t row = 0; row < parts_[p].keys.size(); ++row)
          by_key_.push_back({parts_[p].keys[row], p, row});
      }
      std::ranges::sort(by_key_, {}, &KeyedRow::key);
      const auto same = [](const KeyedRow& a, const KeyedRow& b) { return a.key == b.key; };
      any_key_twice_ = std::ranges::adjacent_find(by_key_, same) != by_key_.end();
    }
    if (any_key_twice_) return false;
    for (size_t i = 0; i < change.size(); ++i) {
      const auto row = std::ranges::lower_bound(by_key_, change.key(i), {}, &KeyedRow::key);
      if (row == by_key_.end() || row->key != change.key(i)) return false;
      found[row->part].rows.emplace_back(row->row,
                                         change.values.data() + i * dimension * sizeof(float));
    }
    for (Part::Vectors& vectors : found) keep_last(vectors.rows);
    return true;
  }

  // In order of rows; of a row given twice the last counts.
  static void keep_last(std::vector<std::pair<uint32_t, const char*>>& rows) {
    std::ranges::stable_sort(rows, {}, &std::pair<uint32_t, const char*>::first);
    const auto rest = std::unique(rows.rbegin(), rows.rend(),
                                  [](const auto& a, const auto& b) { return a.first == b.first; });
    rows.erase(rows.begin(), rest.base());
  }

  ThreadPool* pool_;
  std::vector<Part> parts_;
  size_t next_part_ = 0;  // where the next vectors in order begin
  uint32_t next_row_ = 0;
  std::vector<KeyedRow> by_key_;  // all rows, once asked for
  bool any_key_twice_ = false;
};

Result<std::vector<PreparedChange>> prepare(std::vector<Change>&& changes,
                                            std::string_view language,
                                            std::span<const Space> spaces, ThreadPool* pool,
                                            const std::atomic<bool>* ended) {
  std::vector<PreparedChange> prepared;
  std::vector<Space> known(spaces.begin(), spaces.end());
  for (size_t i = 0; i < changes.size();) {
    if (!Written::of(changes[i])) {
      if (const auto* space = std::get_if<Space>(&changes[i])) known.push_back(*space);
      std::visit(
          [&](auto& change) {
            using Kind = std::remove_cvref_t<decltype(change)>;
            if constexpr (std::is_same_v<Kind, LoggedVectors>) {
              prepared.emplace_back(WrittenVectors::of(changes[i])->copy());
            } else if constexpr (!std::is_same_v<Kind, DocumentWrite> &&
                                 !std::is_same_v<Kind, LoggedDocument>) {
              prepared.emplace_back(std::move(change));
            }
          },
          changes[i]);
      ++i;
      continue;
    }
    const std::span<Change> rest = std::span<Change>(changes).subspan(i);
    Extent extent;
    HR_TRY(extent.measure(rest, known));
    Run run(extent, pool);
    size_t taken = 0;
    for (; taken < rest.size(); ++taken) {
      const auto vectors = WrittenVectors::of(rest[taken]);
      if (!vectors) {
        if (taken < extent.size) continue;
        break;
      }
      const auto space = std::ranges::find(known, vectors->space, &Space::name);
      const bool took = run.take(*vectors, space == known.end() ? nullptr : &*space);
      HR_CHECK(took || taken >= extent.size, "vectors are of a run and not in it");
      if (!took) break;
    }
    HR_TRY(run.build_all(language, prepared, ended));
    i += taken;
  }
  changes.clear();
  return prepared;
}

}  // namespace

Result<std::vector<PreparedChange>> prepare_changes(std::vector<Change>&& changes,
                                                    std::string_view language,
                                                    std::span<const Space> spaces,
                                                    ThreadPool* pool) {
  return prepare(std::move(changes), language, spaces, pool, nullptr);
}

Result<std::vector<PreparedChange>> prepare_logged(std::span<const std::string> transactions,
                                                   std::string_view language,
                                                   std::span<const Space> spaces, ThreadPool* pool,
                                                   const std::atomic<bool>& ended) {
  std::vector<Change> changes;
  for (const std::string& bytes : transactions) {
    HR_TRY(for_each_log_frame(bytes,
                              [&](const LogFrame& frame) { return view_change(frame, changes); }));
  }
  return prepare(std::move(changes), language, spaces, pool, &ended);
}

}  // namespace headrace::index
