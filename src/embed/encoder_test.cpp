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
#include <tuple>
#include <vector>

#include "embed/encoder_golden.h"
#include "embed/kernels.h"
#include "embed/pooling.h"
#include "embed/test_model.h"
#include "embed/text_encoder.h"
#include "runtime/thread_pool.h"

namespace headrace::embed {
namespace {

using Ids = std::vector<int32_t>;

constexpr std::array kKernelNames = {"scalar",    "avx2", "avx512", "avx512vnni",
                                     "avx512amx", "neon", "neondot"};

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
        Case{"mpnet", {.family = Family::mpnet, .positions = 220, .seed = 8}},
        Case{"nomic", {.family = Family::nomic, .seed = 9}},
        Case{"nomic_wide",
             {.family = Family::nomic, .hidden = 96, .intermediate = 500, .seed = 10}},
        Case{"modernbert",
             {.family = Family::modernbert, .layers = 4, .positions = 220, .seed = 11}},
        Case{"modernbert_prefixed",
             {.family = Family::modernbert,
              .layers = 2,
              .positions = 70,
              .prefix = "model.",
              .seed = 12}},
        Case{"gte", {.family = Family::gte, .intermediate = 400, .seed = 13}},
        Case{"gte_prefixed", {.family = Family::gte, .prefix = "new.", .type = "F16", .seed = 14}}),
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
    const auto encoder = load_encoder(files_of(folder), *kernels);
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

// Rounding in another order would move a byte of the next layer's inputs now and then.
TEST_P(FamilyTest, TilesGiveTheSameBits) {
  const Kernels* const tiles = find_kernels("avx512amx");
  if (tiles == nullptr) GTEST_SKIP() << "this CPU does not run avx512amx";
  const TestShape& shape = GetParam().shape;
  const TemporaryFolder folder;
  write_model(folder, shape, random_tensors(shape));
  const std::vector<Ids> sequences =
      random_ids({1, 7, 33, 64}, static_cast<int32_t>(shape.vocabulary), 11);
  for (const Precision precision : {Precision::int16, Precision::int8}) {
    const auto one = load_encoder(files_of(folder), *find_kernels("avx512vnni"), precision);
    const auto other = load_encoder(files_of(folder), *tiles, precision);
    ASSERT_TRUE(one) << one.error().text();
    ASSERT_TRUE(other) << other.error().text();
    EXPECT_EQ(embed_all(**one, sequences), embed_all(**other, sequences))
        << precision_name(precision);
  }
}

TEST_P(FamilyTest, ATeamGivesTheSameBits) {
  const TestShape& shape = GetParam().shape;
  const TemporaryFolder folder;
  write_model(folder, shape, random_tensors(shape));
  const std::vector<Ids> sequences =
      random_ids({9, 1, 33}, static_cast<int32_t>(shape.vocabulary), 10);
  for (const Precision precision : {Precision::fp32, Precision::int16, Precision::int8}) {
    const auto encoder = load_encoder(files_of(folder), kernels(), precision);
    ASSERT_TRUE(encoder) << encoder.error().text();
    const std::vector<float> alone = embed_all(**encoder, sequences);
    std::vector<float> out(alone.size());
    const Encoder::ScratchPtr scratch = (*encoder)->new_scratch();
    Team team(2);
    Thread follower([&team] { team.serve(1); });
    ASSERT_TRUE((*encoder)->embed(spans_of(sequences), out, *scratch, {}, &team));
    team.finish();
    EXPECT_EQ(out, alone);
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
  // Random layers magnify what rounding does; real models stay ten times nearer.
  for (const auto& [precision, least] :
       {std::pair{Precision::bf16, 0.9999}, {Precision::int16, 0.9999}, {Precision::int8, 0.985}}) {
    for (const char* name : kKernelNames) {
      const Kernels* kernels = find_kernels(name);
      if (kernels == nullptr) continue;
      const auto encoder = load_encoder(files_of(folder), *kernels, precision);
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
    const auto encoder = load_encoder(files_of(folder), *kernels, Precision::int8);
    ASSERT_TRUE(encoder) << encoder.error().text();
    const std::vector<double> rows = reference_rows(*config, tensors, "", sequences[0]);
    std::vector<double> mean(shape.hidden);
    for (size_t i = 0; i < rows.size(); ++i) mean[i % shape.hidden] += rows[i];
    EXPECT_GE(cosine(embed_all(**encoder, sequences), mean), 0.999) << name;
  }
}

// Two matrices after pooling, in double precision and by the engine.
TEST(Encoder, DenseModulesFollowPooling) {
  const TestShape shape{.seed = 21};
  const TestTensors tensors = random_tensors(shape);
  const TestShape dense_shape{.hidden = 20, .seed = 22};
  const TestTensors source = random_tensors(dense_shape);
  const TemporaryFolder folder;
  write_model(folder, shape, tensors);
  const auto weights = [&](uint64_t outputs, uint64_t inputs, float sign) {
    TestTensor weight{.type = "F32", .shape = {outputs, inputs}, .values = {}};
    const auto& from = source.at("embeddings.word_embeddings.weight").values;
    for (size_t i = 0; i < outputs * inputs; ++i)
      weight.values.push_back(sign * from[i * 7 % from.size()]);
    return weight;
  };
  const TestTensor first = weights(33, 48, 0.5f);
  const TestTensor second = weights(20, 33, -0.25f);
  TestTensor bias{.type = "F32", .shape = {33}, .values = std::vector<float>(33, 0.125f)};
  folder.write("modules.json",
               R"([{"type":"s.Transformer","path":""},{"type":"s.Pooling","path":"1_Pooling"},)"
               R"({"type":"s.Dense","path":"2_Dense"},{"type":"s.Dense","path":"3_Dense"},)"
               R"({"type":"s.Normalize","path":"4_Normalize"}])");
  folder.write("1_Pooling/config.json", R"({"pooling_mode":"lasttoken"})");
  folder.write("2_Dense/config.json",
               R"({"in_features":48,"out_features":33,"bias":true,)"
               R"("activation_function":"torch.nn.modules.activation.Tanh"})");
  folder.write("2_Dense/model.safetensors",
               safetensors_bytes({{"linear.weight", first}, {"linear.bias", bias}}));
  folder.write("3_Dense/config.json",
               R"({"in_features":33,"out_features":20,"bias":false,)"
               R"("activation_function":"torch.nn.modules.linear.Identity"})");
  folder.write("3_Dense/model.safetensors", safetensors_bytes({{"linear.weight", second}}));
  const auto config = read_model_config(folder.path());
  ASSERT_TRUE(config) << config.error().text();
  EXPECT_EQ(config->dimension(), 20u);
  const std::vector<Ids> sequences = random_ids({5, 1, 70, 30}, 50, 3);
  for (const Precision precision : {Precision::fp32, Precision::int16, Precision::int8}) {
    const auto encoder = load_encoder(files_of(folder), kernels(), precision);
    ASSERT_TRUE(encoder) << encoder.error().text();
    ASSERT_EQ((*encoder)->info().dimension, 20u);
    const std::vector<float> got = embed_all(**encoder, sequences);
    for (size_t s = 0; s < sequences.size(); ++s) {
      const std::vector<double> rows = reference_rows(*config, tensors, "", sequences[s]);
      const double* last = rows.data() + (sequences[s].size() - 1) * 48;
      std::vector<double> inner(33);
      for (size_t o = 0; o < 33; ++o) {
        inner[o] = 0.125;
        for (size_t i = 0; i < 48; ++i) inner[o] += first.values[o * 48 + i] * last[i];
        inner[o] = std::tanh(inner[o]);
      }
      std::vector<double> out(20);
      double length = 0;
      for (size_t o = 0; o < 20; ++o) {
        for (size_t i = 0; i < 33; ++i) out[o] += second.values[o * 33 + i] * inner[i];
        length += out[o] * out[o];
      }
      for (double& value : out) value /= std::sqrt(length);
      if (precision == Precision::fp32) {
        for (size_t o = 0; o < 20; ++o) EXPECT_NEAR(got[s * 20 + o], out[o], 2e-5) << s;
      }
      EXPECT_GE(cosine(std::span(got).subspan(s * 20, 20), out), 0.99);
    }
  }
  folder.write("2_Dense/config.json", R"({"in_features":47,"out_features":33})");
  EXPECT_NE(read_model_config(folder.path()).error().text().find("in_features"), std::string::npos);
}

class CompanyTest : public testing::TestWithParam<std::tuple<Precision, Family>> {};

INSTANTIATE_TEST_SUITE_P(All, CompanyTest,
                         testing::Combine(testing::Values(Precision::fp32, Precision::bf16,
                                                          Precision::int8),
                                          testing::Values(Family::bert, Family::modernbert)),
                         [](const auto& param) {
                           return std::string(precision_name(std::get<0>(param.param))) + "_" +
                                  std::string(family_name(std::get<1>(param.param)));
                         });

TEST_P(CompanyTest, ResultsDoNotDependOnIt) {
  const auto& [precision, family] = GetParam();
  const TestShape shape{
      .family = family, .hidden = 96, .heads = 3, .intermediate = 300, .positions = 300};
  const TemporaryFolder folder;
  write_model(folder, shape, random_tensors(shape));
  for (const char* name : kKernelNames) {
    const Kernels* kernels = find_kernels(name);
    if (kernels == nullptr) continue;
    const auto encoder = load_encoder(files_of(folder), *kernels, precision);
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

TEST(Encoder, SeveralPoolingsAreJoinedInTheirOrder) {
  const TestShape shape;
  const TestTensors tensors = random_tensors(shape);
  const TemporaryFolder folder;
  write_model(folder, shape, tensors);
  folder.write("modules.json",
               R"([{"type":"a.Transformer","path":""},{"type":"a.Pooling","path":"1"}])");
  const std::vector<Ids> ids{{1, 2, 3, 4, 5}, {7}, {9, 8, 7}};
  std::map<std::string, std::vector<float>> got;
  for (const std::string pooling :
       {R"({"pooling_mode":"max"})", R"({"pooling_mode":"cls"})",
        R"({"pooling_mode":["max","cls"]})",
        R"({"pooling_mode_max_tokens":true,"pooling_mode_cls_token":true})"}) {
    folder.write("1/config.json", pooling);
    const auto encoder = Encoder::load(files_of(folder));
    ASSERT_TRUE(encoder) << encoder.error().text();
    got[pooling] = embed_all(**encoder, ids);
  }
  const std::vector<float>& max = got[R"({"pooling_mode":"max"})"];
  const std::vector<float>& first = got[R"({"pooling_mode":"cls"})"];
  const size_t h = shape.hidden;
  for (const auto& [name, parts] :
       {std::pair{R"({"pooling_mode":["max","cls"]})", std::pair{&max, &first}},
        {R"({"pooling_mode_max_tokens":true,"pooling_mode_cls_token":true})",
         std::pair{&first, &max}}}) {
    ASSERT_EQ(got[name].size(), ids.size() * 2 * h);
    for (size_t i = 0; i < ids.size(); ++i) {
      for (size_t d = 0; d < h; ++d) {
        EXPECT_EQ(got[name][i * 2 * h + d], (*parts.first)[i * h + d]);
        EXPECT_EQ(got[name][i * 2 * h + h + d], (*parts.second)[i * h + d]);
      }
    }
  }
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

// --- the real model
// -------------------------------------------------------------------------------

TEST(RealModel, AgreesWithSentenceTransformers) {
  const char* directory = std::getenv("HEADRACE_TEST_MODEL");
  if (directory == nullptr)
    GTEST_SKIP() << "set HEADRACE_TEST_MODEL to a folder with all-MiniLM-L6-v2";
  for (const char* name : kKernelNames) {
    const Kernels* kernels = find_kernels(name);
    if (kernels == nullptr) continue;
    const auto encoder = load_encoder({"all-MiniLM-L6-v2", directory, "directory"}, *kernels);
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
    for (const auto& [precision, least] : {std::pair{Precision::bf16, 0.9999},
                                           {Precision::int16, 0.99999},
                                           {Precision::int8, 0.995}}) {
      const auto lower =
          load_encoder({"all-MiniLM-L6-v2", directory, "directory"}, *kernels, precision);
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

// Texts of one word or sign are the worst for bytes: the rows of [CLS] and [SEP] are half of what
// is pooled, and in them one value is up to a hundred times larger than the rest.
TEST(RealModel, Int8StaysNearForShortTexts) {
  const char* directory = std::getenv("HEADRACE_TEST_MODEL");
  if (directory == nullptr)
    GTEST_SKIP() << "set HEADRACE_TEST_MODEL to a folder with all-MiniLM-L6-v2";
  constexpr int32_t kClass = 101;
  constexpr int32_t kSeparator = 102;
  std::vector<Ids> sequences{{kClass, kSeparator}};
  const auto add = [&](int32_t id, size_t times) {
    Ids ids(times + 2, id);
    ids.front() = kClass;
    ids.back() = kSeparator;
    sequences.push_back(std::move(ids));
  };
  for (int32_t sign = 999; sign <= 1036; ++sign) add(sign, 1);  // !"#$…, digits
  for (int32_t word = 1037; word < 30522; word += 211) add(word, 1);
  for (const size_t times : {2, 3, 10, 200}) add(1012, times);
  constexpr size_t kWidth = 384;
  std::vector<float> vectors[2];
  for (const bool bytes : {false, true}) {
    const auto encoder = load_encoder({"all-MiniLM-L6-v2", directory, "directory"}, kernels(),
                                      bytes ? Precision::int8 : Precision::fp32);
    ASSERT_TRUE(encoder) << encoder.error().text();
    vectors[bytes ? 1 : 0] = embed_all(**encoder, sequences);
  }
  for (size_t i = 0; i < sequences.size(); ++i) {
    const std::span<const float> exact = std::span(vectors[0]).subspan(i * kWidth, kWidth);
    EXPECT_GE(cosine(std::span(vectors[1]).subspan(i * kWidth, kWidth),
                     std::vector<double>(exact.begin(), exact.end())),
              0.992)
        << "token " << sequences[i][1] << ", " << sequences[i].size() << " tokens";
  }
}

}  // namespace
}  // namespace headrace::embed
