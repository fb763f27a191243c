// DocumentStream: sources → bytes → decoded documents → rows, in parallel, delivered in order.
//
// One thread lists and reads containers (folders, archives, JSONL) and hands every document to the
// pool; results come back in the order of the listing, whatever the number of threads. What is in
// flight is bounded in bytes by the budget.
//
// Owns: the reading thread for the time of run(). Threads: run() on one thread; the handler is
// called on it. Errors: those of one document are outcomes; run() fails only for what ends the run
// (a named path that is not there, cancellation, an error of the handler).
#pragma once

#include <algorithm>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "batch/document.h"
#include "batch/document_limit.h"
#include "decode/decoder.h"
#include "index/knowledge_base.h"
#include "memory/budget.h"
#include "plan/progress.h"
#include "runtime/cancel.h"
#include "runtime/thread_pool.h"
#include "runtime/worker_pool.h"
#include "sources/records.h"
#include "sources/walker.h"
#include "transform/chunker.h"

namespace headrace {

// What a document needs while it is decoded and cut, as a multiple of its bytes, and its rows from
// then on until they are in the log and in a segment. Measured: docs/benchmarks.md.
inline constexpr uint64_t kDocumentWorkingFactor = 5;
inline constexpr uint64_t kRowsWorkingFactor = 4;
uint64_t rows_bytes(const std::vector<Row>& rows);

// The largest document that a budget for documents in flight lets through.
inline uint64_t document_bytes_max(uint64_t in_flight_bytes) {
  return std::min<uint64_t>(kDocumentBytesMax, in_flight_bytes / kDocumentWorkingFactor);
}

// A record given from memory, or why it is none: a failed document, not the end of the run.
struct GivenFailure {
  DocumentError problem;
  uint64_t count = 1;  // documents that it stands for
};
using GivenRecord = std::expected<RawDocument, GivenFailure>;
// Of everything that makes a given record's rows: its content hash.
Hash128 record_hash(const RawDocument& record);

struct StreamOptions {
  std::vector<std::string> paths;  // "-" is standard input
  // What standard input is called, as a file that is read again; empty: "-", and what is in it is
  // added to what came by it before (see Feeder::feed_standard_input).
  std::string input_name;
  WalkOptions walk;
  RecordColumns columns;
  std::string settings;  // goes into every document; a difference redoes it
  uint64_t document_bytes_max = kDocumentBytesMax;
  bool whole_documents = false;  // one row a document instead of chunks
  // While watching: a source that is not there now is an outcome, not the end, and what failed is
  // tried again when it changes, not each time that something else does.
  bool follows = false;
  // Documents given from memory (Python iterables, Arrow streams) instead of paths: called until it
  // returns nothing.
  std::function<Result<std::optional<GivenRecord>>()> next_record;
};

enum class OutcomeKind : uint8_t {
  document,       // `document` is new or changed
  unchanged,      // `count` documents as the knowledge base has them
  failed,         // document.error says why
  listed,         // a folder that could not be listed before
  absent,         // a source that was named is not there; document.error says so
  container_end,  // everything of `document.source` (an archive, a JSONL file) has been delivered
};

struct Outcome {
  OutcomeKind kind = OutcomeKind::document;
  index::DocumentWrite document;
  uint64_t bytes = 0;
  uint64_t count = 1;  // documents that this stands for
  // Everything in this container is known now: others that the knowledge base has of it are to be
  // removed. For a document with attachments these are its `members`, for a container_end what was
  // delivered of it.
  bool has_members = false;
  std::vector<std::string> members;
  // Of a whole document, that has no rows of its own to say it.
  std::shared_ptr<const DocumentStructure> structure;
  // Some of what is in its container could not be listed: nothing may be taken for removed.
  bool incomplete = false;
  bool is_empty = false;  // a document without any text: nothing of it can be found
};

// What is already known, so that unchanged documents are skipped: by their stamp without opening
// them, by their hash without decoding them.
class SourceNames;

class KnownDocuments {
 public:
  virtual ~KnownDocuments() = default;
  virtual std::optional<index::DocumentState> document(const std::string& source) const = 0;
  // How many came out of a container (archive, JSONL, mail) when it was last read.
  virtual uint64_t member_count(const std::string& container) const = 0;
  // The sources of those that came out of one of its members (a mail's attachments).
  virtual std::vector<std::string> beneath(const std::string& container,
                                           const std::string& source) const = 0;
  // Something in this container, or in this member of one, failed: it is read again, so that what
  // failed is tried again.
  virtual bool has_failures(const std::string& container) const = 0;
};

struct StreamParts {
  ThreadPool& pool;
  Budget& budget;
  WorkerPool* workers = nullptr;
  const Chunker& chunker;
  const KnownDocuments* known = nullptr;
  Progress& progress;
  const CancelToken& cancel;
  const SourceNames* names = nullptr;  // of files; null: as they are given
};

using OutcomeHandler = std::function<Status(Outcome&&)>;

Status run_document_stream(const StreamOptions& options, const StreamParts& parts,
                           const OutcomeHandler& handler);

}  // namespace headrace
