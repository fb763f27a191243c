#include "model_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "commands.h"
#include "embed/model_config.h"
#include "embed/model_store.h"
#include "plan/text_reranker.h"
#include "plan/vector_model.h"
#include "runtime/command.h"
#include "terminal.h"

namespace headrace::cli {

namespace {

// Gets {"model", "texts", "query"} on stdin, gives {"version", "vectors"} on stdout; with a query
// {"version", "scores"}. What lies in the current folder is not the Python's that is asked: `-c`
// looks there first (`-P`, which would not, is of 3.11).
constexpr const char* kReference = R"(
import sys
if sys.path and sys.path[0] == "":
    del sys.path[0]
import json
try:
    import sentence_transformers
except Exception as error:
    print(f"{type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
    missing = isinstance(error, ModuleNotFoundError) and error.name == "sentence_transformers"
    sys.exit(3 if missing else 4)
asked = json.load(sys.stdin)
answer = {"version": sentence_transformers.__version__}
if asked["query"] is None:
    model = sentence_transformers.SentenceTransformer(asked["model"], device="cpu", local_files_only=True)
    answer["vectors"] = model.encode(asked["texts"], show_progress_bar=False).tolist()
else:
    model = sentence_transformers.CrossEncoder(asked["model"], device="cpu", local_files_only=True)
    pairs = [(asked["query"], text) for text in asked["texts"]]
    answer["scores"] = model.predict(pairs, show_progress_bar=False).tolist()
json.dump(answer, sys.stdout)
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

std::string last_line(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  return text.substr(text.rfind('\n') == std::string::npos ? 0 : text.rfind('\n') + 1);
}

// `query`: null for vectors.
Result<nlohmann::json> ask_reference(const std::string& folder,
                                     const std::vector<std::string>& texts,
                                     const nlohmann::json& query) {
  const std::string input =
      nlohmann::json{{"model", folder}, {"texts", texts}, {"query", query}}.dump();
  constexpr auto kDeadline = std::chrono::minutes(10);
  HR_ASSIGN(const CommandOutput output,
            run_command({python(), "-c", kReference}, input, kDeadline, interrupt()));
  constexpr int kNotInstalled = 3;
  constexpr int kNotImported = 4;
  if (output.exit_code == kNotInstalled) {
    return fail(ErrorCode::unsupported,
                fmt::format("{} has no sentence-transformers to compare with", python()),
                "name a Python that has it in HEADRACE_PYTHON, or: pip install "
                "sentence-transformers");
  }
  if (output.exit_code == kNotImported) {
    return fail(ErrorCode::unsupported,
                fmt::format("{} cannot import its sentence-transformers: {}", python(),
                            last_line(output.err)),
                "install it anew, or name another Python in HEADRACE_PYTHON");
  }
  auto answer = nlohmann::json::parse(output.out, nullptr, false);
  if (output.exit_code != 0 || !answer.is_object()) {
    return fail(
        ErrorCode::unsupported,
        fmt::format("sentence-transformers could not run the model: {}", last_line(output.err)),
        "check that it can load " + folder);
  }
  return answer;
}

// Without modules of its own, a model that ends in a head for classification: sentence-transformers
// would make vectors of what lies below the head, which nobody asks a reranker for.
bool is_reranker(const std::string& directory) {
  if (std::ifstream(directory + "/modules.json")) {
    const auto config = embed::read_model_config(directory);
    return config && config->output == embed::ModelOutput::score;
  }
  std::ifstream file(directory + "/config.json");
  const auto config = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!config.is_object() || !config.contains("architectures")) return false;
  const nlohmann::json& names = config["architectures"];
  return names.is_array() && !names.empty() && names[0].is_string() &&
         names[0].get<std::string>().ends_with("ForSequenceClassification");
}

// How a comparison went.
struct Finding {
  bool ok = false;
  size_t worst = 0;               // the text
  std::string measured;           // in words
  nlohmann::ordered_json fields;  // for machines
};

Result<Finding> compare_vectors(const ModelFiles& files, const std::string& name,
                                const std::vector<std::string>& texts, std::string& version) {
  HR_ASSIGN(const auto model, load_vector_model(name, {.cache = "off"}));
  ThreadPool pool;
  EmbedOptions options;
  options.cancel = &interrupt();
  HR_ASSIGN(const Embeddings ours, model->embed(texts, options, pool));
  HR_ASSIGN(const nlohmann::json reference, ask_reference(files.directory, texts, nullptr));
  version = reference.value("version", "");
  const size_t dimension = model->info().dimension;
  Finding finding;
  double least = 1;
  double sum = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto theirs = reference["vectors"][i].get<std::vector<float>>();
    if (theirs.size() != dimension) {
      return fail(ErrorCode::damaged,
                  fmt::format("{}: {} dimensions here, {} in sentence-transformers", name,
                              dimension, theirs.size()));
    }
    const double value = cosine(std::span(ours.values).subspan(i * dimension, dimension), theirs);
    sum += value;
    if (!(value >= least)) {  // NaN too
      least = value;
      finding.worst = i;
    }
  }
  constexpr double kLeastExact = 0.9999;
  constexpr double kLeastInt8 = 0.99;
  const double bar = model->info().precision == "int8" ? kLeastInt8 : kLeastExact;
  finding.ok = least >= bar;
  const double mean = sum / static_cast<double>(texts.size());
  finding.fields = {{"cosine_min", least}, {"cosine_mean", mean}, {"bar", bar}};
  finding.measured = fmt::format("least cosine {:.7f}, mean {:.7f}", least, mean);
  return finding;
}

Result<Finding> compare_scores(const ModelFiles& files, const std::string& name,
                               const std::vector<std::string>& texts, std::string& version) {
  HR_ASSIGN(const auto model, TextReranker::load(name));
  ThreadPool pool;
  const std::string query = "How do I rotate keys?";
  HR_ASSIGN(const std::vector<float> ours, model->rerank(query, texts, pool, &interrupt()));
  HR_ASSIGN(const nlohmann::json reference, ask_reference(files.directory, texts, query));
  version = reference.value("version", "");
  Finding finding;
  double farthest = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto theirs = reference["scores"][i].get<double>();
    const double far = std::abs(ours[i] - theirs) / std::max(1.0, std::abs(theirs));
    if (!(far <= farthest)) {  // NaN too
      farthest = far;
      finding.worst = i;
    }
  }
  constexpr double kFarthest = 0.01;
  finding.ok = farthest <= kFarthest;
  finding.fields = {{"difference_max", farthest}, {"bar", kFarthest}};
  finding.measured = fmt::format("scores at most {:.6f} apart", farthest);
  return finding;
}

}  // namespace

