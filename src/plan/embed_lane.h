// EmbedLane: the vectors of rows that are already written: a thread that takes texts in windows,
// embeds them on the pool and hands the vectors to the writer. Rows are searchable by text before
// their vectors are there; the lane follows.
//
// Owns: its thread and the texts waiting (bounded in bytes: add() waits, which is the back-pressure
// of a run; offer() does not). Threads: add(), offer() and finish() on one thread. Errors: the
// first one stops the lane and is returned by the next call; a text that the model refuses for
// itself is no error.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "index/knowledge_base.h"
#include "plan/progress.h"
#include "plan/vector_model.h"
#include "runtime/cancel.h"
#include "runtime/channel.h"
#include "runtime/thread_pool.h"

namespace headrace {

class EmbedLane {
 public:
  // No more than `waiting_bytes_max` of text wait.
  EmbedLane(const VectorModel& embedder, index::Writer& writer, std::string space, ThreadPool& pool,
            uint64_t waiting_bytes_max, Progress& progress, const CancelToken& cancel);
  ~EmbedLane();  // stops without finishing what waits
  EmbedLane(const EmbedLane&) = delete;
  EmbedLane& operator=(const EmbedLane&) = delete;

  Status add(std::string key, std::string text);
  // The same without waiting: false when there is no room now.
  Result<bool> offer(std::string key, std::string text);
  // What stopped the lane, if anything did.
  Status status() HR_EXCLUDES(mutex_);
  // Everything given so far is embedded and committed.
  bool idle() const { return unfinished_.load() == 0; }
  // Waits until everything added is embedded and committed.
  Status finish();
  // What was computed, reused and asked for so far.
  Embeddings counts() HR_EXCLUDES(mutex_);
  // The rows whose texts the model refused for themselves, by key: they stay without a vector.
  std::map<std::string, Error> refused() HR_EXCLUDES(mutex_);

 private:
  struct Item {
    std::string key;
    std::string text;
  };
  void loop();
  // So much text took so long: how much the next window takes.
  void adjust_window(uint64_t bytes, double seconds);
  Status embed_window(std::vector<Item> window);

  const VectorModel& embedder_;
  index::Writer& writer_;
  const std::string space_;
  ThreadPool& pool_;
  Progress& progress_;
  const CancelToken& cancel_;
  uint64_t window_bytes_;                 // of the lane's thread
  std::atomic<uint64_t> unfinished_ = 0;  // rows given and not yet committed
  Channel<Item> waiting_;
  Mutex mutex_;
  std::optional<Error> failure_ HR_GUARDED_BY(mutex_);
  Embeddings counts_ HR_GUARDED_BY(mutex_);
  std::map<std::string, Error> refused_ HR_GUARDED_BY(mutex_);
  Thread thread_;
};

}  // namespace headrace
