// RowStream: a pipeline without a knowledge base at its end: sources → documents or rows, with
// vectors if wanted, as Arrow batches that the caller pulls. What Python's .batches(), .to_arrow()
// and __arrow_c_stream__ stand on.
//
// Owns: the run's threads and workers; stopped when destroyed. Threads: next() on one thread at a
// time. Errors: as ingest; failed documents are counted in failures().
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "batch/column.h"
#include "batch/document.h"
#include "plan/document_stream.h"
#include "plan/vector_model.h"
#include "runtime/cancel.h"

namespace headrace {

struct RowStreamOptions {
  StreamOptions stream;
  bool chunk = true;  // false: one row a document, its whole text
  std::string model;  // for token counts and vectors; empty or "none": neither
  ModelOptions model_options;
  std::shared_ptr<const VectorModel> given_model;  // instead of one looked up by name
  bool embed = false;                              // a column of vectors, named "default"
  std::string precision;                           // empty: the default
  uint32_t dimensions = 0;                         // of the vectors; 0: all
  uint32_t chunk_tokens = 256;
  uint32_t overlap = 32;
  bool embed_headings = false;
  uint64_t memory_bytes = 0;
  size_t threads = 0;
};

// The documents that gave nothing: all by number, the first of them in full.
struct StreamFailures {
  uint64_t count = 0;
  std::map<ErrorCode, uint64_t> by_code;
  std::vector<DocumentError> first;
};

class RowStream {
 public:
  static Result<std::unique_ptr<RowStream>> open(RowStreamOptions options);
  virtual ~RowStream() = default;
  virtual const std::vector<Field>& schema() const = 0;
  // Nothing at the end.
  virtual Result<std::optional<Batch>> next() = 0;
  // A batch without rows.
  virtual Batch empty_batch() const = 0;
  // Waits until next() would not, or until then; says which.
  virtual bool wait_until(std::chrono::steady_clock::time_point until) = 0;
  // Of a text in the batch that next() gave last: its structure as it was read from `source` or, of
  // an equal text, from another document of the batch. Null where the text is another. For streams
  // of whole documents.
  virtual std::shared_ptr<const DocumentStructure> structure(const std::string& source,
                                                             std::string_view text) const = 0;
  // What ended the stream, once next() gave an error or nothing more.
  virtual Status end() const = 0;
  virtual StreamFailures failures() const = 0;
  virtual void cancel() = 0;
};

}  // namespace headrace
