#include <fmt/format.h>
#include <malloc.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "commands.h"
#include "plan/render.h"
#include "terminal.h"

namespace headrace::cli {

CancelToken& interrupt() {
  static CancelToken token;
  return token;
}

// Whoever read the output has seen enough: `headrace export KB --to - | head`. Ends as a program
// does that the signal ends.
[[noreturn]] void end_unread() {
  constexpr int kEndedByPipe = 128 + SIGPIPE;
  _exit(kEndedByPipe);
}

Status print_line(const std::string& line) {
  if (std::fwrite(line.data(), 1, line.size(), stdout) != line.size() ||
      std::fputc('\n', stdout) == EOF) {
    if (errno == EPIPE) end_unread();
    return os_fail(errno, "write to standard output");
  }
  return {};
}

namespace {

std::atomic<bool> ends_at_once = false;

void on_signal(int) {
  // A second Ctrl-C ends at once.
  if (ends_at_once || interrupt().requested()) _exit(130);
  interrupt().request();
}

void install_signals() {
  interrupt();  // made before a signal can come
  struct sigaction action{};
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);  // a write past the limit (ulimit -f) fails instead
}

// Memory that is freed goes back to the system: the budget counts what the process really holds.
void tame_allocator() {
  mallopt(M_ARENA_MAX, 2);
  mallopt(M_MMAP_THRESHOLD, 256 << 10);
  mallopt(M_TRIM_THRESHOLD, 4 << 20);
}

}  // namespace

void only_reads() {
  ends_at_once = true;
}

namespace {

int exit_code(const Error& error) {
  switch (error.code()) {
    case ErrorCode::invalid_argument:
      return 2;
    case ErrorCode::cancelled:
      return 130;
    default:
      return 1;
  }
}

// How many letters to change, add or leave out to make `to` of `from`.
size_t letters_apart(const std::string& from, const std::string& to) {
  std::vector<size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < from.size(); ++i) {
    size_t diagonal = row[0]++;
    for (size_t j = 0; j < to.size(); ++j) {
      const size_t above = row[j + 1];
      row[j + 1] = std::min({above + 1, row[j] + 1, diagonal + (from[i] == to[j] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row.back();
}

// The error for a word where a command should stand; nothing where all commands are known.
std::optional<Error> unknown_command(const CLI::App& app, int argc, char** argv) {
  const CLI::App* level = &app;
  std::string path = "headrace";
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word.starts_with('-')) continue;
    const auto commands = level->get_subcommands([](const CLI::App*) { return true; });
    if (commands.empty()) return std::nullopt;
    const CLI::App* nearest = commands.front();
    for (const CLI::App* command : commands) {
      if (letters_apart(word, command->get_name()) < letters_apart(word, nearest->get_name()))
        nearest = command;
    }
    if (nearest->get_name() != word) {
      return Error(ErrorCode::invalid_argument,
                   fmt::format("{} has no command \"{}\"", path, word.substr(0, 80)),
                   fmt::format("did you mean {} {}? {} --help lists them all", path,
                               nearest->get_name(), path));
    }
    level = nearest;
    path += " " + word;
  }
  return std::nullopt;
}

// Whoever asked for JSON gets the error as JSON too.
bool asks_for_json(int argc, char** argv) {
  for (int i = 1; i < argc && std::strcmp(argv[i], "--") != 0; ++i) {
    if (std::string_view(argv[i]) == "--json" || std::string_view(argv[i]).starts_with("--json="))
      return true;
  }
  return false;
}

int end_with(const Error& error, bool json) {
  print_error(error);
  if (json) fmt::print("{}\n", error_json(error));
  return exit_code(error);
}

int run(int argc, char** argv) {
  CLI::App app{"Headrace: documents in, answers out. Ingest, embed, index and search, natively."};
  app.name("headrace");
  app.set_version_flag("--version", std::string("headrace ") + HEADRACE_VERSION);
  app.require_subcommand(1);
  app.footer(
      "A first minute:\n"
      "  headrace index docs/ --into kb\n"
      "  headrace search kb \"how do I rotate keys\"\n"
      "  headrace info kb\n\n"
      "Each command has its own --help with examples. Exit codes: 0 done, 1 the data says no,\n"
      "2 wrong use, 130 interrupted.");
  Invocation invocation;
  add_index_command(app, invocation);
  add_search_command(app, invocation);
  add_knowledge_commands(app, invocation);
  add_space_command(app, invocation);
  add_export_command(app, invocation);
  add_model_commands(app, invocation);
  add_completion_command(app, invocation);
  for (CLI::App* command : app.get_subcommands({})) {
    command->add_flag("--json", invocation.json, "One JSON document on stdout, for machines");
  }
  if (const auto unknown = unknown_command(app, argc, argv)) {
    return end_with(*unknown, asks_for_json(argc, argv));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& done) {  // --help, --version
    return app.exit(done);
  } catch (const CLI::ParseError& wrong) {
    std::string hint = "see headrace --help, or headrace COMMAND --help";
    if (app.got_subcommand("search"))
      hint += "; a query that begins with - goes last, after --: headrace search KB -- '-word'";
    return end_with(Error(ErrorCode::invalid_argument, wrong.what(), std::move(hint)),
                    asks_for_json(argc, argv));
  }
  install_signals();
  tame_allocator();
  Result<int> result = invocation.action();
  if (result && std::fflush(stdout) != 0 && errno == EPIPE) end_unread();
  if (result && std::ferror(stdout) != 0) result = os_fail(errno, "write to standard output");
  if (result) return *result;
  if (std::ferror(stdout) != 0 && result.error().message().ends_with(std::strerror(EPIPE)))
    end_unread();
  return end_with(result.error(), invocation.json);
}

}  // namespace
}  // namespace headrace::cli

int main(int argc, char** argv) {
  try {
    return headrace::cli::run(argc, argv);
  } catch (const std::system_error& wrong) {  // how fmt::print() says that nothing can be written
    if (wrong.code().value() == EPIPE) headrace::cli::end_unread();
    headrace::cli::print_error(
        headrace::os_error(wrong.code().value(), "write to standard output"));
    return 1;
  }
}
