#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <system_error>

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
  std::string at;
  std::string query;
  std::string queries_file;
  std::string mode;
  std::string fusion;
  std::vector<std::string> sort;  // COLUMN, and perhaps asc or desc
  SearchOptions options;
};

// What is shown of a row: a window around its best passage, at most this many bytes.
constexpr size_t kSnippetBytes = 320;

// The place a person can open: FILE:LINE or FILE page N.
std::string place(const Hit& hit) {
  const Row& row = hit.row;
  if (row.page > 0) return fmt::format("{} page {}", row.source, row.page);
  return row.line > 0 ? fmt::format("{}:{}", row.source, row.line) : row.source;
}

std::string snippet(const Hit& hit) {
  const std::string& text = hit.row.text;
  size_t begin = 0;
  if (text.size() > kSnippetBytes) {
    begin = hit.passage > 80 ? hit.passage - 80 : 0;
    begin = code_point_floor(text, begin);
    const size_t space = text.find_first_of(" \n", begin);
    if (begin > 0 && space < hit.passage) begin = space + 1;
  }
  size_t end = code_point_floor(text, std::min(text.size(), begin + kSnippetBytes));
  std::string window = begin > 0 ? "…" : "";
  size_t at = begin;
  for (const index::MatchRange& match : hit.matches) {
    if (match.begin < at || match.end > end) continue;
    const std::string_view view = text;
    window += shown(view.substr(at, match.begin - at));
    window += yellow(shown(view.substr(match.begin, match.end - match.begin)));
    at = match.end;
  }
  window += shown(std::string_view(text).substr(at, end - at));
  if (end < text.size()) window += "…";
  return window;
}

// One line for each part of a score.
void print_explanation(const index::Explanation& explanation) {
  const auto part = [](const char* name, const std::optional<float>& score, uint32_t rank) {
    if (!score) return;
    const std::string place = rank == 0 ? "" : fmt::format(" (rank {})", rank);
    fmt::print("    {}\n", dim(fmt::format("{} {:.4f}{}", name, *score, place)));
  };
  part("text", explanation.text, explanation.text_rank);
  for (const auto& term : explanation.terms) {
    fmt::print("    {}\n", dim(fmt::format("  {} {:.4f}: {} times here, in {} rows",
                                           shown(term.text), term.score, term.tf, term.df)));
  }
  part("vector", explanation.vector, explanation.vector_rank);
  part("age factor", explanation.decay, 0);
}

std::string shown_value(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return shown(*text);
  if (const auto* boolean = std::get_if<bool>(&value)) return *boolean ? "true" : "false";
  if (const auto* integer = std::get_if<int64_t>(&value)) return fmt::format("{}", *integer);
  if (const auto* number = std::get_if<double>(&value)) return fmt::format("{}", *number);
  return "";
}

void print_facets(const std::vector<index::FacetCounts>& facets) {
  for (const index::FacetCounts& facet : facets) {
    fmt::print("{} {}\n", bold(shown(facet.column)),
               dim(fmt::format("({} values in {} rows)", facet.distinct, facet.rows)));
    for (const auto& count : facet.values) {
      fmt::print("  {:>8}  {}\n", count.rows, shown_value(count.value));
    }
    fmt::print("\n");
  }
}

