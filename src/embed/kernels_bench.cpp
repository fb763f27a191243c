// Where the time of a layer goes: each kernel alone, in the shapes of MiniLM (hidden 384, 12
// heads), as the fraction of the floor that a loop of nothing but multiply-adds reaches in the same
// run.
//
//   kernels_bench [TOKENS…]        HEADRACE_KERNEL=avx2 … another kernel than the best
//
// The best of many short calls counts, so that a busy machine does not disturb; CPU time, one
// thread.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <random>
#include <vector>

#include "embed/kernels.h"
#include "embed/layers.h"

namespace headrace::embed {
namespace {

double thread_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

template <class F>
double best_seconds(const F& call) {
  double best = 1e9;
  const double begin = thread_seconds();
  for (double now = begin; now < begin + 0.4;) {
    call();
    const double end = thread_seconds();
    best = std::min(best, end - now);
    now = end;
  }
  return best;
}

constexpr size_t kHidden = 384;
constexpr size_t kInner = 384;  // the slice of the intermediate columns

class Bench {
 public:
  explicit Bench(const Kernels& kernels) : kernels_(kernels) {
    std::mt19937 random(3);
    std::uniform_real_distribution<float> value(-1, 1);
    for (auto* buffer : {&input_, &output_, &residual_, &bias_}) {
      buffer->resize(512 * 3 * kHidden);
      for (size_t i = 0; i < buffer->size(); ++i) buffer->data()[i] = value(random);
    }
    panels_.resize(kHidden * 3 * kHidden);
    for (size_t i = 0; i < panels_.size(); ++i) panels_.data()[i] = to_half(0.05f * value(random));
    workspace_.resize(std::max(linear_workspace(), attention_workspace(512, 64)));
    float sink = 0;
    const double seconds = best_seconds([&] { kernels_.burn(20'000, &sink); });
    floor_ = static_cast<double>(kernels_.burn(20'000, &sink)) / seconds;
    std::printf("%s: floor %.1f GFLOP/s (%g)\n", kernels.name, floor_ / 1e9,
                static_cast<double>(sink));
  }

  void run(size_t tokens) {
    std::printf("%zu tokens\n", tokens);
    double flops = 0;
    double seconds = 0;
    const auto add = [&](const char* name, double part_flops, double part_seconds) {
      flops += part_flops;
      seconds += part_seconds;
      std::printf("  %-22s %8.1f us %6.1f %% of the floor\n", name, part_seconds * 1e6,
                  100 * part_flops / part_seconds / floor_);
    };
    const double square = 2.0 * static_cast<double>(tokens * kHidden * kHidden);
    add("query, key, value", 3 * square, linear(tokens, 3 * kHidden, Activation::none, false));
    add("attention", 4.0 * static_cast<double>(tokens * tokens * kHidden),
        12 * attention(tokens, kHidden / 12));
    add("attention output", square, linear(tokens, kHidden, Activation::none, false));
    add("up, gelu", 4 * square, 4 * linear(tokens, kInner, Activation::gelu, false));
    add("down", 4 * square, 4 * linear(tokens, kHidden, Activation::none, true));
    add("layer norm, twice", 0, 2 * layer_norm(tokens));
    add("all", flops, seconds);
  }

 private:
  double linear(size_t rows, size_t columns, Activation activation, bool accumulate) {
    return best_seconds([&] {
      kernels_.linear({.input = input_.data(),
                       .input_stride = kHidden,
                       .rows = rows,
                       .panels = panels_.data(),
                       .panel_stride = kHidden * kernels_.panel_width,
                       .depth = kHidden,
                       .columns = columns,
                       .bias = bias_.data(),
                       .output = output_.data(),
                       .output_stride = columns,
                       .accumulate = accumulate,
                       .activation = activation,
                       .workspace = workspace_.data()});
    });
  }
  double attention(size_t tokens, size_t head_size) {
    return best_seconds([&] {
      kernels_.attention({.query = input_.data(),
                          .key = input_.data() + kHidden,
                          .value = input_.data() + 2 * kHidden,
                          .stride = 3 * kHidden,
                          .tokens = tokens,
                          .head_size = head_size,
                          .scale = 0.2f,
                          .output = output_.data(),
                          .output_stride = kHidden,
                          .workspace = workspace_.data()});
    });
  }
  double layer_norm(size_t rows) {
    return best_seconds([&] {
      kernels_.layer_norm({.rows = output_.data(),
                           .stride = kHidden,
                           .residual = residual_.data(),
                           .residual_stride = kHidden,
                           .count = rows,
                           .width = kHidden,
                           .scale = bias_.data(),
                           .shift = bias_.data(),
                           .epsilon = 1e-12f});
    });
  }

  const Kernels& kernels_;
  double floor_ = 0;
  AlignedBuffer<float> input_, output_, residual_, bias_, workspace_;
  AlignedBuffer<Half> panels_;
};

}  // namespace
}  // namespace headrace::embed

int main(int argc, char** argv) {
  namespace embed = headrace::embed;
  embed::Bench bench(embed::kernels());
  if (argc < 2) {
    for (const size_t tokens : {32, 128, 256, 512}) bench.run(tokens);
  }
  for (int i = 1; i < argc; ++i) bench.run(std::strtoul(argv[i], nullptr, 10));
  return 0;
}
