// The whole engine: random models of every family against the textbook in double precision, the
// real model against sentence-transformers, and models that are broken in every way.
#include "embed/encoder.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "embed/encoder_golden.h"
#include "embed/kernels.h"
#include "embed/pooling.h"
#include "embed/test_model.h"
#include "embed/transformer.h"

namespace headrace::embed {
namespace {

using Ids = std::vector<int32_t>;

constexpr std::array kKernelNames = {"scalar", "avx2", "avx512", "avx512vnni", "neon", "neondot"};

std::vector<std::span<const int32_t>> spans_of(const std::vector<Ids>& sequences) {
  return {sequences.begin(), sequences.end()};
}

std::vector<float> embed_all(const Encoder& encoder, const std::vector<Ids>& sequences) {
  std::vector<float> out(sequences.size() * encoder.info().dimension);
  const Encoder::ScratchPtr scratch = encoder.new_scratch();
  const Status status = encoder.embed(spans_of(sequences), out, *scratch);
  EXPECT_TRUE(status) << (status ? "" : status.error().text());
  return out;
}

std::vector<Ids> random_ids(const std::vector<size_t>& lengths, int32_t vocabulary, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<Ids> sequences;
  for (const size_t length : lengths) {
    Ids& ids = sequences.emplace_back(length);
    for (int32_t& id : ids) id = static_cast<int32_t>(random() % static_cast<uint32_t>(vocabulary));
  }
  return sequences;
}

double cosine(std::span<const float> a, std::span<const double> b) {
  double dot = 0;
  double aa = 0;
  double bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    dot += a[i] * b[i];
    aa += static_cast<double>(a[i]) * a[i];
    bb += b[i] * b[i];
  }
  return dot / std::sqrt(aa * bb);
}

struct Case {
  const char* name;
  TestShape shape;
};

class FamilyTest : public testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(
    All, FamilyTest,
    testing::Values(
        Case{"bert", {}}, Case{"bert_prefixed_half", {.prefix = "bert.", .type = "F16", .seed = 2}},
        Case{"bert_bfloat", {.type = "BF16", .seed = 3}},
        Case{"bert_odd_sizes",
             {.hidden = 39, .heads = 3, .intermediate = 777, .vocabulary = 11, .seed = 4}},
        Case{"bert_wide_heads", {.hidden = 128, .heads = 2, .intermediate = 512, .seed = 5}},
        Case{"roberta", {.family = Family::roberta, .seed = 6}},
        Case{"distilbert", {.family = Family::distilbert, .prefix = "distilbert.", .seed = 7}},
        Case{"mpnet", {.family = Family::mpnet, .positions = 220, .seed = 8}}),
    [](const auto& param) { return std::string(param.param.name); });

TEST_P(FamilyTest, MatchesDoublePrecisionWithEveryKernel) {
  const TestShape& shape = GetParam().shape;
  const TestTensors tensors = random_tensors(shape);
  const TemporaryFolder folder;
  write_model(folder, shape, tensors);
  const auto config = read_model_config(folder.path());
  ASSERT_TRUE(config) << config.error().text();
  const std::vector<Ids> sequences =
      random_ids({1, 7, config->tokens_max, 2, 33}, static_cast<int32_t>(shape.vocabulary), 9);
  for (const char* name : kKernelNames) {
    const Kernels* kernels = find_kernels(name);
    if (kernels == nullptr) continue;
    const auto encoder = load_transformer(files_of(folder), *kernels);
    ASSERT_TRUE(encoder) << encoder.error().text();
    EXPECT_EQ((*encoder)->info().kernel, name);
    const std::vector<float> got = embed_all(**encoder, sequences);
    for (size_t s = 0; s < sequences.size(); ++s) {
      const std::vector<double> rows = reference_rows(*config, tensors, shape.prefix, sequences[s]);
      for (size_t d = 0; d < shape.hidden; ++d) {
        double mean = 0;
        for (size_t i = 0; i < sequences[s].size(); ++i) mean += rows[i * shape.hidden + d];
        mean /= static_cast<double>(sequences[s].size());
        EXPECT_NEAR(got[s * shape.hidden + d], mean, 2e-5) << name << " sequence " << s;
      }
    }
  }
}

TEST_P(FamilyTest, LowerPrecisionsStayNear) {
  const TestShape& shape = GetParam().shape;
  const TestTensors tensors = random_tensors(shape);
  const TemporaryFolder folder;
  write_model(folder, shape, tensors);
  const auto config = read_model_config(folder.path());
  ASSERT_TRUE(config) << config.error().text();
  const std::vector<Ids> sequences =
      random_ids({1, 7, config->tokens_max, 2, 33}, static_cast<int32_t>(shape.vocabulary), 9);
  for (const auto& [precision, least] :
       {std::pair{Precision::bf16, 0.9999}, {Precision::int8, 0.99}}) {
    std::vector<float> first;
    for (const char* name : kKernelNames) {
      const Kernels* kernels = find_kernels(name);
      if (kernels == nullptr) continue;
      const auto encoder = load_transformer(files_of(folder), *kernels, precision);
      ASSERT_TRUE(encoder) << encoder.error().text();
      EXPECT_EQ((*encoder)->info().precision, precision);
      const std::vector<float> got = embed_all(**encoder, sequences);
      for (size_t s = 0; s < sequences.size(); ++s) {
        const std::vector<double> rows =
            reference_rows(*config, tensors, shape.prefix, sequences[s]);
        std::vector<double> mean(shape.hidden);
        for (size_t i = 0; i < rows.size(); ++i) mean[i % shape.hidden] += rows[i];
        EXPECT_GE(cosine(std::span(got).subspan(s * shape.hidden, shape.hidden), mean), least)
            << name << " " << precision_name(precision) << " sequence " << s;
      }
    }
  }
}

TEST(Encoder, Int8TakesWideLayersInGroups) {
  const TestShape shape{.hidden = 420, .layers = 1, .heads = 6, .intermediate = 1000};
  const TestTensors tensors = random_tensors(shape);
  const TemporaryFolder folder;
  write_model(folder, shape, tensors);
  const auto config = read_model_config(folder.path());
  ASSERT_TRUE(config) << config.error().text();
  const std::vector<Ids> sequences = random_ids({20}, 50, 4);
  for (const char* name : kKernelNames) {
    const Kernels* kernels = find_kernels(name);
    if (kernels == nullptr) continue;
    const auto encoder = load_transformer(files_of(folder), *kernels, Precision::int8);
    ASSERT_TRUE(encoder) << encoder.error().text();
    const std::vector<double> rows = reference_rows(*config, tensors, "", sequences[0]);
    std::vector<double> mean(shape.hidden);
    for (size_t i = 0; i < rows.size(); ++i) mean[i % shape.hidden] += rows[i];
    EXPECT_GE(cosine(embed_all(**encoder, sequences), mean), 0.999) << name;
  }
}

class CompanyTest : public testing::TestWithParam<Precision> {};

INSTANTIATE_TEST_SUITE_P(All, CompanyTest,
                         testing::Values(Precision::fp32, Precision::bf16, Precision::int8),
                         [](const auto& param) {
                           return std::string(precision_name(param.param));
                         });

TEST_P(CompanyTest, ResultsDoNotDependOnIt) {
  const TestShape shape{.hidden = 96, .heads = 3, .intermediate = 300, .positions = 300};
  const TemporaryFolder folder;
  write_model(folder, shape, random_tensors(shape));
  for (const char* name : kKernelNames) {
    const Kernels* kernels = find_kernels(name);
    if (kernels == nullptr) continue;
    const auto encoder = load_transformer(files_of(folder), *kernels, GetParam());
    ASSERT_TRUE(encoder) << encoder.error().text();
    const std::vector<Ids> sequences =
        random_ids({1, 300, 5, 17, 128, 64, 31, 250, 2, 90, 111, 6, 6, 7, 300, 12}, 50, 3);
    const std::vector<float> together = embed_all(**encoder, sequences);
    const std::vector<Ids> reversed(sequences.rbegin(), sequences.rend());
    const std::vector<float> backwards = embed_all(**encoder, reversed);
    for (size_t i = 0; i < sequences.size(); ++i) {
      const std::vector<float> alone = embed_all(**encoder, {sequences[i]});
      EXPECT_EQ(0, std::memcmp(alone.data(), together.data() + i * 96, 96 * sizeof(float)))
          << name << " " << i;
      const size_t place = sequences.size() - 1 - i;
      EXPECT_EQ(0, std::memcmp(alone.data(), backwards.data() + place * 96, 96 * sizeof(float)))
          << name << " " << i;
    }
  }
}

TEST(Encoder, RefusesIdsAndLengthsOutOfRange) {
  const TestShape shape;
  const TemporaryFolder folder;
  write_model(folder, shape, random_tensors(shape));
  const auto encoder = Encoder::load(files_of(folder));
  ASSERT_TRUE(encoder) << encoder.error().text();
  const Encoder::ScratchPtr scratch = (*encoder)->new_scratch();
  for (const Ids& ids : {Ids{}, Ids(71, 1), Ids{1, -1}, Ids{1, 50}, Ids{0x7fffffff}}) {
    std::vector<float> out(shape.hidden);
    const std::span<const int32_t> span(ids);
    const Status status = (*encoder)->embed({&span, 1}, out, *scratch);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code(), ErrorCode::invalid_argument);
    EXPECT_NE(status.error().message().find("sequence 0"), std::string::npos);
  }
  EXPECT_TRUE((*encoder)->embed({}, {}, *scratch));
}

