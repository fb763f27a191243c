// Speed of tokenizing. HEADRACE_TEST_MODEL names a tokenizer.json or a model folder;
// HEADRACE_BENCH_TEXT a text file to read (otherwise a built-in English paragraph is repeated),
// taken as documents of about 16 KB. Prints bytes per second of one thread.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "transform/tokenizer.h"

namespace headrace {
namespace {

constexpr const char* kParagraph =
    "The write-ahead log is a standard method for ensuring data integrity. Changes to data files "
    "(where tables and indexes reside) must be written only after those changes have been logged, "
    "that is, after log records describing the changes have been flushed to permanent storage. If "
    "we follow this procedure, we do not need to flush data pages to disk on every transaction "
    "commit, because we know that in the event of a crash we will be able to recover the database "
    "using the log: any changes that have not been applied can be redone from the records. ";

std::string text() {
  if (const char* path = std::getenv("HEADRACE_BENCH_TEXT")) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::string out;
  while (out.size() < (1u << 20)) out += kParagraph;
  return out;
}

struct Corpus {
  std::vector<std::string> documents;
  int64_t bytes = 0;
};

Corpus corpus() {
  const std::string all = text();
  Corpus out;
  out.bytes = static_cast<int64_t>(all.size());
  for (size_t at = 0; at < all.size();) {
    const size_t line = all.find('\n', at + (16u << 10));
    const size_t end = line == std::string::npos ? all.size() : line + 1;
    out.documents.push_back(all.substr(at, end - at));
    at = end;
  }
  return out;
}

std::shared_ptr<const Tokenizer> tokenizer(benchmark::State& state) {
  const char* path = std::getenv("HEADRACE_TEST_MODEL");
  if (!path) {
    state.SkipWithError("HEADRACE_TEST_MODEL is not set");
    return nullptr;
  }
  auto loaded = Tokenizer::load(path);
  if (!loaded) {
    state.SkipWithError(loaded.error().text().c_str());
    return nullptr;
  }
  return *loaded;
}

void encode_all(benchmark::State& state, const Tokenizer& tokens) {
  const Corpus input = corpus();
  Encoding encoding;
  size_t count = 0;
  for (auto _ : state) {
    count = 0;
    for (const std::string& document : input.documents) {
      encoding.clear();
      tokens.encode(document, encoding);
      count += encoding.ids.size();
    }
    benchmark::DoNotOptimize(encoding.ids.data());
  }
  state.SetBytesProcessed(state.iterations() * input.bytes);
  state.counters["tokens"] = static_cast<double>(count);
}

void encode_with_offsets(benchmark::State& state) {
  const auto tokens = tokenizer(state);
  if (!tokens) return;
  encode_all(state, *tokens);
}
BENCHMARK(encode_with_offsets)->Unit(benchmark::kMillisecond);

void encode_only_ids(benchmark::State& state) {
  const auto tokens = tokenizer(state);
  if (!tokens) return;
  const Corpus input = corpus();
  std::vector<int32_t> ids;
  for (auto _ : state) {
    for (const std::string& document : input.documents) {
      ids.clear();
      benchmark::DoNotOptimize(tokens->encode_ids(document, 0, ids));
    }
  }
  state.SetBytesProcessed(state.iterations() * input.bytes);
}
BENCHMARK(encode_only_ids)->Unit(benchmark::kMillisecond);

// The whole text once, by a tokenizer that has seen nothing before.
void encode_new_text(benchmark::State& state) {
  const Corpus input = corpus();
  std::vector<int32_t> ids;
  for (auto _ : state) {
    state.PauseTiming();
    const auto tokens = tokenizer(state);
    if (!tokens) return;
    tokens->encode_ids("a", 0, ids);  // what a thread sets up once
    state.ResumeTiming();
    for (const std::string& document : input.documents) {
      ids.clear();
      benchmark::DoNotOptimize(tokens->encode_ids(document, 0, ids));
    }
  }
  state.SetBytesProcessed(state.iterations() * input.bytes);
}
BENCHMARK(encode_new_text)->Unit(benchmark::kMillisecond)->Iterations(1);

void without_model(benchmark::State& state) {
  const auto tokens = Tokenizer::without_model();
  encode_all(state, *tokens);
}
BENCHMARK(without_model)->Unit(benchmark::kMillisecond);

void load(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(tokenizer(state));
}
BENCHMARK(load)->Unit(benchmark::kMillisecond);

void code_point_offsets(benchmark::State& state) {
  const auto tokens = Tokenizer::without_model();
  const std::string input = text();
  Encoding encoding;
  tokens->encode(input, encoding);
  for (auto _ : state) {
    std::vector<uint32_t> begins = encoding.begins;
    std::vector<uint32_t> ends = encoding.ends;
    offsets_to_code_points(input, begins, ends);
    benchmark::DoNotOptimize(ends.data());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * input.size()));
}
BENCHMARK(code_point_offsets)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace headrace

BENCHMARK_MAIN();
