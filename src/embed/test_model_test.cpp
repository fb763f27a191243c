#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/check.h"
#include "embed/kernels.h"
#include "embed/test_family.h"
#include "embed/test_model.h"

namespace headrace::embed {

TemporaryFolder::TemporaryFolder() {
  std::string pattern = testing::TempDir() + "headrace_embed_XXXXXX";
  HR_CHECK(::mkdtemp(pattern.data()) != nullptr, "a temporary folder can be made");
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

void TemporaryFolder::write(std::string_view name, std::string_view text) const {
  const std::filesystem::path path = std::filesystem::path(path_) / name;
  std::filesystem::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  HR_CHECK(file.good(), "the test can write its file");
}

std::string safetensors_bytes(const TestTensors& tensors) {
  std::string header = "{";
  std::string data;
  for (const auto& [name, tensor] : tensors) {
    const size_t begin = data.size();
    for (const float value : tensor.values) {
      const uint32_t bits = std::bit_cast<uint32_t>(value);
      char bytes[4];
      if (tensor.type == "F32") {
        std::memcpy(bytes, &bits, 4);
        data.append(bytes, 4);
      } else {
        const uint16_t half =
            tensor.type == "F16" ? to_half(value) : static_cast<uint16_t>(bits >> 16);
        std::memcpy(bytes, &half, 2);
        data.append(bytes, 2);
      }
    }
    header += fmt::format(R"({}"{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                          header.size() > 1 ? "," : "", name, tensor.type,
                          fmt::join(tensor.shape, ","), begin, data.size());
  }
  header += "}";
  std::string bytes;
  for (int i = 0; i < 8; ++i)
    bytes += static_cast<char>(static_cast<uint64_t>(header.size()) >> (8 * i) & 0xff);
  return bytes + header + data;
}

TestTensors random_tensors(const TestShape& shape) {
  TestTensors tensors;
  std::mt19937_64 random(shape.seed);
  std::normal_distribution<float> normal;
  const auto add = [&](const std::string& name, std::vector<uint64_t> sizes, float spread,
                       float middle = 0) {
    TestTensor tensor{shape.type, std::move(sizes), {}};
    uint64_t count = 1;
    for (const uint64_t size : tensor.shape) count *= size;
    tensor.values.resize(count);
    for (float& value : tensor.values) {
      value = from_half(to_half(middle + spread * normal(random)));
      // Coarser still, so that BF16 holds it exactly too.
      value = std::bit_cast<float>(std::bit_cast<uint32_t>(value) & 0xffff0000u);
    }
    tensors[shape.prefix + name] = std::move(tensor);
  };
  const TestFamily family = test_family(shape.family);
  const auto norm = [&](const std::string& name) {
    add(name + ".weight", {shape.hidden}, 0.2f, 1.0f);
    if (family.norm_bias) add(name + ".bias", {shape.hidden}, 0.2f);
  };
  const auto linear = [&](const std::string& name, uint64_t outputs, uint64_t inputs, bool bias) {
    add(name + ".weight", {outputs, inputs}, 1.5f / std::sqrt(static_cast<float>(inputs)));
    if (bias) add(name + ".bias", {outputs}, 0.2f);
  };
  const uint64_t hidden = shape.hidden;
  const uint64_t inner = shape.intermediate;
  add(family.words, {shape.vocabulary, hidden}, 0.5f);
  if (family.position_table)
    add("embeddings.position_embeddings.weight", {shape.positions, hidden}, 0.3f);
  if (family.types > 0)
    add("embeddings.token_type_embeddings.weight", {family.types, hidden}, 0.3f);
  if (shape.family == Family::mpnet)
    add("encoder.relative_attention_bias.weight", {32, shape.heads}, 1.0f);
  norm(family.embedding_norm);
  for (uint32_t i = 0; i < shape.layers; ++i) {
    const std::string layer = fmt::format(fmt::runtime(family.layer), i);
    for (const std::string& part : family.projection)
      linear(layer + part, 3 * hidden / family.projection.size(), hidden, family.attention_bias);
    linear(layer + family.attention_output, hidden, hidden, family.attention_bias);
    const uint64_t up = (family.gated ? 2 : 1) * inner / family.up.size();
    for (const std::string& part : family.up) linear(layer + part, up, hidden, family.up_bias);
    linear(layer + family.down, hidden, inner, family.down_bias);
    if (i > 0 || family.first_norm) norm(layer + family.attention_norm);
    norm(layer + family.output_norm);
  }
  if (!family.final_norm.empty()) norm(family.final_norm);
  return tensors;
}

std::string config_json(const TestShape& shape) {
  if (shape.family == Family::distilbert) {
    return fmt::format(
        R"({{"model_type":"distilbert","dim":{},"n_layers":{},"n_heads":{},"hidden_dim":{},)"
        R"("vocab_size":{},"max_position_embeddings":{},"activation":"gelu"}})",
        shape.hidden, shape.layers, shape.heads, shape.intermediate, shape.vocabulary,
        shape.positions);
  }
  if (shape.family == Family::nomic) {
    return fmt::format(
        R"({{"model_type":"nomic_bert","n_embd":{},"n_layer":{},"n_head":{},"n_inner":{},)"
        R"("vocab_size":{},"n_positions":{},"activation_function":"swiglu",)"
        R"("layer_norm_epsilon":1e-6,"qkv_proj_bias":false,"mlp_fc1_bias":false,)"
        R"("mlp_fc2_bias":false,"rotary_emb_fraction":1.0,"rotary_emb_base":1000,)"
        R"("type_vocab_size":2}})",
        shape.hidden, shape.layers, shape.heads, shape.intermediate, shape.vocabulary,
        shape.positions);
  }
  const std::string sizes =
      fmt::format(R"("hidden_size":{},"num_hidden_layers":{},"num_attention_heads":{},)"
                  R"("intermediate_size":{},"vocab_size":{},"max_position_embeddings":{})",
                  shape.hidden, shape.layers, shape.heads, shape.intermediate, shape.vocabulary,
                  shape.positions);
  if (shape.family == Family::modernbert) {
    return fmt::format(R"({{"model_type":"modernbert",{},"hidden_activation":"gelu",)"
                       R"("norm_eps":1e-6,"global_rope_theta":160000.0,"local_rope_theta":10000.0,)"
                       R"("local_attention":20,"global_attn_every_n_layers":3}})",
                       sizes);
  }
  if (shape.family == Family::gte) {
    return fmt::format(
        R"({{"model_type":"new",{},"hidden_act":"gelu","layer_norm_eps":1e-6,)"
        R"("type_vocab_size":2,"rope_theta":500000,"position_embedding_type":"rope",)"
        R"("rope_scaling":{{"type":"ntk","factor":2.0}}}})",
        sizes);
  }
  return fmt::format(R"({{"model_type":"{}",{},"hidden_act":"gelu","layer_norm_eps":1e-6,)"
                     R"("type_vocab_size":{}{}}})",
                     family_name(shape.family), sizes, shape.family == Family::bert ? 2 : 1,
                     shape.family == Family::bert ? "" : R"(,"pad_token_id":1)");
}

void write_model(const TemporaryFolder& folder, const TestShape& shape,
                 const TestTensors& tensors) {
  folder.write("config.json", config_json(shape));
  folder.write("tokenizer.json", "{}");
  folder.write("model.safetensors", safetensors_bytes(tensors));
}

ModelFiles files_of(const TemporaryFolder& folder) {
  return {"test", folder.path(), "directory"};
}

}  // namespace headrace::embed
