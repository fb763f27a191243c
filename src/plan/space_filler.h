// SpaceFiller: keeps the spaces of a knowledge base filled: each with its model, behind the rows at
// its own pace.
//
// A static model is so quick that its vectors are written in the same commit as their rows: they
// are searchable by meaning at once. Every other model follows in a lane (embed_lane.h). Rows that
// an earlier run left without vectors are what the index says is uncovered: nothing else has to be
// remembered for a run that was killed.
//
// Owns: the models and their lanes. Threads: one; the lanes have their own. Errors: those of the
// models; invalid_argument where a space was made by another model; cancelled.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "index/knowledge_base.h"
#include "plan/embed_lane.h"
#include "plan/progress.h"
#include "plan/settings.h"
#include "plan/vector_model.h"
#include "runtime/cancel.h"
#include "runtime/thread_pool.h"
#include "transform/chunker.h"

namespace headrace {

// invalid_argument when the name is another model's.
Status check_model_space(const index::Info& info, const std::string& knowledge_base,
                         const std::string& name, const VectorModelInfo& model);
// Makes the space for the model's vectors, after the same check.
Status add_model_space(index::Writer& writer, const std::string& knowledge_base,
                       const std::string& name, const VectorModelInfo& model);

class SpaceFiller {
 public:
  // `waiting_bytes_max`: texts that may wait for each lane.
  SpaceFiller(index::Writer& writer, ThreadPool& pool, uint64_t waiting_bytes_max,
              Progress& progress, const CancelToken& cancel)
      : writer_(writer),
        pool_(pool),
        waiting_bytes_max_(waiting_bytes_max),
        progress_(progress),
        cancel_(cancel) {}

  // The space is there already.
  void add(const std::string& space, std::shared_ptr<const VectorModel> model);
  bool empty() const { return spaces_.empty(); }
  void start();  // the lanes

  // Vectors of models that keep step: put, for the caller to commit together with the rows.
  Status put_at_once(std::span<const std::string> keys, std::span<const std::string> texts);
  // The same rows for the lanes; waits while they have enough.
  Status follow(const std::string& key, const std::string& text);
  // For those who must not wait: a lane that has no room falls behind, and takes what it missed
  // when it has done what it has (catch_up_behind, to be called now and then).
  Status offer(const std::string& key, const std::string& text);
  Status catch_up_behind(const Chunker& chunker);
  void fall_behind();   // all lanes: what they lack is not known here
  bool behind() const;  // any
  // Rows that are there without vectors: first those of the models that keep step, committed in
  // groups; then the others', into their lanes.
  Status catch_up_at_once(const Chunker& chunker);
  Status catch_up(const Chunker& chunker);
  // Waits until the lanes are done and committed.
  Status finish();
  void stop();  // without finishing
  // What the models did so far.
  Embeddings counts() const;
  // Why vectors of one of them are not kept for later runs; writes what waits.
  Status kept() const;
  // Calls visit(document, why) for each row of whose text a model would have none. After finish().
  Status for_each_refused(
      const std::function<void(const std::string& source, const Error& why)>& visit) const;

 private:
  struct Filled {
    std::string space;
    std::shared_ptr<const VectorModel> model;
    bool at_once = false;
    std::unique_ptr<EmbedLane> lane;
    bool behind = false;  // rows are there that it was not given
  };
  index::Writer& writer_;
  ThreadPool& pool_;
  const uint64_t waiting_bytes_max_;
  Progress& progress_;
  const CancelToken& cancel_;
  std::vector<Filled> spaces_;
};

}  // namespace headrace
