// How close embedding comes to the floor with everything that belongs to it: texts in, vectors out,
// tokenising included.
//
//   HEADRACE_TEST_MODEL=DIR HEADRACE_TEST_DATA=DIR embedder_bench
//   HEADRACE_KERNEL=avx2 …              another kernel than the best
//
// Texts are stretches of Cranfield of about 32, 128, 256 and 512 tokens, others in each call.
// Columns as those of encoder_bench. One thread, CPU time of the process.
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/check.h"
#include "embed/bench_floor.h"
#include "plan/text_embedder.h"
#include "runtime/thread_pool.h"

namespace headrace {
namespace {

namespace fs = std::filesystem;

double process_seconds() {
  return embed::clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
}

// The model's files, and 512 tokens whatever they ask for.
void link_model(const fs::path& from, const fs::path& to) {
  for (const auto& entry : fs::directory_iterator(from)) {
    const std::string name = entry.path().filename();
    if (name != "sentence_bert_config.json" && name != "tokenizer_config.json")
      fs::create_symlink(fs::canonical(entry.path()), to / name);
  }
  std::ofstream(to / "sentence_bert_config.json") << R"({"max_seq_length":512})";
}

// Stretches of the corpus of about so many tokens, special ones included.
std::vector<std::string> make_texts(const Tokenizer& tokenizer, size_t tokens) {
  const std::string corpus = std::getenv("HEADRACE_TEST_DATA") + std::string("/cranfield");
  std::ifstream file(corpus + "/corpus.jsonl");
  HR_CHECK(file.good(), "HEADRACE_TEST_DATA holds cranfield/corpus.jsonl");
  std::vector<std::string> texts;
  std::string text;
  size_t filled = 2;
  std::vector<int32_t> ids;
  for (std::string word; file >> word;) {
    ids.clear();
    const size_t length = tokenizer.encode_ids(word, 0, ids) - 2;
    if (filled + length > tokens && filled > 2) {
      texts.push_back(std::move(text));
      text.clear();
      filled = 2;
    }
    if (!text.empty()) text += ' ';
    text += word;
    filled += length;
  }
  return texts;
}

void run(benchmark::State& state, const VectorModel& model, const embed::ModelConfig& config,
         const std::vector<std::string>& texts, size_t tokens) {
  const size_t count = std::max<size_t>(1, 2048 / tokens);
  ThreadPool pool(1);
  size_t next = 0;
  std::vector<double> speeds;  // operations a second
  std::vector<double> rates;   // tokens a second
  std::vector<double> floors;
  std::vector<int32_t> ids;
  const auto embed_some = [&] {
    if (next + count > texts.size()) next = 0;
    const std::span<const std::string> some = std::span(texts).subspan(next, count);
    next += count;
    const double start = process_seconds();
    const auto made = model.embed(some, {}, pool);
    const double seconds = process_seconds() - start;
    HR_CHECK(made.has_value(), "texts can be embedded");
    double flops = 0;
    size_t total = 0;
    for (const std::string& text : some) {
      ids.clear();
      model.tokenizer()->encode_ids(text, config.tokens_max, ids);
      const auto kept = static_cast<double>(ids.size());
      flops += kept * embed::flops_per_token(config, kept);
      total += ids.size();
    }
    speeds.push_back(flops / seconds);
    rates.push_back(static_cast<double>(total) / seconds);
  };
  embed_some();  // working memory comes into being
  speeds.clear();
  rates.clear();
  for (auto iteration : state) {
    embed_some();
    state.PauseTiming();
    floors.push_back(embed::floor_flops());
    state.ResumeTiming();
  }
  const double floor = std::ranges::max(floors);
  state.counters["tokens_per_s"] = embed::median(rates);
  state.counters["floor_percent"] = 100 * embed::median(speeds) / floor;
  state.counters["best_percent"] = 100 * std::ranges::max(speeds) / floor;
}

void add_model(const std::string& folder, Precision precision) {
  auto loaded = TextEmbedder::load(folder, precision);
  HR_CHECK(loaded.has_value(), "the model loads");
  const std::shared_ptr<const VectorModel> model = std::move(*loaded);
  const auto config = embed::read_model_config(folder);
  HR_CHECK(config.has_value(), "the model has a good config.json");
  for (const size_t tokens : {32, 128, 256, 512}) {
    const auto texts =
        std::make_shared<const std::vector<std::string>>(make_texts(*model->tokenizer(), tokens));
    const std::string name =
        fmt::format("{}/texts/{}/{}", embed::kernels().name, precision_name(precision), tokens);
    benchmark::RegisterBenchmark(name.c_str(),
                                 [model, config = *config, texts, tokens](benchmark::State& state) {
                                   run(state, *model, config, *texts, tokens);
                                 })
        ->Unit(benchmark::kMillisecond)
        ->MinTime(2);
  }
}

}  // namespace
}  // namespace headrace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  const char* model = std::getenv("HEADRACE_TEST_MODEL");
  HR_CHECK(model != nullptr && std::getenv("HEADRACE_TEST_DATA") != nullptr,
           "HEADRACE_TEST_MODEL and HEADRACE_TEST_DATA are set");
  std::string folder = (std::filesystem::temp_directory_path() / "embedder_bench_XXXXXX").string();
  HR_CHECK(::mkdtemp(folder.data()) != nullptr, "a temporary folder can be made");
  headrace::link_model(model, folder);
  for (const auto precision :
       {headrace::Precision::fp32, headrace::Precision::int16, headrace::Precision::int8})
    headrace::add_model(folder, precision);
  std::filesystem::remove_all(folder);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
