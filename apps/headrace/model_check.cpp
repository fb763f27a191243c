#include "model_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <vector>

#include "commands.h"
#include "embed/model_store.h"
#include "plan/vector_model.h"
#include "runtime/command.h"
#include "terminal.h"

namespace headrace::cli {

namespace {

// Gets {"model", "texts"} on stdin, gives {"version", "vectors"} on stdout.
constexpr const char* kReference = R"(
import json, sys
try:
    import sentence_transformers
except ImportError:
    sys.exit(3)
asked = json.load(sys.stdin)
model = sentence_transformers.SentenceTransformer(asked["model"], device="cpu", local_files_only=True)
vectors = model.encode(asked["texts"], show_progress_bar=False, prompt="")
json.dump({"version": sentence_transformers.__version__, "vectors": vectors.tolist()}, sys.stdout)
)";

std::vector<std::string> sample_texts() {
  std::vector<std::string> texts{
      "",
      "a",
      "How do I rotate keys?",
      "The quick brown fox jumps over the lazy dog.",
      "Übergrößenträger öffnen Türen für Ärzte.",
      "Москва — столица России.",
      "東京は日本の首都です。",
      "emoji 🙂 and symbols ∑ ≤ €",
      "def add(a, b):\n    return a + b  # adds",
      "SELECT name, count(*) FROM t WHERE x >= 3.14 GROUP BY name;",
      "supercalifragilisticexpialidocious antidisestablishmentarianism",
      "1234567890 0.5e-10 2026-11-25T12:00:00Z https://example.com/a?b=c#d",
      "\ttabs\tand   spaces \n\n newlines",
  };
  // Lengths up to and beyond what models read.
  for (const int words : {20, 60, 120, 250, 600}) {
    std::string text;
    for (int i = 0; i < words; ++i)
      text += fmt::format("{}word{} ", i % 11 == 0 ? "Every " : "", i * 37 % 101);
    texts.push_back(text);
  }
  return texts;
}

std::string python() {
  const char* chosen = std::getenv("HEADRACE_PYTHON");
  if (chosen != nullptr && *chosen != '\0') return chosen;
  const char* environment = std::getenv("VIRTUAL_ENV");
  if (environment != nullptr && *environment != '\0')
    return std::string(environment) + "/bin/python";
  return "python3";
}

double cosine(std::span<const float> a, const std::vector<float>& b) {
  double dot = 0;
  double square_a = 0;
  double square_b = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    dot += double{a[i]} * b[i];
    square_a += double{a[i]} * a[i];
    square_b += double{b[i]} * b[i];
  }
  if (square_a == 0 || square_b == 0) return square_a == square_b ? 1 : 0;
  return dot / std::sqrt(square_a * square_b);
}

Result<nlohmann::json> ask_reference(const std::string& folder,
                                     const std::vector<std::string>& texts) {
  const std::string input = nlohmann::json{{"model", folder}, {"texts", texts}}.dump();
  constexpr auto kDeadline = std::chrono::minutes(10);
  HR_ASSIGN(const CommandOutput output,
            run_command({python(), "-c", kReference}, input, kDeadline, interrupt()));
  constexpr int kNotInstalled = 3;
  if (output.exit_code == kNotInstalled) {
    return fail(ErrorCode::unsupported,
                fmt::format("{} has no sentence-transformers to compare with", python()),
                "name a Python that has it in HEADRACE_PYTHON, or: pip install "
                "sentence-transformers");
  }
  auto answer = nlohmann::json::parse(output.out, nullptr, false);
  if (output.exit_code != 0 || !answer.is_object()) {
    std::string last = output.err;
    while (last.ends_with('\n')) last.pop_back();
    last = last.substr(last.rfind('\n') == std::string::npos ? 0 : last.rfind('\n') + 1);
    return fail(ErrorCode::unsupported,
                fmt::format("sentence-transformers could not run the model: {}", last),
                "check that it can load " + folder);
  }
  return answer;
}

}  // namespace

Result<int> check_model(const std::string& name, bool json) {
  HR_ASSIGN(const ModelFiles files, find_model(name));
  HR_ASSIGN(const auto model, load_vector_model(name, {.cache = "off"}));
  const std::vector<std::string> texts = sample_texts();
  ThreadPool pool;
  EmbedOptions options;
  options.cancel = &interrupt();
  HR_ASSIGN(const Embeddings ours, model->embed(texts, options, pool));
  HR_ASSIGN(const nlohmann::json reference, ask_reference(files.directory, texts));
  const size_t dimension = model->info().dimension;
  double least = 1;
  double sum = 0;
  size_t worst = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto theirs = reference["vectors"][i].get<std::vector<float>>();
    if (theirs.size() != dimension) {
      return fail(ErrorCode::damaged,
                  fmt::format("{}: {} dimensions here, {} in sentence-transformers", name,
                              dimension, theirs.size()));
    }
    const double value = cosine(std::span(ours.values).subspan(i * dimension, dimension), theirs);
    sum += value;
    if (value < least) {
      least = value;
      worst = i;
    }
  }
  constexpr double kLeastExact = 0.9999;
  constexpr double kLeastInt8 = 0.99;
  const double bar = model->info().precision == "int8" ? kLeastInt8 : kLeastExact;
  const bool ok = least >= bar;
  const double mean = sum / static_cast<double>(texts.size());
  const std::string version = reference.value("version", "");
  if (json) {
    HR_TRY(print_line(nlohmann::ordered_json{{"model", name},
                                             {"ok", ok},
                                             {"texts", texts.size()},
                                             {"cosine_min", least},
                                             {"cosine_mean", mean},
                                             {"bar", bar},
                                             {"reference", "sentence-transformers " + version}}
                          .dump()));
  } else {
    fmt::print(
        "{}  least cosine {:.7f}, mean {:.7f} over {} texts, against "
        "sentence-transformers {}: {}\n",
        bold(name), least, mean, texts.size(), version,
        ok ? green("agrees") : yellow(fmt::format("below {}", bar)));
    if (!ok) fmt::print("  farthest: {}\n", nlohmann::json(texts[worst].substr(0, 80)).dump());
  }
  return ok ? 0 : 1;
}

}  // namespace headrace::cli
