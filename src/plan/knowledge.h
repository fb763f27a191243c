// Knowledge: an open knowledge base with everything a user does to it: search by words or meaning,
// add, delete, look at its state. The command line and Python sit directly on this.
//
// Owns: a Reader always, a Writer from the first write on (released by close or destruction), the
// model once it is needed. Threads: all methods are safe from any thread. Errors: as named in
// index/knowledge_base.h, plus those of the model.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "index/knowledge_base.h"
#include "index/recall.h"
#include "plan/document_task.h"
#include "plan/progress.h"
#include "plan/settings.h"
#include "plan/space_search.h"
#include "plan/text_reranker.h"
#include "plan/vector_model.h"
#include "runtime/cancel.h"
#include "transform/chunker.h"

namespace headrace {

// Where vectors of the caller's own are, and the main model's of a new knowledge base.
inline constexpr const char* kDefaultSpace = "default";

struct KnowledgeOptions {
  bool create = false;       // make it when it is not there
  bool own_vectors = false;  // opened with model=None and a dimension
  std::string model;         // of a new one; empty: the default
  // Used instead of looking the model up by name (Python callables).
  std::shared_ptr<const VectorModel> given_model;
  uint32_t dimension = 0;               // of a new one with own vectors
  std::optional<index::Metric> metric;  // none: cosine, or that of what is there
  uint64_t memory_bytes = 0;            // of rows not yet in a segment; 0: 64 MiB
  index::Durability durability = index::Durability::sync;
  // A state of the past instead of the present one (see index::snapshot_at); it cannot be changed.
  std::string at;
};

struct SearchOptions {
  uint32_t k = 10;
  std::optional<index::SearchMode> mode;  // default: hybrid where there are vectors, else text
  std::string filter;                     // empty: all rows
  std::string space;                      // empty: what covers a row, see space_search.h

  bool plain = false;  // the query has no operators, all of it is words
  float title_weight = 0;
  index::FusionOptions fusion;
  std::optional<double> diversity;  // MMR, from 0 to 1
  std::string decay;                // COLUMN:HALF-LIFE such as "date:30d"; empty: none
  std::string group_by;             // a column: the best row of each value
  std::string sort;                 // a column instead of the score
  bool descending = false;
  std::vector<std::string> facets;
  uint32_t facet_values_max = 20;
  bool explain = false;
  std::string cursor;  // from the page before; empty: the first page
  // The least mean recall@k of the vector part. Not given: 1 (every vector is
  // compared) while there are few, then 0.99.
  std::optional<double> recall;

  // A cross-encoder (plan/text_reranker.h) that orders the best `rerank_rows` rows anew; their
  // scores are its own. Not for search_batch. Empty: none.
  std::string rerank;
  uint32_t rerank_rows = 50;
};

struct Hit {
  Row row;  // its page and line are those of the passage
  float score = 0;
  std::vector<index::MatchRange> matches;  // words of the query in row.text, in bytes
  size_t passage = 0;  // where the part of row.text begins that answers best, in bytes
  std::optional<index::Explanation> explanation = std::nullopt;
};

struct HitPage {
  std::vector<Hit> hits;
  std::vector<index::FacetCounts> facets;
  std::string cursor;   // where the next page begins; empty: this was the last
  std::string warning;  // why nothing may have been found; empty: nothing to say
};

// Answers to many queries: [queries, k], best first; rows short of k are marked by `counts`.
struct BatchAnswers {
  uint32_t k = 0;
  std::vector<uint32_t> counts;
  std::vector<float> scores;           // [queries * k]
  std::vector<index::ScoredRow> rows;  // [queries * k]
  std::vector<int64_t> ids;  // [queries * k], -1 where there is none; only where ids are integers
  std::shared_ptr<const index::Snapshot> snapshot;  // gives sources for `rows`
};

// What add_space() did.
struct SpaceReport {
  std::string name;
  std::string model;
  uint32_t dimension = 0;
  uint64_t rows = 0;     // covered now
  uint64_t added = 0;    // of them in this call
  uint64_t tokens = 0;   // embedded in this call
  uint64_t refused = 0;  // rows whose texts the model refused for themselves
  std::string refusal;   // of the first of them: its document, and why
  std::string not_kept;  // why vectors are not kept for later runs; empty where they are
  double seconds = 0;
  bool interrupted = false;
};

class Knowledge {
 public:
  static Result<std::unique_ptr<Knowledge>> open(const std::string& path, KnowledgeOptions options,
                                                 FileSystem& files = FileSystem::real());
  Knowledge(std::string path, KnowledgeOptions options, FileSystem& files)
      : path_(std::move(path)), options_(std::move(options)), files_(files) {}

  const std::string& path() const { return path_; }
  Result<std::shared_ptr<const index::Snapshot>> snapshot();
  Result<Settings> settings();

  Result<HitPage> search(const std::string& query, const SearchOptions& options);
  Result<HitPage> search_by_vector(std::span<const float> vector, const SearchOptions& options);
  // `vectors` is [count, dimension].
  Result<BatchAnswers> search_batch(std::span<const float> vectors, size_t count,
                                    const SearchOptions& options, size_t threads,
                                    const CancelToken* cancel = nullptr);
  Result<BatchAnswers> search_batch(std::span<const std::string> queries,
                                    const SearchOptions& options, size_t threads,
                                    const CancelToken* cancel = nullptr);

