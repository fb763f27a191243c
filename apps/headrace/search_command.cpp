#include <fmt/format.h>

#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "commands.h"
#include "plan/knowledge.h"
#include "plan/render.h"
#include "terminal.h"

namespace headrace::cli {

namespace {

using Clock = std::chrono::steady_clock;

struct SearchArguments {
  std::string kb;
  std::string query;
  std::string queries_file;
  std::string mode;
  SearchOptions options;
};

// What is shown of a row: a window around its first match, at most this many bytes.
constexpr size_t kSnippetBytes = 320;

// The place a person can open: FILE:LINE or FILE page N.
std::string place(const Row& row) {
  if (row.page > 0) return fmt::format("{} page {}", row.source, row.page);
  if (row.line > 0) return fmt::format("{}:{}", row.source, row.line);
  return row.source;
}

std::string snippet(const Hit& hit) {
  const std::string& text = hit.row.text;
  size_t begin = 0;
  if (!hit.matches.empty() && text.size() > kSnippetBytes) {
    begin = hit.matches.front().begin > 80 ? hit.matches.front().begin - 80 : 0;
    begin = code_point_floor(text, begin);
    const size_t space = text.find_first_of(" \n", begin);
    if (begin > 0 && space != std::string::npos && space < hit.matches.front().begin)
      begin = space + 1;
  }
  size_t end = code_point_floor(text, std::min(text.size(), begin + kSnippetBytes));
  std::string shown = begin > 0 ? "…" : "";
  size_t at = begin;
  for (const index::MatchRange& match : hit.matches) {
    if (match.begin < at || match.end > end) continue;
    shown += text.substr(at, match.begin - at);
    shown += yellow(std::string_view(text).substr(match.begin, match.end - match.begin));
    at = match.end;
  }
  shown += text.substr(at, end - at);
  if (end < text.size()) shown += "…";
  for (char& c : shown) {
    if (c == '\n' || c == '\t') c = ' ';
  }
  return shown;
}

void print_hits(const std::vector<Hit>& hits, double took_ms) {
  if (hits.empty()) fmt::print("nothing found\n");
  size_t number = 0;
  for (const Hit& hit : hits) {
    const Row& row = hit.row;
    const std::string head = !row.title.empty() ? row.title : row.source;
    fmt::print("{:>2}. {}", ++number, bold(head));
    if (!row.heading.empty() && row.heading != row.title) fmt::print(" › {}", row.heading);
    fmt::print("\n    {}  {}\n    {}\n\n", green(place(row)), dim(fmt::format("{:.3f}", hit.score)),
               snippet(hit));
  }
  fmt::print("{}\n", dim(fmt::format("{} hits in {:.1f} ms", hits.size(), took_ms)));
}

Result<std::optional<index::SearchMode>> parse_mode(const std::string& mode) {
  using index::SearchMode;
  if (mode.empty()) return std::optional<SearchMode>();
  if (mode == "hybrid") return std::optional(SearchMode::hybrid);
  if (mode == "vector") return std::optional(SearchMode::vector);
  if (mode == "text") return std::optional(SearchMode::text);
  return fail(ErrorCode::invalid_argument, fmt::format("\"{}\" is no search mode", mode),
              "use hybrid, vector or text");
}

struct QueryLine {
  std::string id;  // JSON, empty where there is none
  std::string text;
};

Result<std::vector<QueryLine>> read_queries(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    return fail(ErrorCode::not_found, fmt::format("{} cannot be read", path), "check the path");
  }
  std::vector<QueryLine> queries;
  std::string line;
  for (size_t number = 1; std::getline(file, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const auto parsed = nlohmann::json::parse(line, nullptr, false);
    const auto text = [&](const char* name) {
      return parsed.is_object() && parsed.contains(name) && parsed[name].is_string()
                 ? parsed[name].get<std::string>()
                 : std::string();
    };
    std::string query = text("text");
    if (query.empty()) query = text("query");
    if (!parsed.is_object() ||
        (query.empty() && !parsed.contains("text") && !parsed.contains("query"))) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("{} line {}: no object with \"text\" or \"query\"", path, number),
                  "write one {\"id\": …, \"text\": …} a line");
    }
    std::string id;
    for (const char* name : {"id", "_id"}) {
      if (id.empty() && parsed.contains(name)) id = parsed[name].dump();
    }
    queries.push_back({std::move(id), std::move(query)});
  }
  return queries;
}

