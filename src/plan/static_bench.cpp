// Static models: short sentences a second, tokenising included, and the time to distil one.
//
//   HEADRACE_TEST_MODEL=FOLDER static_bench            (default: all-MiniLM-L6-v2 where it is
//   found)
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "base/check.h"
#include "embed/encoder.h"
#include "embed/static_distill.h"
#include "plan/static_embedder.h"

namespace headrace {
namespace {

std::string model_spec() {
  const char* folder = std::getenv("HEADRACE_TEST_MODEL");
  return folder != nullptr ? folder : kDefaultModel;
}

// Sentences of 6 to 14 words that differ from one another.
std::vector<std::string> sentences(size_t count) {
  const char* const words[] = {"the",       "river",   "carries",  "cold",     "water",   "from",
                               "a",         "quiet",   "mountain", "village",  "towards", "harbour",
                               "where",     "ships",   "wait",     "for",      "morning", "tide",
                               "engineers", "measure", "turbine",  "pressure", "every",   "hour"};
  std::vector<std::string> all(count);
  uint64_t state = 42;
  for (std::string& sentence : all) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    const size_t length = 6 + (state >> 60) % 9;
    for (size_t i = 0; i < length; ++i) {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      if (i > 0) sentence += ' ';
      sentence += words[(state >> 33) % std::size(words)];
    }
    sentence += '.';
  }
  return all;
}

void short_sentences(benchmark::State& state) {
  const auto model = StaticEmbedder::load(model_spec());
  HR_CHECK(model.has_value(), "the model is there");
  const std::vector<std::string> texts = sentences(100'000);
  ThreadPool pool(static_cast<size_t>(state.range(0)) - 1);
  uint64_t tokens = 0;
  for (auto iteration : state) {
    const auto embeddings = (*model)->embed(texts, {}, pool);
    HR_CHECK(embeddings.has_value(), "static models do not fail");
    benchmark::DoNotOptimize(embeddings->values.data());
    tokens += embeddings->tokens;
  }
  state.counters["sentences_per_s"] = benchmark::Counter(
      static_cast<double>(texts.size()), benchmark::Counter::kIsIterationInvariantRate);
  state.counters["tokens_per_sentence"] = static_cast<double>(tokens) /
                                          static_cast<double>(state.iterations()) /
                                          static_cast<double>(texts.size());
}
BENCHMARK(short_sentences)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime()->MinTime(2);

void distil(benchmark::State& state) {
  const std::string folder = fmt::format("/tmp/headrace-static-bench-{}", std::rand());
  ::setenv("HEADRACE_CACHE", folder.c_str(), 1);
  for (auto iteration : state) {
    HR_CHECK(StaticEmbedder::load(model_spec()).has_value(), "the model is there");
  }
  const auto names = FileSystem::real().list(folder);
  HR_CHECK(names.has_value() && names->size() == 1, "one table was kept");
  HR_CHECK(FileSystem::real().remove(folder + "/" + names->front()).has_value(), "it is ours");
}
BENCHMARK(distil)->Iterations(1)->Unit(benchmark::kSecond)->UseRealTime();

}  // namespace
}  // namespace headrace

BENCHMARK_MAIN();
