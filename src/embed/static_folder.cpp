// Static models in Model2Vec's layout.
#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "embed/model_json.h"
#include "embed/safetensors.h"
#include "embed/static_model.h"

namespace headrace::embed {
namespace {

constexpr uint64_t kRowsMax = 1ULL << 24;
constexpr uint64_t kDimensionMax = 4096;
constexpr std::string_view kTensorNames[] = {"embeddings", "embedding.weight"};

std::unexpected<Error> damaged(const std::string& path, std::string_view what) {
  return fail(ErrorCode::damaged, fmt::format("{}: {}", path, what),
              "download or copy the model again");
}

double number_at(std::string_view type, const char* at) {
  const auto as = [&]<typename T>(T value) {
    std::memcpy(&value, at, sizeof(T));
    return static_cast<double>(value);
  };
  if (type == "F64") return as(double{});
  if (type == "F32") return as(float{});
  if (type == "F16") {
    Half half = 0;
    std::memcpy(&half, at, sizeof(half));
    return from_half(half);
  }
  if (type == "BF16") {
    uint16_t high = 0;
    std::memcpy(&high, at, sizeof(high));
    const uint32_t bits = uint32_t{high} << 16;
    float value = 0;
    std::memcpy(&value, &bits, sizeof(value));
    return value;
  }
  if (type == "I64") return as(int64_t{});
  if (type == "I32") return as(int32_t{});
  return as(int8_t{});  // I8
}

size_t width_of(std::string_view type) {
  if (type == "F64" || type == "I64") return 8;
  if (type == "F32" || type == "I32") return 4;
  if (type == "F16" || type == "BF16") return 2;
  return type == "I8" ? 1 : 0;
}

// A whole tensor of any type that Model2Vec writes.
Result<std::vector<float>> read_numbers(const std::string& path, std::string_view name,
                                        const Tensor& tensor, Hasher128& hasher) {
  const size_t width = width_of(tensor.type_name);
  if (width == 0) {
    return fail(ErrorCode::unsupported, fmt::format("{}: tensor \"{}\" is {}, which is not read",
                                                    path, name, tensor.type_name));
  }
  HR_ASSIGN(const auto file, FileSystem::real().open(path));
  std::vector<float> numbers(tensor.count());
  constexpr uint64_t kPiece = 1 << 20;
  for (uint64_t first = 0; first < numbers.size(); first += kPiece) {
    const uint64_t count = std::min<uint64_t>(kPiece, numbers.size() - first);
    HR_ASSIGN(const std::string bytes, file->read(tensor.begin + first * width, count * width));
    if (bytes.size() != count * width) return damaged(path, "the file was cut while it was read");
    hasher.update(bytes);
    for (uint64_t i = 0; i < count; ++i) {
      const double number = number_at(tensor.type_name, bytes.data() + i * width);
      if (!std::isfinite(number)) {
        return damaged(
            path, fmt::format("tensor \"{}\" holds {} at element {}", name, number, first + i));
      }
      numbers[first + i] = static_cast<float>(number);
    }
  }
  return numbers;
}

struct NamedTensor {
  std::string_view name;
  const Tensor* tensor;
};

// The table of vectors: [tokens, dimension].
Result<NamedTensor> table_of(const SafeTensors& file) {
  for (const std::string_view name : kTensorNames) {
    const auto found = file.tensors().find(name);
    if (found == file.tensors().end()) continue;
    const std::vector<uint64_t>& shape = found->second.shape;
    if (shape.size() != 2 || shape[0] == 0 || shape[0] > kRowsMax || shape[1] == 0 ||
        shape[1] > kDimensionMax)
      return damaged(file.path(), fmt::format("tensor \"{}\" is no table of vectors", name));
    return NamedTensor{name, &found->second};
  }
  return damaged(file.path(), "there is no tensor \"embeddings\"");
}

Result<bool> read_normalize(const std::string& directory) {
  const std::string path = directory + "/config.json";
  HR_ASSIGN(const std::string text, read_small_file(path));
  const auto config = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!config.is_object()) return damaged(path, "this is no JSON object");
  const auto normalize = config.find("normalize");
  if (normalize == config.end()) return false;
  if (!normalize->is_boolean()) return damaged(path, "\"normalize\" is neither true nor false");
  return normalize->get<bool>();
}

}  // namespace

bool is_static_folder(const std::string& directory) {
  const auto file = SafeTensors::open(directory + "/model.safetensors");
  if (!file) return false;
  for (const std::string_view name : kTensorNames) {
    if (file->contains(name)) return true;
  }
  return false;
}

Result<uint32_t> static_folder_dimension(const std::string& directory) {
  HR_ASSIGN(const SafeTensors file, SafeTensors::open(directory + "/model.safetensors"));
  HR_ASSIGN(const NamedTensor table, table_of(file));
  return static_cast<uint32_t>(table.tensor->shape[1]);
}

Result<StaticTable> read_static_folder(const ModelFiles& files, std::span<const int32_t> skipped,
                                       std::string& fingerprint) {
  const std::string path = files.directory + "/model.safetensors";
  HR_ASSIGN(const SafeTensors file, SafeTensors::open(path));
  HR_ASSIGN(const NamedTensor found, table_of(file));
  const Tensor* const embeddings = found.tensor;
  const std::string_view name = found.name;
  const std::vector<uint64_t>& shape = embeddings->shape;
  Hasher128 hasher;
  HR_ASSIGN(const std::vector<float> vectors, read_numbers(path, name, *embeddings, hasher));
  std::vector<float> weights;
  std::vector<float> mapping;
  for (const auto& [part, into] : {std::pair{"weights", &weights}, {"mapping", &mapping}}) {
    const auto list = file.tensors().find(part);
    if (list == file.tensors().end()) continue;
    if (list->second.shape.size() != 1 || list->second.shape[0] > kRowsMax)
      return damaged(path, fmt::format("tensor \"{}\" is no list", part));
    HR_ASSIGN(*into, read_numbers(path, part, list->second, hasher));
  }
  StaticTable table;
  table.dimension = static_cast<uint32_t>(shape[1]);
  const size_t tokens = mapping.empty() ? shape[0] : mapping.size();
  if (!weights.empty() && weights.size() != tokens)
    return damaged(path, fmt::format("{} weights for {} tokens", weights.size(), tokens));
  table.rows = static_cast<uint32_t>(tokens);
  HR_ASSIGN(table.normalize, read_normalize(files.directory));
  table.values.resize(tokens * table.dimension);
  table.used.assign(tokens, 1);
  std::vector<float> row(table.dimension);
  for (size_t token = 0; token < tokens; ++token) {
    const double place = mapping.empty() ? static_cast<double>(token) : mapping[token];
    if (place < 0 || place >= static_cast<double>(shape[0]))
      return damaged(path, fmt::format("\"mapping\" leads token {} out of the table", token));
    const float* from = vectors.data() + static_cast<size_t>(place) * table.dimension;
    const float weight = weights.empty() ? 1.0f : weights[token];
    for (size_t i = 0; i < row.size(); ++i) row[i] = from[i] * weight;
    if (!kernels().narrow(row.data(), table.values.data() + token * table.dimension, row.size()))
      return damaged(path, fmt::format("the vector of token {} is too large", token));
  }
  for (const int32_t id : skipped) {
    if (static_cast<size_t>(id) < tokens) table.used[static_cast<size_t>(id)] = 0;
  }
  hasher.update(fmt::format("model2vec|{}|{}|{}", table.dimension, table.rows, table.normalize));
  fingerprint = hasher.digest().hex();
  return table;
}

}  // namespace headrace::embed