Result<int> check_model(const std::string& name, bool json) {
  for (const std::string_view scheme : {"static:", "onnx:", "openai:", "python:"}) {
    if (!name.starts_with(scheme)) continue;
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} is no model that sentence-transformers could run beside it", name),
                "give a folder, NAME or ORG/NAME: what our own engine computes is compared");
  }
  HR_ASSIGN(const ModelFiles files, find_model(name));
  const std::vector<std::string> texts = sample_texts();
  const auto compare = is_reranker(files.directory) ? compare_scores : compare_vectors;
  std::string version;
  HR_ASSIGN(const Finding finding, compare(files, name, texts, version));
  const std::string reference = "sentence-transformers " + version;
  if (json) {
    nlohmann::ordered_json answer{{"model", name}, {"ok", finding.ok}, {"texts", texts.size()}};
    answer.update(finding.fields);
    answer["reference"] = reference;
    HR_TRY(print_line(answer.dump()));
  } else {
    const double bar = finding.fields["bar"].get<double>();
    fmt::print("{}  {} over {} texts, against {}: {}\n", bold(name), finding.measured, texts.size(),
               reference, finding.ok ? green("agrees") : yellow(fmt::format("beyond {}", bar)));
    if (!finding.ok)
      fmt::print("  farthest: {}\n", nlohmann::json(texts[finding.worst].substr(0, 80)).dump());
  }
  return finding.ok ? 0 : 1;
}

}  // namespace headrace::cli
