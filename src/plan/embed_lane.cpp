#include "plan/embed_lane.h"

#include <utility>

namespace headrace {

namespace {
// A window is large enough to sort texts into tiles of equal length, small enough that vectors
// become durable every few seconds.
constexpr size_t kWindowRows = 512;
}  // namespace

EmbedLane::EmbedLane(const VectorModel& embedder, index::Writer& writer, std::string space,
                     ThreadPool& pool, uint64_t waiting_bytes_max, Progress& progress,
                     const CancelToken& cancel)
    : embedder_(embedder),
      writer_(writer),
      space_(std::move(space)),
      pool_(pool),
      progress_(progress),
      cancel_(cancel),
      waiting_(waiting_bytes_max),
      thread_([this] { loop(); }) {}

EmbedLane::~EmbedLane() {
  waiting_.close();
  thread_.join();
}

Status EmbedLane::status() {
  MutexLock lock(mutex_);
  if (failure_) return std::unexpected(*failure_);
  return {};
}

Embeddings EmbedLane::counts() {
  MutexLock lock(mutex_);
  return counts_;
}

Status EmbedLane::add(std::string key, std::string text) {
  HR_TRY(status());
  progress_.rows_to_embed.fetch_add(1, std::memory_order_relaxed);
  const uint64_t bytes = key.size() + text.size() + sizeof(Item);
  if (!waiting_.push({std::move(key), std::move(text)}, bytes)) {
    HR_TRY(status());
    return cancel_.check();
  }
  return {};
}

Status EmbedLane::finish() {
  waiting_.close();
  thread_.join();
  HR_TRY(status());
  return cancel_.check();
}

void EmbedLane::loop() {
  std::vector<Item> window;
  while (auto item = waiting_.pop()) {
    window.push_back(std::move(*item));
    while (window.size() < kWindowRows) {
      auto next = waiting_.try_pop();
      if (!next) break;
      window.push_back(std::move(*next));
    }
    Status embedded = cancel_.check();
    if (embedded) embedded = embed_window(std::exchange(window, {}));
    if (!embedded) {
      MutexLock lock(mutex_);
      failure_ = std::move(embedded).error();
      waiting_.close();
      return;
    }
  }
}

Status EmbedLane::embed_window(std::vector<Item> window) {
  std::vector<std::string> keys;
  std::vector<std::string> texts;
  keys.reserve(window.size());
  texts.reserve(window.size());
  for (Item& item : window) {
    keys.push_back(std::move(item.key));
    texts.push_back(std::move(item.text));
  }
  HR_ASSIGN(const Embeddings embeddings,
            embedder_.embed(texts, {EmbedPurpose::passage, EmbedPriority::bulk, &cancel_}, pool_));
  HR_TRY(writer_.put_vectors(space_, keys, embeddings.values));
  HR_TRY(writer_.commit());
  {
    MutexLock lock(mutex_);
    counts_.add_counts(embeddings);
    counts_.cut += embeddings.cut;
    counts_.windowed += embeddings.windowed;
  }
  progress_.rows_embedded.fetch_add(keys.size(), std::memory_order_relaxed);
  progress_.tokens.fetch_add(embeddings.tokens, std::memory_order_relaxed);
  return {};
}

}  // namespace headrace
