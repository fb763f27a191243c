// What follows the last layer beside pooling: scores of pairs, weights of words, vectors of tokens,
// each against the textbook in double precision.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "embed/ragged_encoder.h"
#include "embed/reranker.h"
#include "embed/test_family.h"
#include "embed/test_model.h"

namespace headrace::embed {
namespace {

using Ids = std::vector<int32_t>;
using Rows = std::vector<double>;

constexpr uint32_t kHidden = 48;
constexpr uint32_t kVocabulary = 1100;  // more than one slice of words

TestTensor random_tensor(std::vector<uint64_t> shape, uint32_t seed, float spread,
                         float middle = 0) {
  TestTensor tensor{.type = "F32", .shape = std::move(shape), .values = {}};
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  uint64_t count = 1;
  for (const uint64_t size : tensor.shape) count *= size;
  for (uint64_t i = 0; i < count; ++i)
    tensor.values.push_back(from_half(to_half(middle + spread * normal(random))));
  return tensor;
}

Ids random_ids(size_t length, uint32_t seed) {
  std::mt19937 random(seed);
  Ids ids(length);
  for (int32_t& id : ids) id = static_cast<int32_t>(random() % kVocabulary);
  return ids;
}

// x W^T + b, where there is a bias.
Rows linear(const Rows& rows, const TestTensors& tensors, const std::string& name,
            const std::string& bias) {
  const auto& weight = tensors.at(name);
  const size_t outputs = weight.shape[0];
  const size_t inputs = weight.shape[1];
  Rows out(rows.size() / inputs * outputs);
  for (size_t i = 0; i < out.size(); ++i) {
    const auto found = tensors.find(bias);
    out[i] = found == tensors.end() ? 0.0 : found->second.values[i % outputs];
    for (size_t k = 0; k < inputs; ++k)
      out[i] += rows[i / outputs * inputs + k] * weight.values[i % outputs * inputs + k];
  }
  return out;
}

double gelu(double x) {
  return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
}

void norm(Rows& rows, const TestTensors& tensors, const std::string& name) {
  const auto& scale = tensors.at(name + ".weight").values;
  const size_t h = scale.size();
  for (size_t i = 0; i < rows.size(); i += h) {
    double mean = 0;
    double spread = 0;
    for (size_t d = 0; d < h; ++d) mean += rows[i + d] / static_cast<double>(h);
    for (size_t d = 0; d < h; ++d)
      spread += (rows[i + d] - mean) * (rows[i + d] - mean) / static_cast<double>(h);
    for (size_t d = 0; d < h; ++d) {
      rows[i + d] = (rows[i + d] - mean) / std::sqrt(spread + 1e-6) * scale[d];
      const auto bias = tensors.find(name + ".bias");
      if (bias != tensors.end()) rows[i + d] += bias->second.values[d];
    }
  }
}

struct HeadCase {
  Family family;
  std::string prefix;
  std::string dense;  // of the score
  std::string output;
  std::string word_dense;
  std::string word_norm;
  std::string word_bias;
};

const HeadCase kCases[] = {
    {Family::bert, "bert.", "bert.pooler.dense", "classifier", "cls.predictions.transform.dense",
     "cls.predictions.transform.LayerNorm", "cls.predictions.bias"},
    {Family::roberta, "roberta.", "classifier.dense", "classifier.out_proj", "lm_head.dense",
     "lm_head.layer_norm", "lm_head.bias"},
    {Family::modernbert, "model.", "head.dense", "classifier", "head.dense", "head.norm",
     "decoder.bias"},
    {Family::gte, "new.", "new.pooler.dense", "classifier", "lm_head.dense", "lm_head.norm",
     "lm_head.decoder.bias"},
    {Family::nomic, "nomic_bert.", "nomic_bert.pooler.dense", "classifier",
     "cls.predictions.transform.dense", "cls.predictions.transform.layer_norm",
     "cls.predictions.bias"},
};

class HeadTest : public testing::TestWithParam<HeadCase> {
 protected:
  void SetUp() override {
    const HeadCase& head = GetParam();
    shape_ = {.family = head.family,
              .hidden = kHidden,
              .layers = 2,
              .vocabulary = kVocabulary,
              .positions = 150,
              .prefix = head.prefix,
              .seed = 31};
    tensors_ = random_tensors(shape_);
  }
  void add_dense(const std::string& name, uint32_t seed) {
    tensors_[name + ".weight"] = random_tensor({kHidden, kHidden}, seed, 0.2f);
    if (GetParam().family != Family::modernbert)
      tensors_[name + ".bias"] = random_tensor({kHidden}, seed + 1, 0.2f);
  }
  void add_norm(const std::string& name, uint32_t seed) {
    tensors_[name + ".weight"] = random_tensor({kHidden}, seed, 0.2f, 1);
    if (GetParam().family != Family::modernbert)
      tensors_[name + ".bias"] = random_tensor({kHidden}, seed + 1, 0.2f);
  }
  Rows rows_of(const Ids& ids, size_t second) const {
    const auto config = read_model_config(folder_.path());
    EXPECT_TRUE(config) << config.error().text();
    return reference_rows(*config, tensors_, shape_.prefix, ids, second);
  }

