// How close the engine comes to the floor: the time that its multiply-adds would take at the rate
// of a loop that does nothing else, measured in the same run with the same instruction set.
//
//   encoder_bench                       random weights in the shapes of MiniLM-L6 and bge-small
//   HEADRACE_TEST_MODEL=DIR …           that model too
//   HEADRACE_KERNEL=avx2 …              another kernel than the best
//
// query16_shared is a query of 16 tokens as two threads share it, by the wall clock.
//
// Columns: tokens_per_s (median call), floor_percent (the fraction of the floor that it reaches)
// and best_percent (the fastest call, for machines with neighbours). One thread, CPU time. For
// whole numbers they are fractions of the floor of float arithmetic, so they may exceed 100.
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/check.h"
#include "embed/bench_floor.h"
#include "embed/encoder.h"
#include "embed/kernels.h"
#include "embed/model_config.h"
#include "embed/text_encoder.h"
#include "runtime/thread_pool.h"

namespace headrace::embed {
namespace {

double thread_seconds() {
  return clock_seconds(CLOCK_THREAD_CPUTIME_ID);
}

// Writes a model of the given shape with small random weights; speed does not depend on values.
void write_random_model(const std::string& folder, uint32_t layers) {
  constexpr uint64_t kHidden = 384;
  constexpr uint64_t kInner = 1536;
  constexpr uint64_t kVocabulary = 30522;
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/config.json") << fmt::format(
      R"({{"model_type":"bert","hidden_size":{},"num_hidden_layers":{},"num_attention_heads":12,)"
      R"("intermediate_size":{},"vocab_size":{},"max_position_embeddings":512,)"
      R"("hidden_act":"gelu","layer_norm_eps":1e-12,"type_vocab_size":2}})",
      kHidden, layers, kInner, kVocabulary);
  std::vector<std::pair<std::string, std::vector<uint64_t>>> tensors{
      {"embeddings.word_embeddings.weight", {kVocabulary, kHidden}},
      {"embeddings.position_embeddings.weight", {512, kHidden}},
      {"embeddings.token_type_embeddings.weight", {2, kHidden}},
      {"embeddings.LayerNorm.weight", {kHidden}},
      {"embeddings.LayerNorm.bias", {kHidden}}};
  const auto linear = [&](const std::string& name, uint64_t outputs, uint64_t inputs) {
    tensors.push_back({name + ".weight", {outputs, inputs}});
    tensors.push_back({name + ".bias", {outputs}});
  };
  for (uint32_t i = 0; i < layers; ++i) {
    const std::string layer = fmt::format("encoder.layer.{}.", i);
    for (const char* part : {"attention.self.query", "attention.self.key", "attention.self.value",
                             "attention.output.dense"})
      linear(layer + part, kHidden, kHidden);
    linear(layer + "intermediate.dense", kInner, kHidden);
    linear(layer + "output.dense", kHidden, kInner);
    for (const char* part : {"attention.output.LayerNorm", "output.LayerNorm"}) {
      tensors.push_back({layer + part + ".weight", {kHidden}});
      tensors.push_back({layer + part + ".bias", {kHidden}});
    }
  }
  std::string header = "{";
  uint64_t place = 0;
  for (const auto& [name, shape] : tensors) {
    const uint64_t bytes = 2 * shape[0] * (shape.size() > 1 ? shape[1] : 1);
    header +=
        fmt::format(R"({}"{}":{{"dtype":"F16","shape":[{}{}],"data_offsets":[{},{}]}})",
                    header.size() > 1 ? "," : "", name, shape[0],
                    shape.size() > 1 ? fmt::format(",{}", shape[1]) : "", place, place + bytes);
    place += bytes;
  }
  header += "}";
  std::ofstream file(folder + "/model.safetensors", std::ios::binary);
  const uint64_t size = header.size();
  for (int i = 0; i < 8; ++i) file.put(static_cast<char>(size >> (8 * i) & 0xff));
  file << header;
  std::mt19937 random(1);
  std::vector<Half> halves(place / 2);
  for (Half& half : halves) half = to_half((static_cast<float>(random() % 2001) - 1000.0f) * 5e-5f);
  file.write(reinterpret_cast<const char*>(halves.data()), static_cast<std::streamsize>(place));
  HR_CHECK(file.good(), "the benchmark can write its model");
}

struct Model {
  ModelConfig config;
  std::unique_ptr<const Encoder> encoder;
};

Model load(const std::string& folder, Precision precision) {
  auto config = read_model_config(folder);
  HR_CHECK(config.has_value(), "the benchmark's model has a good config.json");
  auto encoder = load_encoder({"bench", folder, "directory"}, kernels(), precision);
  HR_CHECK(encoder.has_value(), "the benchmark's model loads");
  return {std::move(*config), std::move(*encoder)};
}

// `count` sequences of `tokens` tokens a call; 0 tokens: lengths mixed from 10 to 256.
void run(benchmark::State& state, const Model& model, size_t tokens, size_t count) {
  std::mt19937 random(5);
  std::vector<std::vector<int32_t>> ids(count);
  double flops = 0;
  size_t total = 0;
  for (auto& sequence : ids) {
    sequence.resize(tokens > 0 ? tokens : 10 + random() % 247);
    for (int32_t& id : sequence)
      id = static_cast<int32_t>(random() % (model.config.vocabulary - 1000));
    const auto length = static_cast<double>(sequence.size());
    flops += length * flops_per_token(model.config, length);
    total += sequence.size();
  }
  const std::vector<std::span<const int32_t>> sequences(ids.begin(), ids.end());
  std::vector<float> out(count * model.config.hidden);
  const Encoder::ScratchPtr scratch = model.encoder->new_scratch();
  const auto embed = [&] {
    const double start = thread_seconds();
    HR_CHECK(model.encoder->embed(sequences, out, *scratch), "the ids are in range");
    benchmark::DoNotOptimize(out.data());
    return thread_seconds() - start;
  };
  embed();  // scratch memory comes into being
  // The floor is measured between the calls, so that both see the same clock and neighbours.
  std::vector<double> seconds;
  std::vector<double> floors;
  for (auto iteration : state) {
    seconds.push_back(embed());
    state.PauseTiming();
    floors.push_back(floor_flops());
    state.ResumeTiming();
  }
  const double floor = std::ranges::max(floors);
  state.counters["tokens_per_s"] = static_cast<double>(total) / median(seconds);
  state.counters["floor_percent"] = 100 * flops / median(seconds) / floor;
  state.counters["best_percent"] = 100 * flops / std::ranges::min(seconds) / floor;
  state.counters["floor_gflops"] = floor / 1e9;
}

// One query at a time, as two threads share it.
void run_shared(benchmark::State& state, const Model& model) {
  const std::vector<int32_t> ids(16, 2000);
  const std::span<const int32_t> sequences[] = {ids};
  std::vector<float> out(model.config.hidden);
  const Encoder::ScratchPtr scratch = model.encoder->new_scratch();
  ThreadPool pool(1);
  std::vector<double> seconds;
  for (auto iteration : state) {
    const auto start = std::chrono::steady_clock::now();
    Team team(2);
    pool.parallel_for(2, [&](size_t member) {
      if (member > 0) {
        team.serve(member);
        return;
      }
      HR_CHECK(model.encoder->embed(sequences, out, *scratch, {}, &team), "the ids are in range");
      team.finish();
    });
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  state.counters["median_ms"] = 1e3 * median(seconds);
  state.counters["best_ms"] = 1e3 * std::ranges::min(seconds);
}

void add_model(const std::string& shape, const std::string& folder, Precision precision) {
  const auto model = std::make_shared<const Model>(load(folder, precision));
  const std::string name = fmt::format("{}/{}", shape, precision_name(precision));
  for (const size_t tokens : {32, 128, 256, 512}) {
    if (tokens > model->config.tokens_max) continue;
    benchmark::RegisterBenchmark(fmt::format("{}/{}/{}", kernels().name, name, tokens).c_str(),
                                 [model, tokens](benchmark::State& state) {
                                   run(state, *model, tokens, std::max<size_t>(1, 256 / tokens));
                                 })
        ->Unit(benchmark::kMillisecond)
        ->MinTime(1);
  }
  benchmark::RegisterBenchmark(fmt::format("{}/{}/mixed", kernels().name, name).c_str(),
                               [model](benchmark::State& state) { run(state, *model, 0, 16); })
      ->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark(fmt::format("{}/{}/query16", kernels().name, name).c_str(),
                               [model](benchmark::State& state) { run(state, *model, 16, 1); })
      ->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark(fmt::format("{}/{}/query16_shared", kernels().name, name).c_str(),
                               [model](benchmark::State& state) { run_shared(state, *model); })
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime();
}

}  // namespace
}  // namespace headrace::embed

int main(int argc, char** argv) {
  namespace embed = headrace::embed;
  benchmark::Initialize(&argc, argv);
  std::string pattern = (std::filesystem::temp_directory_path() / "encoder_bench_XXXXXX").string();
  HR_CHECK(::mkdtemp(pattern.data()) != nullptr, "a temporary folder can be made");
  embed::write_random_model(pattern + "/minilm", 6);
  embed::write_random_model(pattern + "/bge", 12);
  for (const auto precision :
       {headrace::Precision::fp32, headrace::Precision::int16, headrace::Precision::int8}) {
    embed::add_model("minilm-shape", pattern + "/minilm", precision);
    embed::add_model("bge-small-shape", pattern + "/bge", precision);
    if (const char* folder = std::getenv("HEADRACE_TEST_MODEL"); folder != nullptr)
      embed::add_model("model", folder, precision);
  }
  std::filesystem::remove_all(pattern);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