void print_hits(const HitPage& page, double took_ms) {
  const std::vector<Hit>& hits = page.hits;
  if (hits.empty()) fmt::print("nothing found\n");
  size_t number = 0;
  for (const Hit& hit : hits) {
    const Row& row = hit.row;
    const std::string head = !row.title.empty() ? row.title : row.source;
    fmt::print("{:>2}. {}", ++number, bold(shown(head)));
    if (!row.heading.empty() && row.heading != row.title) fmt::print(" › {}", shown(row.heading));
    fmt::print("\n    {}  {}\n    {}\n", green(shown(place(hit))),
               dim(fmt::format("{:.3f}", hit.score)), snippet(hit));
    if (hit.explanation) print_explanation(*hit.explanation);
    fmt::print("\n");
  }
  print_facets(page.facets);
  if (!page.cursor.empty() && ::isatty(STDOUT_FILENO) == 1)
    fmt::print("{}\n", dim("next page: --cursor " + page.cursor));
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

// Fills in what is written as words.
Status read_options(SearchArguments& arguments) {
  SearchOptions& options = arguments.options;
  HR_ASSIGN(options.mode, parse_mode(arguments.mode));
  HR_ASSIGN(options.fusion.method, index::parse_fusion(arguments.fusion));
  if (arguments.sort.empty()) return {};
  options.sort = arguments.sort[0];
  if (arguments.sort.size() == 1) return {};
  const std::string& order = arguments.sort[1];
  if (order != "asc" && order != "desc") {
    return fail(ErrorCode::invalid_argument, fmt::format("\"{}\" is no order", order),
                "write --sort COLUMN, or --sort COLUMN desc");
  }
  options.descending = order == "desc";
  return {};
}

struct QueryLine {
  std::string id;  // JSON, empty where there is none
  std::string text;
};

bool is_text(const nlohmann::json& object, const char* name) {
  return object.contains(name) && object[name].is_string();
}

Result<std::vector<QueryLine>> read_queries(const std::string& path) {
  const bool piped = path == "-";
  std::ifstream opened;
  if (!piped) opened.open(path);
  std::error_code ignored;
  if (!opened || (!piped && std::filesystem::is_directory(path, ignored)))
    return fail(ErrorCode::not_found, fmt::format("{} cannot be read", path), "check the path");
  std::istream& file = piped ? std::cin : opened;
  std::vector<QueryLine> queries;
  std::string line;
  for (size_t number = 1; std::getline(file, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const auto parsed = nlohmann::json::parse(line, nullptr, false);
    const auto text = [&](const char* name) {
      return parsed.is_object() && is_text(parsed, name) ? parsed[name].get<std::string>()
                                                         : std::string();
    };
    std::string query = text("text");
    if (query.empty()) query = text("query");
    const bool says_nothing = query.empty() && !(parsed.is_object() && is_text(parsed, "text")) &&
                              !(parsed.is_object() && is_text(parsed, "query"));
    if (!parsed.is_object() || says_nothing) {
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

// A reranker takes one query at a time: each of them is work for all cores.
Status run_each(const std::vector<QueryLine>& queries, const SearchOptions& options,
                Knowledge& knowledge) {
  for (const QueryLine& query : queries) {
    HR_TRY(interrupt().check());
    const auto start = Clock::now();
    HR_ASSIGN(const HitPage page, knowledge.search(query.text, options));
    const double took_ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    HR_TRY(print_line(hits_json(page.hits, took_ms, query.id)));
  }
  return {};
}

Result<int> run_batch(const SearchArguments& arguments, Knowledge& knowledge) {
  HR_ASSIGN(const std::vector<QueryLine> queries, read_queries(arguments.queries_file));
  if (!arguments.options.rerank.empty()) {
    HR_TRY(run_each(queries, arguments.options, knowledge));
    return 0;
  }
  constexpr size_t kQueriesPerRound = 256;
  for (size_t begin = 0; begin < queries.size(); begin += kQueriesPerRound) {
    HR_TRY(interrupt().check());
    const size_t end = std::min(queries.size(), begin + kQueriesPerRound);
    std::vector<std::string> texts;
    for (size_t i = begin; i < end; ++i) texts.push_back(queries[i].text);
    const auto start = Clock::now();
    HR_ASSIGN(const BatchAnswers answers, knowledge.search_batch(texts, arguments.options, 0));
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
  // "--sort year QUERY": what follows a column and is no order is the query.
  if (arguments.sort.size() == 2 && arguments.query.empty() && arguments.queries_file.empty() &&
      arguments.sort[1] != "asc" && arguments.sort[1] != "desc") {
    arguments.query = arguments.sort[1];
    arguments.sort.pop_back();
  }
  HR_TRY(read_options(arguments));
  only_reads();
  HR_ASSIGN(const auto knowledge, Knowledge::open(arguments.kb, {.at = arguments.at}));
  if (!arguments.queries_file.empty()) return run_batch(arguments, *knowledge);
  const auto start = Clock::now();
  HR_ASSIGN(const HitPage page, knowledge->search(arguments.query, arguments.options));
  const double took_ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  if (json) {
    HR_TRY(print_line(page_json(page, took_ms)));
  } else {
    print_hits(page, took_ms);
  }
  if (!page.warning.empty()) {
    print_warning(page.warning);
  }
  return 0;
}

}  // namespace

namespace {

void add_ranking_options(CLI::App& command, SearchArguments& arguments) {
  SearchOptions& options = arguments.options;
  command.add_flag("--plain", options.plain, "All of the query is words: no \"…\" + - * title:");
  command.add_option("--facet", options.facets, "Count the values of this column; may be repeated")
      ->allow_extra_args(false);
  command.add_option("--facet-values", options.facet_values_max, "How many values (default 20)");
  command.add_option("--group-by", options.group_by,
                     "The best row for each value of this column, such as source");
  command.add_option("--sort", arguments.sort, "Order by this column: COLUMN, or COLUMN desc")
      ->expected(1, 2);
  command.add_option("--cursor", options.cursor, "The next page: what the page before gave");
  command.add_flag("--explain", options.explain, "Where each score comes from");
  command
      .add_option("--fusion", arguments.fusion, "How text and vector scores meet: standard, rrf")
      ->check(CLI::IsMember({"standard", "rrf"}));
  command.add_option("--text-weight", options.fusion.text_weight, "In hybrid search (default 1)");
  command.add_option("--vector-weight", options.fusion.vector_weight,
                     "In hybrid search (default 1)");
  command.add_option("--title-weight", options.title_weight,
                     "What a word in the title counts more (default 0)");
  command.add_option("--mmr", options.diversity,
                     "Diversity: 1 ranks by score alone, 0 by being unlike the hits before");
  command.add_option("--rerank", options.rerank,
                     "A cross-encoder (a folder or a name) that orders the best rows anew");
  command.add_option("--rerank-rows", options.rerank_rows, "How many rows it reads (default 50)")
      ->check(CLI::Range(1, 10000));
  command
      .add_option("--recall", options.recall,
                  "Least share of the best vectors found (default: all of few, then 0.99)")
      ->check(CLI::Range(0.01, 1.0));
  command.add_option("--decay", options.decay,
                     "COLUMN:HALF-LIFE such as date:30d: older rows count less");
}

}  // namespace

void add_search_command(CLI::App& app, Invocation& invocation) {
  CLI::App* command = app.add_subcommand("search", "Find rows by words and by meaning");
  const auto arguments = std::make_shared<SearchArguments>();
  command->add_option("KB", arguments->kb, "The knowledge base")->required();
  CLI::Option* query = command->add_option("QUERY", arguments->query,
                                           "What to look for; \"\" lists the newest rows");
  CLI::Option* file = command->add_option("--queries", arguments->queries_file,
                                          "A JSONL file of queries (- for standard input): one "
                                          "answer a line, as JSON");
  query->excludes(file);
  command->add_option("-k", arguments->options.k, "How many hits (default 10)")
      ->check(CLI::Range(1, 100000));
  command
      ->add_option("--mode", arguments->mode,
                   "hybrid, vector or text (default: hybrid where there are vectors)")
      ->check(CLI::IsMember({"hybrid", "vector", "text"}));
  command->add_option("--filter", arguments->options.filter, "Only rows for which this is true");
  command->add_option("--space", arguments->options.space, "Which vectors to use");
  command->add_option(
      "--at", arguments->at,
      "As it was: a number of `headrace history`, or a time such as 2026-05-01T12:00Z");
  add_ranking_options(*command, *arguments);
  command->footer(
      "Examples:\n"
      "  headrace search kb \"how do I rotate keys\"\n"
      "  headrace search kb rotation -k 3 --mode text\n"
      "  headrace search kb backup --filter \"source like 'ops/%' and year >= 2020\"\n"
      "  headrace search kb 'vacuum \"dead tuples\" -full +autovac*'\n"
      "  headrace search kb \"key rotation\" --rerank cross-encoder/ms-marco-MiniLM-L6-v2\n"
      "  headrace search kb \"\" --sort year desc --facet lang\n"
      "  headrace search kb --queries queries.jsonl --json > hits.jsonl\n\n"
      "Queries: plain words, \"exact phrase\" +must -not prefix* title:word.\n"
      "Filters: = != < <= > >= like in between is null contains, and or not, ( ); columns are\n"
      "source, title, heading, page and every metadata name.");
  command->callback([arguments, command, &invocation] {
    if (command->count("QUERY") == 0 && arguments->queries_file.empty() &&
        arguments->sort.size() < 2)
      throw CLI::RequiredError("QUERY (or --queries FILE)");
    invocation.action = [arguments, &invocation] {
      return run_search(*arguments, invocation.json);
    };
  });
}

}  // namespace headrace::cli
