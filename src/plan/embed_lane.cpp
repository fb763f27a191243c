#include "plan/embed_lane.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace headrace {

namespace {
using Clock = std::chrono::steady_clock;

// A window is large enough to sort texts into tiles of equal length and to keep every thread busy,
// small enough that vectors become durable every few seconds: as much text as the window before
// says will take so long, within bounds.
constexpr size_t kWindowRows = 512;
constexpr double kWindowSeconds = 2;
constexpr uint64_t kWindowBytesLeast = 4 << 10;  // these for each thread
constexpr uint64_t kWindowBytesFirst = 16 << 10;
constexpr uint64_t kWindowBytesMost = 64 << 10;

// Requests to a machine elsewhere cost the same for few rows and for many; so may a function's.
bool computed_here(const VectorModelInfo& model) {
  return model.kind == "encoder" || model.kind == "onnx";
}
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
      window_bytes_(computed_here(embedder.info()) ? kWindowBytesFirst * pool.size() : UINT64_MAX),
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

std::map<std::string, Error> EmbedLane::refused() {
  MutexLock lock(mutex_);
  return refused_;
}

Embeddings EmbedLane::counts() {
  MutexLock lock(mutex_);
  return counts_;
}

Status EmbedLane::add(std::string key, std::string text) {
  HR_TRY(status());
  progress_.rows_to_embed.fetch_add(1, std::memory_order_relaxed);
  unfinished_.fetch_add(1);
  const uint64_t bytes = key.size() + text.size() + sizeof(Item);
  if (!waiting_.push({std::move(key), std::move(text)}, bytes)) {
    HR_TRY(status());
    return cancel_.check();
  }
  return {};
}

Result<bool> EmbedLane::offer(std::string key, std::string text) {
  HR_TRY(status());
  const uint64_t bytes = key.size() + text.size() + sizeof(Item);
  Item item{std::move(key), std::move(text)};
  unfinished_.fetch_add(1);
  if (!waiting_.try_push(item, bytes)) {
    unfinished_.fetch_sub(1);
    HR_TRY(status());
    HR_TRY(cancel_.check());
    return false;
  }
  progress_.rows_to_embed.fetch_add(1, std::memory_order_relaxed);
  return true;
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
    uint64_t bytes = item->text.size();
    window.push_back(std::move(*item));
    while (window.size() < kWindowRows && bytes < window_bytes_) {
      auto next = waiting_.try_pop();
      if (!next) break;
      bytes += next->text.size();
      window.push_back(std::move(*next));
    }
    const Clock::time_point start = Clock::now();
    Status embedded = cancel_.check();
    if (embedded) embedded = embed_window(std::exchange(window, {}));
    adjust_window(bytes, std::chrono::duration<double>(Clock::now() - start).count());
    if (!embedded) {
      MutexLock lock(mutex_);
      failure_ = std::move(embedded).error();
      waiting_.close();
      return;
    }
  }
}

void EmbedLane::adjust_window(uint64_t bytes, double seconds) {
  if (window_bytes_ == UINT64_MAX) return;
  const double fitting = static_cast<double>(bytes) * kWindowSeconds / std::max(seconds, 1e-6);
  const uint64_t threads = pool_.size();
  // In doubles: a moment's window may come to more than any integer.
  window_bytes_ =
      static_cast<uint64_t>(std::clamp(fitting, static_cast<double>(kWindowBytesLeast * threads),
                                       static_cast<double>(kWindowBytesMost * threads)));
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
  std::map<size_t, Error> refused;
  EmbedOptions options{EmbedPurpose::passage, EmbedPriority::bulk, &cancel_};
  options.refuse = [&](size_t text, const Error& why) { refused.try_emplace(text, why); };
  HR_ASSIGN(Embeddings embeddings, embedder_.embed(texts, options, pool_));
  const size_t rows = keys.size();
  const size_t dimension = embedder_.info().dimension;
  std::map<std::string, Error> refused_keys;
  size_t put = 0;
  for (size_t i = 0; i < rows && !refused.empty(); ++i) {
    if (const auto found = refused.find(i); found != refused.end()) {
      refused_keys.try_emplace(std::move(keys[i]), found->second);
      continue;
    }
    if (put != i) {
      keys[put] = std::move(keys[i]);
      std::copy_n(embeddings.values.begin() + static_cast<std::ptrdiff_t>(i * dimension), dimension,
                  embeddings.values.begin() + static_cast<std::ptrdiff_t>(put * dimension));
    }
    ++put;
  }
  if (!refused.empty()) {
    keys.resize(put);
    embeddings.values.resize(put * dimension);
  }
  if (!keys.empty()) {
    HR_TRY(writer_.put_vectors(space_, keys, embeddings.values));
    HR_TRY(writer_.commit());
  }
  unfinished_.fetch_sub(rows);
  {
    MutexLock lock(mutex_);
    refused_.merge(refused_keys);
    counts_.add_counts(embeddings);
    counts_.cut += embeddings.cut;
    counts_.windowed += embeddings.windowed;
  }
  progress_.rows_embedded.fetch_add(rows, std::memory_order_relaxed);
  progress_.tokens.fetch_add(embeddings.tokens, std::memory_order_relaxed);
  return {};
}

}  // namespace headrace