TEST(Encoder, FingerprintFollowsWhatDecidesTheVectors) {
  const TestShape shape;
  TestTensors tensors = random_tensors(shape);
  const auto fingerprint = [&](const std::function<void(const TemporaryFolder&)>& change) {
    const TemporaryFolder folder;
    write_model(folder, shape, tensors);
    change(folder);
    const auto encoder = Encoder::load(files_of(folder));
    EXPECT_TRUE(encoder) << encoder.error().text();
    return encoder ? (*encoder)->info().fingerprint : std::string();
  };
  const auto nothing = [](const TemporaryFolder&) {};
  const std::string plain = fingerprint(nothing);
  EXPECT_EQ(plain.size(), 32u);
  EXPECT_EQ(plain, fingerprint(nothing));
  EXPECT_EQ(plain, fingerprint([](const TemporaryFolder& f) { f.write("README.md", "x"); }));
  EXPECT_NE(plain, fingerprint([](const TemporaryFolder& f) {
              f.write("modules.json",
                      R"([{"type":"a.Transformer","path":""},{"type":"a.Pooling","path":"1"}])");
              f.write("1/config.json", R"({"pooling_mode_cls_token":true})");
            }));
  for (const Precision precision : {Precision::bf16, Precision::int8}) {
    const TemporaryFolder folder;
    write_model(folder, shape, tensors);
    const auto encoder = Encoder::load(files_of(folder), precision);
    ASSERT_TRUE(encoder) << encoder.error().text();
    EXPECT_NE(plain, (*encoder)->info().fingerprint);
  }
  tensors.at("encoder.layer.1.output.dense.bias").values[3] += 0.25f;
  EXPECT_NE(plain, fingerprint(nothing));
}

