#include "embed/static_distill.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <optional>

#include "base/hash.h"
#include "base/mutex.h"
#include "embed/model_config.h"
#include "embed/principal_axes.h"
#include "embed/weight_files.h"

namespace headrace::embed {
namespace {

constexpr int kRecipe = 1;
// A token of probability p weighs kRare / (kRare + p): rare ones 1, "the" next to nothing.
constexpr double kRare = 1e-4;
constexpr size_t kLanes = 16;      // inner loops work on this many numbers at a time
constexpr size_t kBlockRows = 24;  // rows of the covariance matrix made by one task

// The encoder's vector of each used token, as halves, rows padded to whole lanes.
struct TokenVectors {
  size_t count = 0;
  size_t dimension = 0;
  size_t stride = 0;
  std::vector<Half> values;
  const Half* row(size_t i) const { return values.data() + i * stride; }
  Half* row(size_t i) { return values.data() + i * stride; }
};

Status embed_vocabulary(const Encoder& encoder, const DistillVocabulary& vocabulary,
                        const std::vector<int32_t>& ids, ThreadPool& pool,
                        const CancelToken* cancel, TokenVectors& out) {
  const size_t length = vocabulary.before.size() + 1 + vocabulary.after.size();
  const size_t per_tile = std::max<size_t>(1, encoder.tile_tokens() / length);
  const size_t tiles = (ids.size() + per_tile - 1) / per_tile;
  Mutex mutex;
  std::optional<Error> failure;
  std::atomic<bool> failed = false;
  const Kernels& table = kernels();
  // A scratch for each share of the tiles, so that none is made for every tile.
  const size_t shares = std::min(tiles, pool.size() + 1);
  std::atomic<size_t> next = 0;
  pool.parallel_for(shares, [&](size_t) {
    const Encoder::ScratchPtr scratch = encoder.new_scratch();
    std::vector<int32_t> tokens;
    std::vector<std::span<const int32_t>> sequences;
    std::vector<float> vectors;
    const std::vector<float> zeros(out.stride, 0.0f);
    std::vector<float> padded(out.stride, 0.0f);
    for (size_t tile = next++; tile < tiles && !failed; tile = next++) {
      Status status;
      if (cancel != nullptr) status = cancel->check();
      const size_t begin = tile * per_tile;
      const size_t count = std::min(per_tile, ids.size() - begin);
      tokens.clear();
      for (size_t i = 0; i < count; ++i) {
        tokens.insert(tokens.end(), vocabulary.before.begin(), vocabulary.before.end());
        tokens.push_back(ids[begin + i]);
        tokens.insert(tokens.end(), vocabulary.after.begin(), vocabulary.after.end());
      }
      sequences.clear();
      for (size_t i = 0; i < count; ++i)
        sequences.push_back(std::span<const int32_t>(tokens).subspan(i * length, length));
      vectors.resize(count * out.dimension);
      if (status) status = encoder.embed(sequences, vectors, *scratch);
      if (!status) {
        MutexLock lock(mutex);
        failed = true;
        failure = std::move(status).error();
        return;
      }
      for (size_t i = 0; i < count; ++i) {
        std::copy_n(vectors.begin() + static_cast<std::ptrdiff_t>(i * out.dimension), out.dimension,
                    padded.begin());
        table.narrow(padded.data(), out.row(begin + i), out.stride);
      }
    }
  });
  if (failure) return std::unexpected(std::move(*failure));
  return {};
}

std::vector<float> mean_of(const TokenVectors& vectors) {
  std::vector<double> sums(vectors.stride, 0.0);
  for (size_t i = 0; i < vectors.count; ++i) {
    for (size_t j = 0; j < vectors.dimension; ++j) sums[j] += from_half(vectors.row(i)[j]);
  }
  std::vector<float> mean(vectors.stride, 0.0f);
  for (size_t j = 0; j < vectors.dimension; ++j)
    mean[j] = static_cast<float>(sums[j] / static_cast<double>(std::max<size_t>(1, vectors.count)));
  return mean;
}

// Both triangles of the covariance matrix. Each task makes some rows of it from all vectors, so
// nothing depends on the order of tasks.
std::vector<double> covariance(const TokenVectors& vectors, const std::vector<float>& mean,
                               ThreadPool& pool) {
  const size_t n = vectors.dimension;
  const size_t stride = vectors.stride;
  std::vector<double> matrix(n * n, 0.0);
  std::vector<float> negative(stride);
  for (size_t j = 0; j < stride; ++j) negative[j] = -mean[j];
  pool.parallel_for((n + kBlockRows - 1) / kBlockRows, [&](size_t block) {
    const size_t begin = block * kBlockRows;
    const size_t end = std::min(n, begin + kBlockRows);
    const size_t from = begin / kLanes * kLanes;  // only the upper triangle
    std::vector<float> sums((end - begin) * stride, 0.0f);
    std::vector<float> x(stride);
    for (size_t i = 0; i < vectors.count; ++i) {
      kernels().widen_add(vectors.row(i) + from, negative.data() + from, x.data() + from,
                          stride - from);
      for (size_t row = begin; row < end; ++row) {
        float* const sum = sums.data() + (row - begin) * stride;
        const float factor = x[row];
        for (size_t j = from; j < stride; j += kLanes) {
          for (size_t lane = 0; lane < kLanes; ++lane) sum[j + lane] += factor * x[j + lane];
        }
      }
    }
    for (size_t row = begin; row < end; ++row) {
      for (size_t j = row; j < n; ++j)
        matrix[row * n + j] = matrix[j * n + row] = sums[(row - begin) * stride + j];
    }
  });
  return matrix;
}

// How common the i-th most common of `count` tokens is, and what it weighs for that.
std::vector<float> frequency_weights(size_t count) {
  double all = 0;
  for (size_t rank = 0; rank < count; ++rank) all += 1.0 / static_cast<double>(rank + 2);
  std::vector<float> weights(count);
  for (size_t rank = 0; rank < count; ++rank) {
    const double probability = 1.0 / (static_cast<double>(rank + 2) * all);
    weights[rank] = static_cast<float>(kRare / (kRare + probability));
  }
  return weights;
}

}  // namespace

Result<std::string> distill_identity(const ModelFiles& files) {
  Hasher128 hasher;
  HR_ASSIGN(std::vector<std::string> names, weight_files(files.directory));
  names.insert(names.end(),
               {"tokenizer.json", "config.json", "modules.json", "1_Pooling/config.json"});
  HR_ASSIGN(const ModelConfig config, read_model_config(files.directory));
  for (const DenseConfig& dense : config.dense) {
    names.push_back(dense.folder + "/config.json");
    names.push_back(dense.folder + "/model.safetensors");
  }
  for (const std::string& name : names) {
    const auto file = FileSystem::real().open(files.directory + "/" + name);
    hasher.update(fmt::format("|{}|{}|", name, file ? (*file)->size() : 0));
    if (!file) {
      if (file.error().code() == ErrorCode::not_found) continue;
      return std::unexpected(file.error());
    }
    constexpr uint64_t kPiece = 1 << 22;
    for (uint64_t at = 0; at < (*file)->size(); at += kPiece) {
      HR_ASSIGN(const std::string bytes, (*file)->read(at, kPiece));
      hasher.update(bytes);
    }
  }
  return fmt::format("static|{}|{}|{}|{}", kRecipe, kStaticDimension, kRare, hasher.digest().hex());
}

Result<StaticTable> distill_static(const Encoder& encoder, const DistillVocabulary& vocabulary,
                                   ThreadPool& pool, const CancelToken* cancel) {
  std::vector<int32_t> ids;
  for (size_t id = 0; id < vocabulary.used.size(); ++id) {
    if (vocabulary.used[id] != 0) ids.push_back(static_cast<int32_t>(id));
  }
  TokenVectors vectors;
  vectors.count = ids.size();
  vectors.dimension = encoder.info().dimension;
  vectors.stride = round_up(vectors.dimension, kLanes);
  vectors.values.resize(vectors.count * vectors.stride);
  HR_TRY(embed_vocabulary(encoder, vocabulary, ids, pool, cancel, vectors));

  const std::vector<float> mean = mean_of(vectors);
  const PrincipalAxes principal =
      principal_axes(covariance(vectors, mean, pool), vectors.dimension);
  if (cancel != nullptr) HR_TRY(cancel->check());

  StaticTable table;
  table.dimension = static_cast<uint32_t>(std::min<size_t>(kStaticDimension, vectors.dimension));
  table.rows = static_cast<uint32_t>(vocabulary.used.size());
  table.values.resize(size_t{table.rows} * table.dimension);
  table.used = vocabulary.used;
  const size_t width = round_up(table.dimension, kLanes);
  // axes[j]: what component j adds to each kept axis.
  std::vector<float> axes(vectors.dimension * width, 0.0f);
  for (size_t axis = 0; axis < table.dimension; ++axis) {
    for (size_t j = 0; j < vectors.dimension; ++j)
      axes[j * width + axis] = static_cast<float>(principal.axes[axis * vectors.dimension + j]);
  }
  const std::vector<float> weights = frequency_weights(ids.size());
  std::vector<float> negative(vectors.stride);
  for (size_t j = 0; j < negative.size(); ++j) negative[j] = -mean[j];
  constexpr size_t kTokensPerTask = 512;
  pool.parallel_for((ids.size() + kTokensPerTask - 1) / kTokensPerTask, [&](size_t task) {
    std::vector<float> x(vectors.stride);
    std::vector<float> turned(width);
    const size_t end = std::min(ids.size(), (task + 1) * kTokensPerTask);
    for (size_t i = task * kTokensPerTask; i < end; ++i) {
      kernels().widen_add(vectors.row(i), negative.data(), x.data(), vectors.stride);
      std::ranges::fill(turned, 0.0f);
      for (size_t j = 0; j < vectors.dimension; ++j) {
        const float factor = x[j] * weights[i];
        const float* const axis = axes.data() + j * width;
        for (size_t k = 0; k < width; k += kLanes) {
          for (size_t lane = 0; lane < kLanes; ++lane) turned[k + lane] += factor * axis[k + lane];
        }
      }
      // Too large for a half only if the encoder's own numbers were; then the row is left out.
      Half* const row = table.values.data() + static_cast<size_t>(ids[i]) * table.dimension;
      if (!kernels().narrow(turned.data(), row, table.dimension)) {
        std::fill_n(row, table.dimension, Half{0});
        table.used[static_cast<size_t>(ids[i])] = 0;
      }
    }
  });
  return table;
}

}  // namespace headrace::embed
