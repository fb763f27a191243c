#include "plan/onnx_model.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <numeric>
#include <optional>
#include <utility>

#include "base/mutex.h"
#include "embed/model_store.h"
#include "embed/onnx_encoder.h"

namespace headrace {

namespace {

// Padded tokens of a batch: enough to keep a core busy, few enough for its cache.
constexpr size_t kBatchTokens = 2048;

class OnnxModel final : public VectorModel {
 public:
  OnnxModel(std::shared_ptr<const Tokenizer> tokenizer,
            std::unique_ptr<const embed::OnnxEncoder> encoder, const std::string& file)
      : tokenizer_(std::move(tokenizer)), encoder_(std::move(encoder)) {
    info_.name = "onnx:" + file;
    info_.kind = "onnx";
    info_.fingerprint = encoder_->fingerprint();
    info_.dimension = encoder_->dimension();
    info_.tokens_max = encoder_->tokens_max();
    info_.normalized = encoder_->normalized();
    info_.precision = "as in the file";
    info_.kernel = "onnxruntime " + encoder_->runtime_version();
  }

  const VectorModelInfo& info() const override { return info_; }
  const std::shared_ptr<const Tokenizer>& tokenizer() const override { return tokenizer_; }
  Result<Embeddings> embed(std::span<const std::string> texts, const EmbedOptions& options,
                           ThreadPool& pool) const override;

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<const embed::OnnxEncoder> encoder_;
  VectorModelInfo info_;
};

Result<Embeddings> OnnxModel::embed(std::span<const std::string> texts, const EmbedOptions& options,
                                    ThreadPool& pool) const {
  std::vector<std::vector<int32_t>> ids(texts.size());
  std::vector<size_t> lengths(texts.size());
  pool.parallel_for(texts.size(), [&](size_t i) {
    lengths[i] = tokenizer_->encode_ids(texts[i], info_.tokens_max, ids[i]);
  });
  Embeddings result;
  for (size_t i = 0; i < texts.size(); ++i) {
    result.tokens += ids[i].size();
    if (lengths[i] > info_.tokens_max) result.longer.push_back(static_cast<uint32_t>(i));
  }
  result.cut = result.longer.size();
  std::vector<uint32_t> order(texts.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::ranges::greater{},
                           [&](uint32_t i) { return ids[i].size(); });
  std::vector<std::pair<size_t, size_t>> batches;  // [begin, end) of `order`
  for (size_t begin = 0; begin < order.size();) {
    const size_t width = std::max<size_t>(ids[order[begin]].size(), 1);
    const size_t end = std::min(order.size(), begin + std::max<size_t>(kBatchTokens / width, 1));
    batches.emplace_back(begin, end);
    begin = end;
  }
  const size_t dimension = info_.dimension;
  result.values.resize(texts.size() * dimension);
  Mutex mutex;
  std::optional<Error> failure;
  std::atomic<bool> stop = false;
  pool.parallel_for(batches.size(), [&](size_t b) {
    if (stop || (options.cancel != nullptr && options.cancel->requested())) return;
    const auto [begin, end] = batches[b];
    std::vector<std::span<const int32_t>> sequences;
    for (size_t i = begin; i < end; ++i) sequences.emplace_back(ids[order[i]]);
    std::vector<float> rows(sequences.size() * dimension);
    Status status = encoder_->embed(sequences, rows);
    if (!status) {
      const MutexLock lock(mutex);
      stop = true;
      failure = std::move(status).error();
      return;
    }
    for (size_t i = begin; i < end; ++i) {
      std::copy_n(rows.begin() + static_cast<std::ptrdiff_t>((i - begin) * dimension), dimension,
                  result.values.begin() + static_cast<std::ptrdiff_t>(order[i] * dimension));
    }
  });
  if (failure) return std::unexpected(std::move(*failure).with_context(info_.name));
  if (options.cancel != nullptr) HR_TRY(options.cancel->check());
  return result;
}

}  // namespace

Result<std::shared_ptr<const VectorModel>> load_onnx_model(const std::string& file) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error)) {
    return fail(ErrorCode::not_found, "model onnx:" + file + ": no such file",
                "give the path of an .onnx file");
  }
  HR_ASSIGN(auto runtime, embed::OnnxRuntime::load(package_paths()));
  HR_ASSIGN(auto encoder, embed::OnnxEncoder::load(file, std::move(runtime)));
  HR_ASSIGN(auto tokenizer, Tokenizer::load(encoder->config_folder()));
  const std::string name = std::filesystem::absolute(file, error).string();
  return std::make_shared<const OnnxModel>(std::move(tokenizer), std::move(encoder),
                                           error ? file : name);
}

}  // namespace headrace