// --- damaged models -----------------------------------------------------------------------------

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

TEST(DamagedModel, EveryTensorIsNeededAndChecked) {
  const TestShape shape{.layers = 1};
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
                  {"encoder.layer.0.output.dense.weight", "beyond 65504", "--precision bf16"});
  const TemporaryFolder folder;
  write_model(folder, shape, tensors);
  EXPECT_TRUE(Encoder::load(files_of(folder), Precision::bf16));
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
                  {"modules.json", "s.Dense"});
  expect_mentions(with_modules(start + R"({"type":"s.Pooling","path":"../../etc"}])", ""),
                  {"leaves the model's folder"});
  expect_mentions(with_modules("{}", ""), {"modules.json"});
  expect_mentions(with_modules("[]", ""), {"no pooling"});
  expect_mentions(with_modules(both + "]", R"({"pooling_mode":"magic"})"), {"magic"});
  expect_mentions(with_modules(both + "]", R"({"pooling_mode_cls_token":true,)"
                                           R"("pooling_mode_max_tokens":true})"),
                  {"several pooling modes"});
  expect_mentions(with_modules(both + "]", R"({"word_embedding_dimension":3})"), {"3", "48"});
  expect_mentions(with_modules(both + "]", R"({"include_prompt":false})"), {"include_prompt"});
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
  folder.write("sentence_bert_config.json", R"({"max_seq_length":0})");
  EXPECT_FALSE(read_model_config(folder.path()));
}