Result<int> run_batch(const SearchArguments& arguments, Knowledge& knowledge) {
  HR_ASSIGN(const std::vector<QueryLine> queries, read_queries(arguments.queries_file));
  constexpr size_t kQueriesPerRound = 256;
  for (size_t begin = 0; begin < queries.size(); begin += kQueriesPerRound) {
    HR_TRY(interrupt().check());
    const size_t end = std::min(queries.size(), begin + kQueriesPerRound);
    std::vector<std::string> texts;
    for (size_t i = begin; i < end; ++i) texts.push_back(queries[i].text);
    const auto start = Clock::now();
    HR_ASSIGN(const BatchAnswers answers, knowledge.search_batch(texts, arguments.options, 1.0, 0));
    const double took_ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count() /
                           static_cast<double>(texts.size());
    for (size_t i = 0; i < texts.size(); ++i) {
      std::vector<Hit> hits;
      for (uint32_t h = 0; h < answers.counts[i]; ++h) {
        const index::ScoredRow& at = answers.rows[i * answers.k + h];
        hits.push_back({answers.snapshot->row(at), at.score, {}});
      }
      HR_TRY(print_line(hits_json(hits, took_ms, queries[begin + i].id)));
    }
  }
  return 0;
}

Result<int> run_search(SearchArguments& arguments, bool json) {
  HR_ASSIGN(arguments.options.mode, parse_mode(arguments.mode));
  HR_ASSIGN(const auto knowledge, Knowledge::open(arguments.kb, {}));
  if (!arguments.queries_file.empty()) return run_batch(arguments, *knowledge);
  const auto start = Clock::now();
  HR_ASSIGN(const std::vector<Hit> hits, knowledge->search(arguments.query, arguments.options));
  const double took_ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  if (json) {
    HR_TRY(print_line(hits_json(hits, took_ms)));
  } else {
    print_hits(hits, took_ms);
  }
  return 0;
}

}  // namespace

void add_search_command(CLI::App& app, Invocation& invocation) {
  CLI::App* command = app.add_subcommand("search", "Find rows by words and by meaning");
  const auto arguments = std::make_shared<SearchArguments>();
  command->add_option("KB", arguments->kb, "The knowledge base")->required();
  CLI::Option* query = command->add_option("QUERY", arguments->query,
                                           "What to look for; \"\" lists the newest rows");
  CLI::Option* file = command->add_option("--queries", arguments->queries_file,
                                          "A JSONL file of queries: one answer a line, as JSON");
  query->excludes(file);
  command->add_option("-k", arguments->options.k, "How many hits (default 10)")
      ->check(CLI::Range(1, 100000));
  command->add_option("--mode", arguments->mode,
                      "hybrid, vector or text (default: hybrid where there are vectors)");
  command->add_option("--filter", arguments->options.filter, "Only rows for which this is true");
  command->add_option("--space", arguments->options.space, "Which vectors to use");
  command->footer(
      "Examples:\n"
      "  headrace search kb \"how do I rotate keys\"\n"
      "  headrace search kb rotation -k 3 --mode text\n"
      "  headrace search kb backup --filter \"source like 'ops/%' and year >= 2020\"\n"
      "  headrace search kb --queries queries.jsonl --json > hits.jsonl\n\n"
      "Filters: = != < <= > >= like in between is null contains, and or not, ( ); columns are\n"
      "source, title, heading, page and every metadata name.");
  command->callback([arguments, command, &invocation] {
    if (command->count("QUERY") == 0 && arguments->queries_file.empty())
      throw CLI::RequiredError("QUERY (or --queries FILE)");
    invocation.action = [arguments, &invocation] {
      return run_search(*arguments, invocation.json);
    };
  });
}

}  // namespace headrace::cli