  TestShape shape_;
  TestTensors tensors_;
  TemporaryFolder folder_;
};

INSTANTIATE_TEST_SUITE_P(All, HeadTest, testing::ValuesIn(kCases), [](const auto& param) {
  return std::string(family_name(param.param.family));
});

TEST_P(HeadTest, ScoresOfPairsMatchDoublePrecision) {
  const HeadCase& head = GetParam();
  add_dense(head.dense, 41);
  if (head.family == Family::modernbert) add_norm("head.norm", 43);
  tensors_[head.output + ".weight"] = random_tensor({1, kHidden}, 45, 0.3f);
  tensors_[head.output + ".bias"] = random_tensor({1}, 46, 0.3f);
  write_model(folder_, shape_, tensors_);
  folder_.write("config_sentence_transformers.json",
                R"({"prompts":{"query":"Q: ","other":"O: "},"default_prompt_name":"other"})");
  const auto reranker = Reranker::load(files_of(folder_), kernels());
  ASSERT_TRUE(reranker) << reranker.error().text();
  EXPECT_EQ((*reranker)->prompt(), "O: ");
  const std::vector<Ids> ids{random_ids(9, 1), random_ids(140, 2), random_ids(2, 3),
                             random_ids(140, 4), random_ids(60, 5)};
  std::vector<TokenSequence> pairs;
  for (const Ids& one : ids) pairs.push_back({.ids = one, .second = one.size() / 2});
  std::vector<float> scores(pairs.size());
  const auto scratch = (*reranker)->new_scratch();
  ASSERT_TRUE((*reranker)->score(pairs, scores, *scratch));
  for (size_t i = 0; i < pairs.size(); ++i) {
    const Rows rows = rows_of(ids[i], pairs[i].second);
    Rows first(rows.begin(), rows.begin() + kHidden);
    first = linear(first, tensors_, head.dense + ".weight", head.dense + ".bias");
    for (double& x : first) x = head.family == Family::modernbert ? gelu(x) : std::tanh(x);
    if (head.family == Family::modernbert) norm(first, tensors_, "head.norm");
    const Rows logit = linear(first, tensors_, head.output + ".weight", head.output + ".bias");
    EXPECT_NEAR(scores[i], 1 / (1 + std::exp(-logit[0])), 1e-4) << i;
    std::vector<float> alone(1);
    ASSERT_TRUE((*reranker)->score({&pairs[i], 1}, alone, *scratch));
    EXPECT_EQ(alone[0], scores[i]) << i;
  }
}

TEST_P(HeadTest, WeightsOfWordsMatchDoublePrecision) {
  const HeadCase& head = GetParam();
  add_dense(head.word_dense, 51);
  add_norm(head.word_norm, 53);
  tensors_[head.word_bias] = random_tensor({kVocabulary}, 55, 1.0f);
  write_model(folder_, shape_, tensors_);
  const auto encoder = RaggedEncoder::load(files_of(folder_), kernels(), ModelOutput::sparse);
  ASSERT_TRUE(encoder) << encoder.error().text();
  EXPECT_EQ((*encoder)->info().dimension, kVocabulary);
  const std::vector<Ids> ids{random_ids(9, 1), random_ids(140, 2), random_ids(140, 3)};
  const std::vector<std::span<const int32_t>> sequences(ids.begin(), ids.end());
  std::vector<RaggedRow> got(ids.size());
  const auto scratch = (*encoder)->new_scratch();
  ASSERT_TRUE((*encoder)->embed(sequences, got, *scratch));
  const std::string words = head.prefix + test_family(head.family).words;
  for (size_t i = 0; i < ids.size(); ++i) {
    Rows rows = linear(rows_of(ids[i], SIZE_MAX), tensors_, head.word_dense + ".weight",
                       head.word_dense + ".bias");
    for (double& x : rows) x = head.family == Family::nomic ? x / (1 + std::exp(-x)) : gelu(x);
    norm(rows, tensors_, head.word_norm);
    const Rows logits = linear(rows, tensors_, words, head.word_bias);
    std::map<uint32_t, double> want;
    for (size_t at = 0; at < logits.size(); ++at) {
      if (logits[at] <= 0) continue;
      double& weight = want[static_cast<uint32_t>(at % kVocabulary)];
      weight = std::max(weight, std::log1p(logits[at]));
    }
    EXPECT_TRUE(std::ranges::is_sorted(got[i].ids));
    std::map<uint32_t, double> have;
    for (size_t at = 0; at < got[i].ids.size(); ++at) have[got[i].ids[at]] = got[i].values[at];
    for (const auto& [word, weight] : want) EXPECT_NEAR(have[word], weight, 2e-4) << word;
    for (const auto& [word, weight] : have) {
      if (want.contains(word)) continue;
      EXPECT_NEAR(weight, 0, 2e-4) << word;
    }
  }
}

TEST_P(HeadTest, KeepsTheWeightiestWords) {
  add_dense(GetParam().word_dense, 41);
  add_norm(GetParam().word_norm, 43);
  tensors_[GetParam().word_bias] = random_tensor({kVocabulary}, 45, 0.3f);
  write_model(folder_, shape_, tensors_);
  const Ids ids = random_ids(30, 5);
  const std::vector<std::span<const int32_t>> sequences{ids};
  const auto words = [&] {
    const auto encoder = RaggedEncoder::load(files_of(folder_), kernels(), ModelOutput::sparse);
    EXPECT_TRUE(encoder) << encoder.error().text();
    std::vector<RaggedRow> got(1);
    const auto scratch = (*encoder)->new_scratch();
    EXPECT_TRUE((*encoder)->embed(sequences, got, *scratch));
    return got[0];
  };
  const RaggedRow all = words();
  ASSERT_GT(all.ids.size(), 3u);
  folder_.write("config_sentence_transformers.json", R"({"max_active_dims":3})");
  const RaggedRow kept = words();
  ASSERT_EQ(kept.ids.size(), 3u);
  EXPECT_TRUE(std::ranges::is_sorted(kept.ids));
  std::vector<float> weights = all.values;
  std::ranges::sort(weights, std::ranges::greater{});
  weights.resize(3);
  std::vector<float> kept_weights = kept.values;
  std::ranges::sort(kept_weights, std::ranges::greater{});
  EXPECT_EQ(kept_weights, weights);
}

TEST(TokenVectors, GoThroughTheMatrixAndHaveLengthOne) {
  const TestShape shape{.hidden = kHidden, .vocabulary = kVocabulary, .prefix = "bert."};
  TestTensors tensors = random_tensors(shape);
  tensors["linear.weight"] = random_tensor({20, kHidden}, 61, 0.3f);
  const TemporaryFolder folder;
  write_model(folder, shape, tensors);
  const auto config = read_model_config(folder.path());
  ASSERT_TRUE(config);
  const auto encoder = RaggedEncoder::load(files_of(folder), kernels(), ModelOutput::tokens);
  ASSERT_TRUE(encoder) << encoder.error().text();
  ASSERT_EQ((*encoder)->info().dimension, 20u);
  const std::vector<Ids> ids{random_ids(9, 1), random_ids(70, 2)};
  const std::vector<std::span<const int32_t>> sequences(ids.begin(), ids.end());
  std::vector<RaggedRow> got(ids.size());
  const auto scratch = (*encoder)->new_scratch();
  ASSERT_TRUE((*encoder)->embed(sequences, got, *scratch));
  for (size_t i = 0; i < ids.size(); ++i) {
    const Rows want =
        linear(reference_rows(*config, tensors, "bert.", ids[i]), tensors, "linear.weight", "");
    ASSERT_EQ(got[i].values.size(), want.size());
    for (size_t token = 0; token < ids[i].size(); ++token) {
      EXPECT_EQ(got[i].ids[token], static_cast<uint32_t>(ids[i][token]));
      double length = 0;
      for (size_t d = 0; d < 20; ++d) length += want[token * 20 + d] * want[token * 20 + d];
      for (size_t d = 0; d < 20; ++d)
        EXPECT_NEAR(got[i].values[token * 20 + d], want[token * 20 + d] / std::sqrt(length), 2e-5);
    }
  }
}

TEST(TokenVectors, OfMultiVectorEncoders) {
  const TestShape shape{.hidden = kHidden, .vocabulary = kVocabulary};
  const TemporaryFolder folder;
  write_model(folder, shape, random_tensors(shape));
  folder.write("modules.json", R"([{"type":"a.Transformer","path":""},)"
                               R"({"type":"a.MultiVectorMask","path":"1"},)"
                               R"({"type":"a.Normalize","path":"2"}])");
  const auto load = [&](const std::string& mask, const std::string& sentence = "{}") {
    folder.write("1/config.json", mask);
    folder.write("sentence_bert_config.json", sentence);
    return RaggedEncoder::load(files_of(folder), kernels(), ModelOutput::tokens);
  };
  const auto plain = load(R"({"skiplist_words":[],"keep_only_token_ids":null})");
  ASSERT_TRUE(plain) << plain.error().text();
  EXPECT_TRUE((*plain)->skipped().tokens.empty());
  const auto skips = load(R"({"skiplist_words":[".",","],"skiplist_tasks":["query","document"]})");
  ASSERT_TRUE(skips) << skips.error().text();
  EXPECT_EQ((*skips)->skipped().tokens, (std::vector<std::string>{".", ","}));
  EXPECT_TRUE((*skips)->skipped().in_queries && (*skips)->skipped().in_passages);
  EXPECT_NE(load(R"({"keep_only_token_ids":[4]})").error().text().find("keep_only_token_ids"),
            std::string::npos);
  EXPECT_NE(
      load("{}", R"({"query_expansion":{"length":32}})").error().text().find("query_expansion"),
      std::string::npos);
}

TEST(Heads, ModelsWithoutThemAreRefusedByName) {
  const TestShape shape;
  TestTensors tensors = random_tensors(shape);
  const TemporaryFolder folder;
  write_model(folder, shape, tensors);
  EXPECT_NE(Reranker::load(files_of(folder), kernels()).error().text().find("no reranker"),
            std::string::npos);
  EXPECT_NE(RaggedEncoder::load(files_of(folder), kernels(), ModelOutput::sparse)
                .error()
                .text()
                .find("cls.predictions.transform.dense"),
            std::string::npos);
  tensors["classifier.weight"] = random_tensor({3, shape.hidden}, 1, 1);
  write_model(folder, shape, tensors);
  EXPECT_NE(Reranker::load(files_of(folder), kernels()).error().text().find("3 classes"),
            std::string::npos);
  tensors["classifier.weight"] = random_tensor({1, shape.hidden}, 1, 1);
  write_model(folder, shape, tensors);
  EXPECT_NE(Reranker::load(files_of(folder), kernels()).error().text().find("pooler.dense"),
            std::string::npos);
}

}  // namespace
}  // namespace headrace::embed
