// Models that are broken in every way, and what their files of settings may say.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <initializer_list>
#include <limits>
#include <string>
#include <vector>

#include "embed/encoder.h"
#include "embed/pooling.h"
#include "embed/test_model.h"

namespace headrace::embed {
namespace {

std::string load_error(const TestShape& shape, const TestTensors& tensors,
                       const std::function<void(const TemporaryFolder&)>& change = {}) {
  const TemporaryFolder folder;
  write_model(folder, shape, tensors);
  if (change) change(folder);
  const auto encoder = Encoder::load(files_of(folder));
  return encoder ? "loaded" : encoder.error().text();
}

void expect_mentions(const std::string& message, std::initializer_list<const char*> words) {
  for (const char* word : words) EXPECT_NE(message.find(word), std::string::npos) << message;
}

class DamagedTensors : public testing::TestWithParam<Family> {};

INSTANTIATE_TEST_SUITE_P(All, DamagedTensors,
                         testing::Values(Family::bert, Family::nomic, Family::modernbert,
                                         Family::gte),
                         [](const auto& param) { return std::string(family_name(param.param)); });

TEST_P(DamagedTensors, EveryOneIsNeededAndChecked) {
  const TestShape shape{.family = GetParam(), .layers = 1};
  const TestTensors tensors = random_tensors(shape);
  for (const auto& [name, tensor] : tensors) {
    const std::string quoted = "\"" + name + "\"";
    TestTensors changed = tensors;
    changed.erase(name);
    expect_mentions(load_error(shape, changed), {quoted.c_str(), "missing"});
    changed = tensors;
    changed.at(name).values.back() = std::numeric_limits<float>::quiet_NaN();
    expect_mentions(load_error(shape, changed), {quoted.c_str(), "nan"});
    changed = tensors;
    changed.at(name).shape.push_back(1);
    expect_mentions(load_error(shape, changed), {quoted.c_str(), "shape", "config.json asks for"});
  }
}

TEST(DamagedModel, WeightsBeyondHalfPrecisionAreRefused) {
  const TestShape shape;
  TestTensors tensors = random_tensors(shape);
  tensors.at("encoder.layer.0.output.dense.weight").values[5] = 70000;
  expect_mentions(load_error(shape, tensors),
                  {"encoder.layer.0.output.dense.weight", "beyond 65504", "--precision int16"});
  const TemporaryFolder folder;
  write_model(folder, shape, tensors);
  EXPECT_TRUE(Encoder::load(files_of(folder), Precision::int16));
}

TEST(DamagedModel, TruncatedAndMissingFilesAreNamed) {
  const TestShape shape;
  const TestTensors tensors = random_tensors(shape);
  const std::string bytes = safetensors_bytes(tensors);
  for (const size_t size :
       {size_t{0}, size_t{7}, size_t{100}, bytes.size() / 2, bytes.size() - 1}) {
    expect_mentions(load_error(shape, tensors,
                               [&](const TemporaryFolder& f) {
                                 f.write("model.safetensors", bytes.substr(0, size));
                               }),
                    {"model.safetensors"});
  }
  TemporaryFolder empty;
  expect_mentions(Encoder::load(files_of(empty)).error().text(), {"config.json", "no such file"});
}

TEST(DamagedModel, ConfigurationsThatWouldChangeVectorsAreRefusedByName) {
  const TestShape shape;
  const TestTensors tensors = random_tensors(shape);
  const auto with_config = [&](const std::string& from, const std::string& to) {
    std::string json = config_json(shape);
    const size_t at = json.find(from);
    EXPECT_NE(at, std::string::npos);
    json.replace(at, from.size(), to);
    return load_error(shape, tensors,
                      [&](const TemporaryFolder& f) { f.write("config.json", json); });
  };
  expect_mentions(with_config("\"bert\"", "\"gpt2\""),
                  {"config.json", "\"gpt2\"", "headrace models"});
  expect_mentions(with_config("\"gelu\"", "\"mish\""), {"hidden_act", "mish"});
  expect_mentions(with_config("\"gelu\"", "7"), {"hidden_act", "not a string"});
  expect_mentions(with_config("\"vocab_size\":50", "\"vocab_size\":-1"), {"vocab_size"});
  expect_mentions(with_config("\"vocab_size\":50", "\"vocab_size\":60"), {"word_embeddings"});
  expect_mentions(with_config("\"hidden_size\":48", "\"hidden_size\":0"), {"hidden_size"});
  expect_mentions(with_config("\"hidden_size\":48", "\"hidden\":48"), {"hidden_size", "missing"});
  expect_mentions(with_config("\"num_attention_heads\":4", "\"num_attention_heads\":5"),
                  {"48", "5 heads"});
  expect_mentions(with_config("1e-6", "-3"), {"layer_norm_eps"});
  expect_mentions(with_config("{", "{\"position_embedding_type\":\"relative_key\","),
                  {"position_embedding_type", "relative_key"});
  expect_mentions(with_config("{", "{\"is_decoder\":true,"), {"is_decoder"});
  expect_mentions(with_config("{", "{\"quantization_config\":{},"), {"quantized"});
  expect_mentions(with_config("{", "{{"), {"config.json", "not JSON"});
  expect_mentions(with_config("\"bert\"", "\"nomic_bert\""), {"emb_ln", "missing"});
  expect_mentions(with_config("\"bert\"", "\"modernbert\""), {"tok_embeddings", "missing"});
  expect_mentions(
      with_config("{\"model_type\":\"bert\"", "{\"layer_types\":[],\"model_type\":\"modernbert\""),
      {"layer_types"});
  expect_mentions(with_config("{\"model_type\":\"bert\"",
                              "{\"rope_scaling\":{\"type\":\"yarn\"},\"model_type\":\"new\""),
                  {"\"type\"", "yarn"});
  expect_mentions(with_config("{\"model_type\":\"bert\"",
                              "{\"layer_norm_type\":\"rms_norm\",\"model_type\":\"new\""),
                  {"layer_norm_type", "rms_norm"});
  expect_mentions(with_config("\"num_hidden_layers\":2", "\"num_hidden_layers\":3"),
                  {"encoder.layer.2", "missing"});
}

TEST(DamagedModel, ModulesThatWouldChangeVectorsAreRefusedByName) {
  const TestShape shape;
  const TestTensors tensors = random_tensors(shape);
  const auto with_modules = [&](const std::string& modules, const std::string& pooling) {
    return load_error(shape, tensors, [&](const TemporaryFolder& f) {
      f.write("modules.json", modules);
      if (!pooling.empty()) f.write("1_Pooling/config.json", pooling);
    });
  };
  const std::string start = R"([{"type":"s.Transformer","path":""},)";
  const std::string both = start + R"({"type":"s.Pooling","path":"1_Pooling"})";
  EXPECT_EQ(with_modules(both + "]", R"({"pooling_mode":"cls"})"), "loaded");
  EXPECT_EQ(with_modules(both + R"(,{"type":"s.Normalize","path":"2_Normalize"}])", "{}"),
            "loaded");
  expect_mentions(with_modules(both + "]", ""), {"1_Pooling/config.json"});
  expect_mentions(with_modules(both + R"(,{"type":"s.Dense","path":"2_Dense"}])", "{}"),
                  {"2_Dense/config.json", "no such file"});
  expect_mentions(with_modules(both + R"(,{"type":"s.LSTM","path":"2_LSTM"}])", "{}"),
                  {"modules.json", "s.LSTM"});
  expect_mentions(with_modules(start + R"({"type":"s.Pooling","path":"../../etc"}])", ""),
                  {"leaves the model's folder"});
  expect_mentions(with_modules("{}", ""), {"modules.json"});
  expect_mentions(with_modules("[]", ""), {"no pooling"});
  expect_mentions(with_modules(both + "]", R"({"pooling_mode":"magic"})"), {"magic"});
  expect_mentions(with_modules(both + "]", R"({"pooling_mode":["cls","magic"]})"), {"magic"});
  expect_mentions(with_modules(both + "]", R"({"pooling_mode":{}})"), {"a list of them"});
  expect_mentions(with_modules(both + "]", R"({"word_embedding_dimension":3})"), {"3", "48"});
  EXPECT_EQ(with_modules(both + "]", R"({"include_prompt":false})"), "loaded");
  expect_mentions(with_modules(both + "]", R"({"include_prompt":3})"), {"include_prompt"});
}

// --- settings ------------------------------------------------------------------------------------

TEST(ModelConfig, ReadsLimitsAndPrompts) {
  const TestShape shape;
  const TemporaryFolder folder;
  write_model(folder, shape, random_tensors(shape));
  const auto read = [&] {
    const auto config = read_model_config(folder.path());
    EXPECT_TRUE(config) << config.error().text();
    return config ? *config : ModelConfig{};
  };
  EXPECT_EQ(read().tokens_max, 70u);
  folder.write("tokenizer_config.json", R"({"model_max_length":1000000000000000019884624838656})");
  EXPECT_EQ(read().tokens_max, 70u);
  folder.write("tokenizer_config.json", R"({"model_max_length":60})");
  EXPECT_EQ(read().tokens_max, 60u);
  folder.write("sentence_bert_config.json", R"({"max_seq_length":40,"do_lower_case":false})");
  EXPECT_EQ(read().tokens_max, 40u);
  EXPECT_EQ(read().query_prompt, "");
  folder.write("config_sentence_transformers.json",
               R"({"prompts":{"query":"q: ","document":"d: "},"default_prompt_name":null})");
  EXPECT_EQ(read().query_prompt, "q: ");
  EXPECT_EQ(read().passage_prompt, "d: ");
  folder.write("config_sentence_transformers.json",
               R"({"prompts":{"both":"b: "},"default_prompt_name":"both"})");
  EXPECT_EQ(read().query_prompt, "b: ");
  EXPECT_EQ(read().passage_prompt, "b: ");
  EXPECT_EQ(read().plain_prompt, "b: ");
  EXPECT_FALSE(read().lower_cases);
  folder.write("sentence_bert_config.json", R"({"do_lower_case":true})");
  EXPECT_TRUE(read().lower_cases);
  folder.write("sentence_bert_config.json", R"({"max_seq_length":0})");
  EXPECT_FALSE(read_model_config(folder.path()));
}

TEST(Pooling, FollowsEachDefinition) {
  // Three tokens of two columns, in rows of three floats.
  const float rows[] = {1, -4, 9, 3, 2, 9, 5, -1, 9};
  const auto pooled = [&](Pooling pooling, size_t skipped = 0) {
    std::vector<float> out(2);
    pool(pooling, {.rows = rows, .stride = 3, .count = 3, .skipped = skipped}, out);
    return out;
  };
  EXPECT_EQ(pooled(Pooling::mean), (std::vector<float>{3, -1}));
  EXPECT_EQ(pooled(Pooling::cls), (std::vector<float>{1, -4}));
  EXPECT_EQ(pooled(Pooling::last), (std::vector<float>{5, -1}));
  EXPECT_EQ(pooled(Pooling::max), (std::vector<float>{5, 2}));
  EXPECT_NEAR(pooled(Pooling::mean_sqrt_length)[0], 9 / std::sqrt(3.0), 1e-5);
  EXPECT_NEAR(pooled(Pooling::weighted_mean)[1], (-4 + 4 - 3) / 6.0, 1e-6);
  // A prompt of one token; then one that takes all there is.
  EXPECT_EQ(pooled(Pooling::mean, 1), (std::vector<float>{4, 0.5}));
  EXPECT_EQ(pooled(Pooling::cls, 1), (std::vector<float>{3, 2}));
  EXPECT_EQ(pooled(Pooling::cls, 3), (std::vector<float>{1, -4}));
  EXPECT_EQ(pooled(Pooling::last, 1), (std::vector<float>{5, -1}));
  EXPECT_EQ(pooled(Pooling::max, 2), (std::vector<float>{5, -1}));
  EXPECT_NEAR(pooled(Pooling::mean_sqrt_length, 1)[0], 8 / std::sqrt(2.0), 1e-5);
  EXPECT_NEAR(pooled(Pooling::weighted_mean, 1)[1], (4 - 3) / 5.0, 1e-6);
  for (const Pooling each : {Pooling::mean, Pooling::max, Pooling::weighted_mean, Pooling::last})
    EXPECT_EQ(pooled(each, 3), (std::vector<float>{0, 0}));
  std::vector<float> vector{3, 4};
  normalize(vector);
  EXPECT_FLOAT_EQ(vector[0], 0.6f);
  std::vector<float> zero{0, 0};
  normalize(zero);
  EXPECT_EQ(zero, (std::vector<float>{0, 0}));
}

}  // namespace
}  // namespace headrace::embed
