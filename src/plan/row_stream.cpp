#include "plan/row_stream.h"

#include <algorithm>
#include <map>
#include <utility>

#include "batch/row_batch.h"
#include "plan/document_task.h"
#include "plan/failure_limit.h"
#include "plan/render.h"
#include "plan/vector_model.h"
#include "runtime/channel.h"

namespace headrace {

namespace {

constexpr size_t kRowsPerBatch = 1024;
constexpr uint64_t kBatchBytesMax = 8ULL << 20;
constexpr uint64_t kWaitingBytesMax = 32ULL << 20;

using Structures =
    std::map<std::pair<Hash128, std::string>, std::shared_ptr<const DocumentStructure>>;

struct StreamedBatch {
  Batch batch;
  Structures structures;
};

class RunningRowStream : public RowStream {
 public:
  explicit RunningRowStream(RowStreamOptions options)
      : options_(std::move(options)), batches_(kWaitingBytesMax) {}

  ~RunningRowStream() override {
    cancel();
    thread_.join();
  }

  Status start() {
    pool_ = std::make_unique<ThreadPool>(options_.threads);
    WorkerPoolOptions workers;
    workers.workers_max = workers_needed(pool_->size());
    workers.memory_bytes_max = decoder_bytes_max(memory());
    HR_ASSIGN(workers_, WorkerPool::create(workers));
    std::shared_ptr<const Tokenizer> tokenizer = Tokenizer::without_model();
    if (options_.given_model) {
      embedder_ = options_.given_model;
    } else if (!options_.model.empty() && options_.model != "none") {
      ModelOptions model_options = options_.model_options;
      HR_TRY(check_precision_of(options_.model, options_.precision));
      HR_ASSIGN(model_options.precision, parse_precision(options_.precision));
      model_options.dimensions = options_.dimensions;
      HR_ASSIGN(embedder_, load_vector_model(options_.model, model_options));
    }
    if (embedder_) tokenizer = embedder_->tokenizer();
    if (options_.embed && embedder_) vectors_.push_back({"default", embedder_->info().dimension});
    schema_ = row_schema(vectors_);
    HR_ASSIGN(Chunker chunker,
              Chunker::create(std::move(tokenizer), {.tokens_max = options_.chunk_tokens,
                                                     .overlap = options_.overlap,
                                                     .heading_in_text = options_.embed_headings}));
    chunker_ = std::make_unique<Chunker>(std::move(chunker));
    thread_ = Thread([this] { run(); });
    return {};
  }

  const std::vector<Field>& schema() const override { return schema_; }

  Result<std::optional<Batch>> next() override {
    std::optional<StreamedBatch> streamed = batches_.pop();
    MutexLock lock(mutex_);
    delivered_.clear();
    if (streamed) {
      delivered_ = std::move(streamed->structures);
      return std::optional<Batch>(std::move(streamed->batch));
    }
    HR_TRY(end_);
    return std::optional<Batch>();
  }

  Batch empty_batch() const override { return RowBatchBuilder(vectors_).finish(); }

  bool wait_until(std::chrono::steady_clock::time_point until) override {
    return batches_.wait_until(until);
  }

  std::shared_ptr<const DocumentStructure> structure(const std::string& source,
                                                     std::string_view text) const override {
    const Hash128 hash = hash128(text);
    MutexLock lock(mutex_);
    if (const auto own = delivered_.find({hash, source}); own != delivered_.end())
      return own->second;
    const auto other = delivered_.lower_bound({hash, std::string()});
    return other != delivered_.end() && other->first.first == hash ? other->second : nullptr;
  }

  Status end() const override {
    MutexLock lock(mutex_);
    return end_;
  }

  StreamFailures failures() const override {
    MutexLock lock(mutex_);
    return failures_;
  }

  void cancel() override {
    cancel_.request();
    batches_.close();
  }

 private:
  uint64_t memory() const {
    return options_.memory_bytes != 0 ? options_.memory_bytes : Budget::default_limit_bytes();
  }

