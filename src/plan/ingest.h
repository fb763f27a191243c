// Ingest: the main job: sources → rows in a knowledge base, incremental, durable, resumable.
//
// Documents are read, decoded and cut in parallel (document_stream.h), written in order, committed
// in groups (searchable by text from then on), and followed by their vectors (embed_lane.h). What
// the knowledge base already has unchanged is skipped; rows without a vector are caught up first,
// so an interrupted run goes on where it stopped.
//
// Owns: the run's writer, pool and workers. Threads: ingest() on one thread; progress and cancel
// from any. Errors: what ends the run; failed documents are in the report and in the knowledge
// base.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "batch/document.h"
#include "env/file_system.h"
#include "plan/document_stream.h"
#include "plan/progress.h"
#include "plan/vector_model.h"
#include "runtime/cancel.h"

namespace headrace {

struct IngestOptions {
  StreamOptions stream;  // paths, globs, columns, or records from memory
  std::string kb;        // the knowledge base's folder; made when it is not there
  std::string model;     // empty: the knowledge base's, else the default; "none": no vectors
  ModelOptions model_options;
  // Used instead of looking the model up by name (Python callables); `model` names it.
  std::shared_ptr<const VectorModel> given_model;
  std::string precision;      // empty: the knowledge base's, else the default
  uint32_t dimensions = 0;    // of the main space's vectors; 0: the knowledge base's, else all
  uint32_t chunk_tokens = 0;  // 0: the knowledge base's, else 256
  int64_t overlap = -1;       // -1: the knowledge base's, else 32
  // A row's vector is of its heading path too; not given: the knowledge base's, else false.
  std::optional<bool> embed_headings;
  std::string language;       // empty: the knowledge base's, else "en"
  uint64_t memory_bytes = 0;  // 0: a quarter of the machine's
  size_t threads = 0;         // 0: all
  // Rows are searchable by text and by a static space distilled from the model as soon as they are
  // written; the model's own vectors follow when all documents are in.
  bool instant = false;
  bool prune = false;    // remove documents that vanished from the sources
  bool dry_run = false;  // only say what would be done
  bool watch = false;    // then follow the sources until cancelled
  // Called on the writing thread with each group of new documents before they are written: may
  // change or drop rows (Python's map and filter).
  std::function<Status(std::vector<index::DocumentWrite>&)> on_documents;
  // Says which function that is: another one redoes documents that are unchanged themselves.
  std::string function_fingerprint;
  // Called when a failed document is met.
  std::function<void(const DocumentError&)> on_error;
};

struct IngestReport {
  uint64_t added = 0, updated = 0, unchanged = 0, removed = 0, failed = 0;
  uint64_t empty = 0;     // without any text: known, but nothing to be found
  uint64_t rows = 0;      // written in this run
  uint64_t tokens = 0;    // embedded in this run
  uint64_t bytes_in = 0;  // read in this run
  uint64_t reused = 0;    // texts whose vector was already there
  // Rows of a knowledge base with vectors that have none, because this run was without its model.
  uint64_t without_vectors = 0;
  // Rows whose texts a model refused for themselves: found by words only, the next run asks again.
  uint64_t refused = 0;
  uint64_t requests = 0, retries = 0;  // to a remote endpoint
  double cost = 0;                     // of its tokens, by the price given with it
  std::string not_kept;  // why vectors are not kept for later runs; empty where they are
  double seconds = 0;
  // Until the last document was searchable by its text, and by a static space where there is one.
  double searchable_seconds = 0;
  uint64_t peak_rss_bytes = 0;
  // The first that failed, refused texts among them; headrace errors lists the documents.
  static constexpr size_t kFailuresMax = 20;
  std::vector<DocumentError> failures;
  bool interrupted = false;  // by the cancel token; everything counted is kept

  std::string to_json() const;  // as contract: {"documents":{…},"rows",…}
};

Result<IngestReport> ingest(const IngestOptions& options, Progress& progress,
                            const CancelToken& cancel, FileSystem& files = FileSystem::real());

}  // namespace headrace
