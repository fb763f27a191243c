// IngestVectors: the vectors of one run over documents: which spaces there are, the static model
// that is loaded beside the run, and when each row goes to which of them.
//
// Owns: the models, their lanes, the thread that loads. Threads: the run's one; the lanes have
// their own. Errors: those of the models; invalid_argument where a space was made by another model;
// cancelled.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "plan/ingest.h"
#include "plan/model_beside.h"
#include "plan/settings.h"
#include "plan/space_filler.h"

namespace headrace {

// The rows of one group of documents.
struct EmbeddedTexts {
  std::vector<std::string> keys;
  std::vector<std::string> texts;
};

class IngestVectors {
 public:
  struct Parts {
    const IngestOptions& options;
    index::Writer& writer;
    ThreadPool& pool;
    const Chunker& chunker;
    uint64_t lane_bytes_max = 0;  // texts that may wait for each model
    Progress& progress;
    const CancelToken& cancel;
  };

  explicit IngestVectors(const Parts& parts)
      : options_(parts.options),
        writer_(parts.writer),
        chunker_(parts.chunker),
        cancel_(parts.cancel),
        filler_(parts.writer, parts.pool, parts.lane_bytes_max, parts.progress, parts.cancel) {}

  // Opens every space of the settings, `main` in the main one; --instant adds one to them.
  Status open(Settings& settings, std::shared_ptr<const VectorModel> main);
  void start();
  // Rows that an earlier run wrote but did not come to embed.
  Status catch_up();

  EmbeddedTexts texts_of(const std::vector<index::DocumentWrite>& group) const;
  // The group's vectors that are written with its rows, for the caller to commit.
  Status put(const EmbeddedTexts& group);
  // The same rows for the models that come after.
  Status follow(const EmbeddedTexts& group);
  // Rows are found by their words until the static model is there; then it catches up with them,
  // and keeps step from there on.
  Status take_instant(bool waits);
  // Everything can be found; now the exact vectors, and those of what is still to come.
  Status take_deferred();

  // Something is to be done though no document changes.
  bool waits() const { return instant_ != nullptr || filler_.behind(); }
  Status go_on();
  Status finish() { return filler_.finish(); }
  void stop();  // without finishing
  Embeddings counts() const { return filler_.counts(); }
  Status kept() const { return filler_.kept(); }
  // The rows that a model would have no vector of, for the report.
  Status report_refused(IngestReport& report) const;

 private:
  Status open_space(const std::string& name, std::shared_ptr<const VectorModel> model);
  Status catch_up_lanes();

  const IngestOptions& options_;
  index::Writer& writer_;
  const Chunker& chunker_;
  const CancelToken& cancel_;
  SpaceFiller filler_;
  std::unique_ptr<ModelBeside> instant_;  // not there yet
  bool deferred_ = false;  // vectors that do not keep step wait until all documents are in
};

}  // namespace headrace
