#include "embed/onnx_encoder.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "base/hash.h"
#include "embed/pooling.h"
#include "env/file_system.h"

namespace headrace::embed {

namespace {

namespace fs = std::filesystem;

bool exists(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

// The folder with tokenizer.json: the file's own, or the one above it.
std::optional<std::string> settings_folder(const std::string& file) {
  std::error_code error;
  const fs::path folder = fs::absolute(file, error).parent_path();
  for (const fs::path& candidate : {folder, folder.parent_path()}) {
    if (exists((candidate / "tokenizer.json").string())) return candidate.string();
  }
  return std::nullopt;
}

// A whole number of a JSON file; nothing where file or field is not there.
std::optional<uint64_t> number_in(const std::string& path, const char* field) {
  const auto text = read_small_file(path);
  if (!text) return std::nullopt;
  simdjson::dom::parser parser;
  simdjson::dom::element json;
  double number = 0;
  if (parser.parse(simdjson::padded_string(*text)).get(json) != simdjson::SUCCESS ||
      json[field].get(number) != simdjson::SUCCESS || !(number >= 0 && number < 1e9))
    return std::nullopt;
  return static_cast<uint64_t>(number);
}

}  // namespace

Result<std::unique_ptr<const OnnxEncoder>> OnnxEncoder::load(
    const std::string& file, std::shared_ptr<const OnnxRuntime> runtime) {
  if (!exists(file)) {
    return fail(ErrorCode::not_found, fmt::format("model onnx:{}: no such file", file),
                "give the path of an .onnx file");
  }
  auto encoder = std::make_unique<OnnxEncoder>();
  const auto folder = settings_folder(file);
  if (!folder) {
    return fail(ErrorCode::not_found,
                fmt::format("model onnx:{}: no tokenizer.json beside it or one folder up", file),
                "put the model's tokenizer.json beside the .onnx file");
  }
  encoder->folder_ = *folder;
  encoder->runtime_ = std::move(runtime);
  auto session = encoder->runtime_->open(file);
  if (!session) return std::unexpected(std::move(session).error().with_context(file));
  encoder->session_ = std::move(*session);
  HR_TRY(encoder->choose_ports(file));
  HR_TRY(encoder->read_settings());
  HR_TRY(encoder->read_fingerprint(file));
  return encoder;
}

Status OnnxEncoder::choose_ports(const std::string& file) {
  for (const OnnxPort& port : session_->inputs()) {
    if (port.type != OnnxType::int64 && port.type != OnnxType::int32) {
      return fail(ErrorCode::unsupported,
                  fmt::format("{}: its input \"{}\" takes no whole numbers", file, port.name),
                  "a text model takes input_ids, attention_mask and token_type_ids");
    }
    if (port.name == "input_ids") {
      inputs_.push_back(Input::ids);
    } else if (port.name == "attention_mask") {
      inputs_.push_back(Input::mask);
    } else if (port.name == "token_type_ids") {
      inputs_.push_back(Input::types);
    } else if (port.name == "position_ids") {
      inputs_.push_back(Input::positions);
    } else {
      return fail(ErrorCode::unsupported,
                  fmt::format("{}: its input \"{}\" is not known", file, port.name),
                  "a text model takes input_ids, attention_mask and token_type_ids");
    }
  }
  // One vector a text before one a token; the first of a kind that a graph names.
  for (const size_t rank : {size_t{2}, size_t{3}}) {
    for (const OnnxPort& port : session_->outputs()) {
      const bool is_float = port.type == OnnxType::float32 || port.type == OnnxType::float16;
      if (!output_.empty() || !is_float || port.shape.size() != rank) continue;
      // BERT's pooler is no sentence vector.
      if (rank == 2 && port.name.contains("pooler")) continue;
      output_ = port.name;
    }
  }
  if (output_.empty()) {
    return fail(ErrorCode::unsupported,
                fmt::format("{}: none of its outputs is a vector a token or a text", file),
                "export it with last_hidden_state or sentence_embedding");
  }
  const std::vector<std::vector<int64_t>> probe(inputs_.size(), std::vector<int64_t>(1, 1));
  auto answer = session_->run(probe, 1, 1, output_);
  if (!answer) return std::unexpected(std::move(answer).error().with_context(file));
  const int64_t dimension = answer->shape.empty() ? 0 : answer->shape.back();
  constexpr int64_t kDimensionMax = 1 << 16;
  if (dimension < 1 || dimension > kDimensionMax)
    return fail(ErrorCode::unsupported, fmt::format("{}: its vectors are empty", file));
  dimension_ = static_cast<uint32_t>(dimension);
  return {};
}

Status OnnxEncoder::read_settings() {
  for (const auto& [name, field] : {std::pair{"/sentence_bert_config.json", "max_seq_length"},
                                    std::pair{"/tokenizer_config.json", "model_max_length"},
                                    std::pair{"/config.json", "max_position_embeddings"}}) {
    if (const auto limit = number_in(folder_ + name, field); limit && *limit > 0) {
      tokens_max_ = static_cast<uint32_t>(std::min<uint64_t>(*limit, 1U << 20));
      break;
    }
  }
  if (const auto padding = number_in(folder_ + "/config.json", "pad_token_id"))
    padding_ = static_cast<int32_t>(*padding);
  const std::string path = folder_ + "/modules.json";
  const auto text = read_small_file(path);
  if (!text) return {};
  simdjson::dom::parser parser;
  simdjson::dom::array modules;
  if (parser.parse(simdjson::padded_string(*text)).get(modules) != simdjson::SUCCESS)
    return fail(ErrorCode::damaged, path + " is not a JSON list of modules");
  for (const simdjson::dom::element module : modules) {
    std::string_view type;
    std::string_view folder;
    if (module["type"].get(type) != simdjson::SUCCESS ||
        module["path"].get(folder) != simdjson::SUCCESS)
      return fail(ErrorCode::damaged, path + ": a module has no type or no path");
    if (type.ends_with("Normalize")) normalize_ = true;
    if (!type.ends_with("Pooling") || folder.contains("..") || folder.starts_with('/')) continue;
    const std::string pooling_path = fmt::format("{}/{}/config.json", folder_, folder);
    HR_ASSIGN(const std::string pooling, read_small_file(pooling_path));
    ModelConfig config;
    config.hidden = dimension_;
    HR_TRY(parse_pooling(pooling, pooling_path, config));
    if (!config.joined.empty())
      return refused_model(pooling_path,
                           "several pooling modes are joined, which is not implemented "
                           "for ONNX models");
    pooling_ = config.pooling;
  }
  return {};
}

Status OnnxEncoder::read_fingerprint(const std::string& file) {
  Hasher128 hasher;
  // Weights may lie beside the graph.
  for (const std::string& path : {file, file + "_data", file + ".data"}) {
    if (path != file && !exists(path)) continue;
    HR_ASSIGN(const auto mapped, FileSystem::real().map(path));
    hasher.update(mapped->bytes());
    mapped->forget(0, mapped->bytes().size());
  }
  const auto tokenizer = read_small_file(folder_ + "/tokenizer.json");
  if (tokenizer) hasher.update(*tokenizer);
  hasher.update(fmt::format("onnx|{}|{}|{}", output_, static_cast<int>(pooling_), normalize_));
  fingerprint_ = hasher.digest().hex();
  return {};
}

Status OnnxEncoder::embed(std::span<const std::span<const int32_t>> sequences,
                          std::span<float> out) const {
  size_t longest = 1;
  for (const auto& ids : sequences) longest = std::max(longest, ids.size());
  const size_t rows = sequences.size();
  std::vector<std::vector<int64_t>> inputs(inputs_.size());
  for (size_t i = 0; i < inputs_.size(); ++i) {
    std::vector<int64_t>& values = inputs[i];
    values.assign(rows * longest, inputs_[i] == Input::ids ? padding_ : 0);
    for (size_t row = 0; row < rows; ++row) {
      for (size_t t = 0; t < sequences[row].size(); ++t) {
        int64_t& value = values[row * longest + t];
        if (inputs_[i] == Input::ids) value = sequences[row][t];
        if (inputs_[i] == Input::mask) value = 1;
        if (inputs_[i] == Input::positions) value = static_cast<int64_t>(t);
      }
    }
  }
  HR_ASSIGN(const OnnxTensor tensor, session_->run(inputs, static_cast<int64_t>(rows),
                                                   static_cast<int64_t>(longest), output_));
  const bool per_token = tensor.shape.size() == 3;
  const size_t row_values = (per_token ? longest : 1) * dimension_;
  if (tensor.values.size() != rows * row_values) {
    return fail(ErrorCode::damaged,
                fmt::format("the graph's output \"{}\" has not the shape it should have", output_));
  }
  for (size_t row = 0; row < rows; ++row) {
    const std::span<float> to = out.subspan(row * dimension_, dimension_);
    const float* from = tensor.values.data() + row * row_values;
    if (sequences[row].empty()) {  // a tokenizer without special tokens gives nothing for ""
      std::ranges::fill(to, 0.0F);
      continue;
    }
    if (per_token) {
      pool(pooling_, {.rows = from, .stride = dimension_, .count = sequences[row].size()}, to);
    } else {
      std::copy_n(from, dimension_, to.begin());
    }
    if (normalize_) normalize(to);
    for (const float value : to) {
      if (!std::isfinite(value))
        return fail(ErrorCode::damaged, "the ONNX model gave a vector that is not finite");
    }
  }
  return {};
}

}  // namespace headrace::embed
