#include <fmt/format.h>

#include <cstdio>

#include "commands.h"
#include "plan/ingest.h"
#include "terminal.h"

namespace headrace::cli {

namespace {

struct IndexArguments {
  IngestOptions ingest;
  std::string memory;
  bool strict = false;
};

// Errors that are printed one by one; the rest are counted and listed by `headrace errors`.
constexpr uint64_t kErrorsShown = 20;

void print_summary(const IngestOptions& options, const IngestReport& report) {
  const uint64_t documents = report.added + report.updated + report.unchanged;
  fmt::print("{}{} in {}: {} added, {} updated, {} unchanged", options.dry_run ? "would be: " : "",
             counted(documents, "document"), options.kb, human_count(report.added),
             human_count(report.updated), human_count(report.unchanged));
  if (report.removed > 0) fmt::print(", {} removed", human_count(report.removed));
  if (report.empty > 0) fmt::print(", {} empty", human_count(report.empty));
  if (report.failed > 0) fmt::print(", {}", yellow(fmt::format("{} failed", report.failed)));
  fmt::print("\n{}", counted(report.rows, "row"));
  if (report.tokens > 0) {
    fmt::print(", {} embedded ({} a second)", counted(report.tokens, "token"),
               human_count(static_cast<uint64_t>(static_cast<double>(report.tokens) /
                                                 std::max(report.seconds, 1e-3))));
  }
  if (report.reused > 0) {
    fmt::print(", {} known from before", counted(report.reused, "vector"));
  }
  fmt::print(", {} read in {}, searchable after {}, peak memory {}\n", human_bytes(report.bytes_in),
             human_seconds(report.seconds), human_seconds(report.searchable_seconds),
             human_bytes(report.peak_rss_bytes));
  if (report.failed > 0 && !options.dry_run)
    fmt::print("{}\n", dim(fmt::format("headrace errors {} lists what failed", options.kb)));
  if (report.without_vectors > 0) {
    fmt::print("{}\n",
               yellow(fmt::format("{} without vectors, found by words only, until headrace index "
                                  "runs without --model none",
                                  counted(report.without_vectors, "row"))));
  }
  if (report.refused > 0) {
    fmt::print("{}\n", yellow(fmt::format("{} without a vector, found by words only: the model "
                                          "refused the text; the next run asks again",
                                          counted(report.refused, "row"))));
  }
  if (report.interrupted) {
    fmt::print("{}\n", yellow("interrupted: what is above is kept; the same command goes on"));
  }
}

Result<int> run_index(IndexArguments& arguments, bool json) {
  IngestOptions& options = arguments.ingest;
  if (!arguments.memory.empty()) {
    HR_ASSIGN(options.memory_bytes, parse_bytes(arguments.memory));
    if (options.memory_bytes == 0) {
      return fail(ErrorCode::invalid_argument, "--memory 0 leaves nothing to work with",
                  "leave it out for a quarter of the machine's");
    }
  }
  Progress progress;
  Result<IngestReport> report = IngestReport();
  {
    ProgressBar bar(progress);
    uint64_t printed = 0;
    options.on_error = [&](const DocumentError& failed) {
      if (++printed > kErrorsShown) return;
      bar.message(fmt::format("{} {} ({}): {}", yellow("failed", Stream::err), shown(failed.source),
                              failed.stage, shown(reason_of(failed))));
      if (printed == kErrorsShown) bar.message("… further failures are only counted");
    };
    report = ingest(options, progress, interrupt());
  }
  if (!report) return std::unexpected(std::move(report).error());
  if (json) {
    HR_TRY(print_line(report->to_json()));
  } else {
    print_summary(options, *report);
  }
  if (!report->not_kept.empty()) print_warning(report->not_kept);
  if (report->interrupted) return 130;
  return arguments.strict && report->failed + report->refused > 0 ? 1 : 0;
}

}  // namespace

void add_index_command(CLI::App& app, Invocation& invocation) {
  CLI::App* command = app.add_subcommand("index", "Make documents searchable");
  const auto arguments = std::make_shared<IndexArguments>();
  IngestOptions& options = arguments->ingest;
  command
      ->add_option("PATH", options.stream.paths,
                   "Files, folders, globs (quoted), or - for standard input")
      ->required();
  command
      ->add_option("--into", options.kb, "The knowledge base: a folder, made when it is not there")
      ->required();
  command->add_option(
      "--name", options.stream.input_name,
      "What standard input is called: given again, it replaces what came under that "
      "name (without: what has no id or member's name of its own is added)");
  command->add_option("--model", options.model,
                      "Embedding model (a folder or a name), or none; default all-MiniLM-L6-v2");
  command
      ->add_option("--precision", options.precision,
                   "Of the model's arithmetic: auto (default: int16 where it is faster than fp32, "
                   "and as good), fp32, bf16, int16, int8 (faster, near) or static (as static:M)")
      ->check(CLI::IsMember({"auto", "fp32", "bf16", "int16", "int8", "static"}));
  command
      ->add_option("--dimensions", options.dimensions,
                   "Cut the model's vectors to so many dimensions, for models trained for it")
      ->check(CLI::Range(1, 65536));
  command->add_option("--cache", options.model_options.cache,
                      "A folder for vectors to keep between runs, or off (default: "
                      "$HEADRACE_CACHE, else headrace/vectors in the user's cache folder)");
  command
      ->add_option("--chunk-tokens", options.chunk_tokens,
                   "Most tokens of a row (default 256); without a model four letters of a "
                   "word, two digits or one mark are a token")
      ->check(CLI::Range(32, 100000));
  command->add_option("--overlap", options.overlap, "Tokens repeated between rows (default 32)")
      ->check(CLI::Range(0, 50000));
  command->add_flag_callback(
      "--embed-headings", [&options] { options.embed_headings = true; },
      "A row's vector is of the headings above it too (kept by the knowledge base; default: not)");
  command->add_flag_callback(
      "--no-embed-headings", [&options] { options.embed_headings = false; },
      "A row's vector is of its title and text alone");
  command->add_option("--language", options.language,
                      "Language of stemming of a new knowledge base: en, de, …, none (default en)");
  command->add_flag("--instant", options.instant,
                    "Searchable at once, by words and a static model; the model itself follows");
  command->add_flag("--watch", options.watch, "Then follow the sources until Ctrl-C");
  command->add_flag("--prune", options.prune,
                    "Remove documents that vanished from the sources (what --include and --exclude "
                    "leave out stays)");
  command->add_flag("--dry-run", options.dry_run, "Only say what would be done");
  command->add_flag("--strict", arguments->strict,
                    "Exit 1 when a document failed, or a text got no vector");
  command->add_option("--include", options.stream.walk.include, "Only files matching this glob");
  command->add_option("--exclude", options.stream.walk.exclude,
                      "No files or folders matching this glob");
  command->add_option("--text-column", options.stream.columns.text,
                      "JSONL field or CSV column with the text");
  command->add_option("--id-column", options.stream.columns.id, "… with the id");
  command->add_option("--title-column", options.stream.columns.title, "… with the title");
  command->add_option("--memory", arguments->memory,
                      "Budget for the whole process, e.g. 1GiB (default a quarter of the machine)");
  command->add_option("--threads", options.threads, "Threads (default, and 0: all)")
      ->check(CLI::Range(0, 1024));
  command->footer(
      "Examples:\n"
      "  headrace index docs/ --into kb\n"
      "  headrace index 'manuals/**/*.pdf' notes.jsonl --into kb --memory 1GiB\n"
      "  headrace index docs/ --into kb --prune          run again: only changes are redone\n"
      "  headrace index docs/ --into kb --instant        search while the model still works\n"
      "  headrace index inbox/ --into kb --watch         searchable within a second of saving\n"
      "  headrace index table.csv --into kb --text-column body --id-column nr\n"
      "  tar c docs/ | headrace index - --into kb\n\n"
      "A document that fails is reported, kept in `headrace errors KB`, and ends nothing else.\n"
      "Names in a .headraceignore file (syntax of .gitignore) and names with a leading dot are "
      "left out.");
  command->callback([arguments, &invocation] {
    invocation.action = [arguments, &invocation] { return run_index(*arguments, invocation.json); };
  });
}

}  // namespace headrace::cli