  // Returns when the documents are durable and found by text and, where there is a model, vector.
  // All of them or none, also where it is cancelled.
  Status add(std::vector<GivenDocument> documents, const CancelToken* cancel = nullptr);
  // The same with vectors of the caller's own: [ids, dimension]; texts and columns may be empty.
  Status add_vectors(std::span<const std::string> ids, bool integer_ids,
                     std::span<const float> vectors, std::span<const std::string_view> texts,
                     std::span<const index::MetadataColumn> columns,
                     const CancelToken* cancel = nullptr);
  // Rows that match are gone for the next search. Returns how many.
  Result<uint64_t> remove_where(const std::string& filter);
  Status optimize(const CancelToken* cancel = nullptr);
  // How much of the past is kept, and what there is to go back to, newest first.
  Status set_history(const index::History& history);
  Result<std::vector<index::PastState>> past_states();
  // What searches by vector with this target really find, space by space.
  Result<std::vector<index::RecallReport>> measure_recall(double target);
  void close();

  // A further space with another model's vectors, which are made for all rows before this returns;
  // searches and readers go on meanwhile. When it is interrupted the next call, or the next run of
  // ingest(), goes on. `name` empty: from the model's own.
  Result<SpaceReport> add_space(const std::string& model, const std::string& name,
                                Progress& progress, const CancelToken& cancel);
  Status drop_space(const std::string& name);

 private:
  // Answers give ids back as integers as long as all of them are.
  Status note_text_ids(const std::vector<GivenDocument>& documents);
  Status give_up_integer_ids(index::Writer& out) HR_REQUIRES(write_mutex_);
  Status check_is_own(const index::Writer& out) HR_REQUIRES(write_mutex_);
  Result<index::Writer*> writer() HR_REQUIRES(write_mutex_) HR_EXCLUDES(mutex_);
  // What one state of the knowledge base says of itself: read once, not for every search.
  struct KnownState {
    index::Info info;
    Settings settings;
  };
  struct ReadState {
    std::shared_ptr<const index::Snapshot> snapshot;
    std::shared_ptr<const KnownState> known;
  };
  Result<ReadState> read_state() HR_EXCLUDES(mutex_);
  // The model of a space; `space` empty: of the main one.
  Result<std::shared_ptr<const VectorModel>> embedder(const KnownState& known,
                                                      const std::string& space = {})
      HR_EXCLUDES(mutex_);
  // The spaces that answer: the one asked for, or those that fit what is covered.
  Result<SpaceChoice> choose(const KnownState& known, const SearchOptions& options) const;
  Result<uint32_t> space_dimension(const KnownState& known, const std::string& space) const;
  ThreadPool& pool(size_t threads) HR_EXCLUDES(mutex_);
  // A query's vector in one space.
  struct SpaceQuery {
    std::string space;
    std::span<const float> vector;
  };
  Result<HitPage> search_reranked(const std::string& query, const SearchOptions& options);
  Result<std::shared_ptr<const TextReranker>> reranker(const std::string& model)
      HR_EXCLUDES(mutex_);
  Result<HitPage> run_search(const ReadState& state, const std::string& text,
                             const SpaceChoice& choice, std::span<const SpaceQuery> vectors,
                             const SearchOptions& options, index::SearchMode mode);
  Hit make_hit(const ReadState& state, const index::ScoredRow& at, const std::string& text) const;
  void make_hits(const ReadState& state, std::span<const index::ScoredRow> rows,
                 const std::string& text, std::vector<Hit>& hits) HR_EXCLUDES(mutex_);
  // The same queries for each space of the choice.
  Result<BatchAnswers> run_batch(const ReadState& state,
                                 std::span<std::vector<index::SearchRequest>> by_space,
                                 const SpaceChoice& choice, const SearchOptions& options,
                                 size_t threads, const CancelToken* cancel);

  const std::string path_;
  const KnowledgeOptions options_;
  FileSystem& files_;
  Mutex write_mutex_;  // who writes waits for who writes; taken before mutex_
  // Whether the settings say so; nothing while they were not looked at.
  std::optional<bool> integer_ids_ HR_GUARDED_BY(write_mutex_);
  std::optional<bool> own_vectors_ HR_GUARDED_BY(write_mutex_);
  Mutex mutex_;  // never held while anything is written: searches go on
  std::unique_ptr<index::Reader> reader_ HR_GUARDED_BY(mutex_);
  std::shared_ptr<const index::Snapshot> past_;  // set by open() where a past state is asked for
  std::shared_ptr<index::Writer> writer_ HR_GUARDED_BY(mutex_);
  std::weak_ptr<const index::Snapshot> known_of_ HR_GUARDED_BY(mutex_);
  std::shared_ptr<const KnownState> known_ HR_GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<const VectorModel>> models_ HR_GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<const TextReranker>> rerankers_ HR_GUARDED_BY(mutex_);
  std::map<size_t, std::unique_ptr<ThreadPool>> pools_ HR_GUARDED_BY(mutex_);
};

}  // namespace headrace
