// Speed of tokenizing. HEADRACE_TEST_MODEL names a model folder; HEADRACE_BENCH_TEXT a text file
// to read (otherwise a built-in English paragraph is repeated). Prints bytes per second of one
// thread.
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

void encode_with_offsets(benchmark::State& state) {
  const auto tokens = tokenizer(state);
  if (!tokens) return;
  const std::string input = text();
  Encoding encoding;
  for (auto _ : state) {
    encoding.clear();
    tokens->encode(input, encoding);
    benchmark::DoNotOptimize(encoding.ids.data());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * input.size()));
  state.counters["tokens"] = static_cast<double>(encoding.ids.size());
}
BENCHMARK(encode_with_offsets)->Unit(benchmark::kMillisecond);

void encode_only_ids(benchmark::State& state) {
  const auto tokens = tokenizer(state);
  if (!tokens) return;
  const std::string input = text();
  std::vector<int32_t> ids;
  for (auto _ : state) {
    ids.clear();
    benchmark::DoNotOptimize(tokens->encode_ids(input, 0, ids));
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * input.size()));
}
BENCHMARK(encode_only_ids)->Unit(benchmark::kMillisecond);

void without_model(benchmark::State& state) {
  const auto tokens = Tokenizer::without_model();
  const std::string input = text();
  Encoding encoding;
  for (auto _ : state) {
    encoding.clear();
    tokens->encode(input, encoding);
    benchmark::DoNotOptimize(encoding.ids.data());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * input.size()));
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
