// IngestRun: one run of ingest() over one knowledge base. ingest_open.cpp opens what it needs,
// ingest.cpp leads the documents through.
//
// Owns: the writer, the model, the pools and the decoders. Threads: the run's one; they have their
// own. Errors: as ingest().
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash_set.h"
#include "plan/document_task.h"
#include "plan/gone_sources.h"
#include "plan/ingest.h"
#include "plan/ingest_vectors.h"
#include "plan/known_in_writer.h"
#include "plan/settings.h"
#include "plan/source_names.h"

namespace headrace {

class IngestRun {
 public:
  IngestRun(const IngestOptions& options, Progress& progress, const CancelToken& cancel,
            FileSystem& files)
      : options_(options), progress_(progress), cancel_(cancel), files_(files) {}

  Result<IngestReport> execute();

 private:
  using Clock = std::chrono::steady_clock;

  // ingest_open.cpp
  Status open();
  Status check_sources() const;
  void take_options(bool is_new);
  Status open_writer(FileSystem& files, const std::string& folder);
  Status open_model();
  Status share_memory();
  std::vector<std::string> roots() const;
  std::optional<bool> holds_relative_names(const std::string& folder, bool same) const;

  // ingest.cpp
  Status stream_once();
  StreamOptions stream_options() const;
  Status take(Outcome&& outcome);
  Status remove_stale(const Outcome& outcome);
  Status write_group();
  Status forget(std::string_view source, bool counted);
  Status prune();
  Status follow();
  Status finish();
  void count_rows_without_vectors();
  static double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  }

  const IngestOptions& options_;
  Progress& progress_;
  const CancelToken& cancel_;
  FileSystem& files_;
  const Clock::time_point start_ = Clock::now();
  uint64_t memory_ = 0;
  uint64_t in_flight_ = 0;  // the part of it that documents may take on their way
  uint64_t document_bytes_max_ = 0;
  IngestReport report_;
  Settings settings_;
  std::unique_ptr<FileSystem> no_disk_;  // of a dry run where there is nothing yet
  std::unique_ptr<index::Writer> writer_;
  std::shared_ptr<const VectorModel> model_;  // of the main space; cuts the rows in any case
  bool without_vectors_ = false;              // --model none
  std::shared_ptr<const Tokenizer> tokenizer_ = Tokenizer::without_model();
  std::unique_ptr<Chunker> chunker_;
  std::unique_ptr<ThreadPool> pool_;
  // Beside vectors that are still computed, while watching: a document does not wait for theirs.
  std::unique_ptr<ThreadPool> documents_pool_;
  std::unique_ptr<WorkerPool> workers_;
  std::unique_ptr<IngestVectors> vectors_;  // where there are any
  bool follows_ = false;                    // the first pass is over
  std::unique_ptr<KnownInWriter> known_;
  std::unique_ptr<SourceNames> names_;
  std::unique_ptr<GoneSources> gone_;
  std::vector<index::DocumentWrite> group_;
  uint64_t group_bytes_ = 0;
  Clock::time_point group_start_;
  HashSet absent_, was_absent_;  // sources that are not there, were not the last time
  HashSet failed_;               // counted once, also when watched repeatedly
};

}  // namespace headrace