TEST(Pooling, FollowsEachDefinition) {
  // Three tokens of two columns, in rows of three floats.
  const float rows[] = {1, -4, 9, 3, 2, 9, 5, -1, 9};
  const auto pooled = [&](Pooling pooling) {
    std::vector<float> out(2);
    pool(pooling, {.rows = rows, .stride = 3, .count = 3}, out);
    return out;
  };
  EXPECT_EQ(pooled(Pooling::mean), (std::vector<float>{3, -1}));
  EXPECT_EQ(pooled(Pooling::cls), (std::vector<float>{1, -4}));
  EXPECT_EQ(pooled(Pooling::last), (std::vector<float>{5, -1}));
  EXPECT_EQ(pooled(Pooling::max), (std::vector<float>{5, 2}));
  EXPECT_NEAR(pooled(Pooling::mean_sqrt_length)[0], 9 / std::sqrt(3.0), 1e-5);
  EXPECT_NEAR(pooled(Pooling::weighted_mean)[1], (-4 + 4 - 3) / 6.0, 1e-6);
  std::vector<float> vector{3, 4};
  normalize(vector);
  EXPECT_FLOAT_EQ(vector[0], 0.6f);
  std::vector<float> zero{0, 0};
  normalize(zero);
  EXPECT_EQ(zero, (std::vector<float>{0, 0}));
}

// --- the real model
// -------------------------------------------------------------------------------

TEST(RealModel, AgreesWithSentenceTransformers) {
  const char* directory = std::getenv("HEADRACE_TEST_MODEL");
  if (directory == nullptr)
    GTEST_SKIP() << "set HEADRACE_TEST_MODEL to a folder with all-MiniLM-L6-v2";
  for (const char* name : kKernelNames) {
    const Kernels* kernels = find_kernels(name);
    if (kernels == nullptr) continue;
    const auto encoder = load_transformer({"all-MiniLM-L6-v2", directory, "directory"}, *kernels);
    ASSERT_TRUE(encoder) << encoder.error().text();
    const EncoderInfo& info = (*encoder)->info();
    EXPECT_EQ(info.dimension, 384u);
    EXPECT_EQ(info.tokens_max, 256u);
    EXPECT_TRUE(info.normalized);
    for (const Golden& golden : kGolden) {
      const std::vector<float> got =
          embed_all(**encoder, {Ids(golden.ids.begin(), golden.ids.end())});
      const std::vector<double> want(golden.vector.begin(), golden.vector.end());
      EXPECT_GE(cosine(got, want), 0.99999) << golden.text;
    }
    for (const auto& [precision, least] :
         {std::pair{Precision::bf16, 0.9999}, {Precision::int8, 0.99}}) {
      const auto lower =
          load_transformer({"all-MiniLM-L6-v2", directory, "directory"}, *kernels, precision);
      ASSERT_TRUE(lower) << lower.error().text();
      for (const Golden& golden : kGolden) {
        const std::vector<float> got =
            embed_all(**lower, {Ids(golden.ids.begin(), golden.ids.end())});
        const std::vector<double> want(golden.vector.begin(), golden.vector.end());
        EXPECT_GE(cosine(got, want), least) << precision_name(precision) << " " << golden.text;
      }
    }
  }
}

}  // namespace
}  // namespace headrace::embed