  void run() {
    Budget budget(std::max<uint64_t>(memory() / 3, 24ULL << 20));
    options_.stream.document_bytes_max = document_bytes_max(budget.limit_bytes());
    options_.stream.whole_documents = !options_.chunk;
    Status status = run_document_stream(
        options_.stream, {*pool_, budget, workers_.get(), *chunker_, nullptr, progress_, cancel_},
        [this](Outcome&& outcome) { return take(std::move(outcome)); });
    if (status) status = flush();
    {
      MutexLock lock(mutex_);
      end_ = std::move(status);
    }
    batches_.close();
  }

  Status take(Outcome&& outcome) {
    if (outcome.kind == OutcomeKind::failed) {
      MutexLock lock(mutex_);
      DocumentError& error = *outcome.document.error;
      failures_.count += outcome.count;
      failures_.by_code[error.error.code()] += outcome.count;
      // Those that stand for many say so themselves.
      if (failures_.first.size() < kFailuresKept) failures_.first.push_back(std::move(error));
      return {};
    }
    if (outcome.structure && !outcome.document.rows.empty()) {
      const DocumentStructure& structure = *outcome.structure;
      bytes_ += structure.blocks.size() * sizeof(Block) + structure.links.size() * sizeof(Link) +
                structure.lines.size() * sizeof(LineBegin);
      for (const Link& link : structure.links) bytes_ += link.target.size();
      structures_.emplace(std::pair(structure.text_hash, structure.source), outcome.structure);
    }
    for (Row& row : outcome.document.rows) {
      bytes_ += row.text.size() + row.title.size();
      rows_.push_back(std::move(row));
      if (rows_.size() >= kRowsPerBatch || bytes_ >= kBatchBytesMax) HR_TRY(flush());
    }
    return {};
  }

  Status flush() {
    if (rows_.empty()) return {};
    const std::vector<Row> rows = std::exchange(rows_, {});
    const uint64_t bytes = std::exchange(bytes_, 0);
    Structures structures = std::exchange(structures_, {});
    Embeddings embeddings;
    if (!vectors_.empty()) {
      std::vector<std::string> texts;
      for (const Row& row : rows) texts.push_back(chunker_->embedded_text(row));
      HR_ASSIGN(
          embeddings,
          embedder_->embed(texts, {EmbedPurpose::passage, EmbedPriority::bulk, &cancel_}, *pool_));
    }
    RowBatchBuilder builder(vectors_);
    for (size_t i = 0; i < rows.size(); ++i) {
      builder.add(rows[i], metadata_json(rows[i].metadata));
      if (vectors_.empty()) continue;
      const size_t dimension = vectors_[0].dimension;
      builder.add_vector(
          0, std::span<const float>(embeddings.values).subspan(i * dimension, dimension));
    }
    if (!batches_.push({builder.finish(), std::move(structures)}, bytes)) return cancel_.check();
    return {};
  }

  RowStreamOptions options_;
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<WorkerPool> workers_;
  std::shared_ptr<const VectorModel> embedder_;
  std::unique_ptr<Chunker> chunker_;
  std::vector<VectorColumn> vectors_;
  std::vector<Field> schema_;
  std::vector<Row> rows_;
  Structures structures_;
  uint64_t bytes_ = 0;
  Progress progress_;
  CancelToken cancel_;
  Channel<StreamedBatch> batches_;
  mutable Mutex mutex_;
  StreamFailures failures_ HR_GUARDED_BY(mutex_);
  Structures delivered_ HR_GUARDED_BY(mutex_);  // of the batch that was given last
  Status end_ HR_GUARDED_BY(mutex_);
  Thread thread_;
};

}  // namespace

Result<std::unique_ptr<RowStream>> RowStream::open(RowStreamOptions options) {
  auto stream = std::make_unique<RunningRowStream>(std::move(options));
  HR_TRY(stream->start());
  return std::unique_ptr<RowStream>(std::move(stream));
}

}  // namespace headrace
