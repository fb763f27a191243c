// headrace space add|drop|list: the spaces of a knowledge base, each with its model's vectors.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "commands.h"
#include "plan/knowledge.h"
#include "plan/render.h"
#include "terminal.h"

namespace headrace::cli {

namespace {

struct SpaceArguments {
  std::string kb;
  std::string model;
  std::string name;
};

Result<int> run_add(const SpaceArguments& arguments, bool json) {
  HR_ASSIGN(const auto knowledge, Knowledge::open(arguments.kb, {}));
  Progress progress;
  Result<SpaceReport> report = SpaceReport();
  {
    const ProgressBar bar(progress);
    report = knowledge->add_space(arguments.model, arguments.name, progress, interrupt());
  }
  if (!report) return std::unexpected(std::move(report).error());
  if (report->refused > 0) {
    print_warning(fmt::format("{} without a vector, refused by the model; the first is of {}",
                              counted(report->refused, "row"), report->refusal));
  }
  if (!report->not_kept.empty()) print_warning(report->not_kept);
  if (json) {
    HR_TRY(print_line(space_json(*report)));
  } else {
    fmt::print("vectors \"{}\" ({} × {}): {} rows, {} of them new, in {}\n", report->name,
               report->model, report->dimension, human_count(report->rows),
               human_count(report->added), human_seconds(report->seconds));
    if (report->interrupted) {
      fmt::print("{}\n", yellow("interrupted: what is above is kept; the same command goes on"));
    }
  }
  return report->interrupted ? 130 : 0;
}

Result<int> run_drop(const SpaceArguments& arguments, bool json) {
  HR_ASSIGN(const auto knowledge, Knowledge::open(arguments.kb, {}));
  HR_TRY(knowledge->drop_space(arguments.name));
  if (json) {
    HR_TRY(print_line(nlohmann::json{{"dropped", arguments.name}}.dump()));
  } else {
    fmt::print("vectors \"{}\" are gone; headrace optimize gives their room back\n",
               arguments.name);
  }
  return 0;
}

Result<int> run_list(const SpaceArguments& arguments, bool json) {
  HR_ASSIGN(const auto knowledge, Knowledge::open(arguments.kb, {}));
  HR_ASSIGN(const auto snapshot, knowledge->snapshot());
  HR_ASSIGN(const Settings settings, knowledge->settings());
  const index::Info info = snapshot->info();
  if (json) {
    HR_TRY(print_line(spaces_json(info, settings)));
    return 0;
  }
  for (const index::SpaceInfo& known : info.spaces) {
    const bool main = known.space.name == settings.main_space;
    fmt::print("{} {} × {} of {} rows ({})\n", bold(known.space.name), human_count(known.rows),
               known.space.dimension, human_count(info.rows),
               known.space.model.empty() ? "your own" : known.space.model);
    if (main) fmt::print("  answers queries where it covers a row\n");
    if (known.rows < info.rows)
      fmt::print("  {}\n", dim("lags behind: headrace index, or space add again, goes on"));
  }
  if (info.spaces.empty()) fmt::print("no vectors: search by words\n");
  return 0;
}

CLI::App* add(CLI::App& parent, Invocation& invocation, const std::string& name,
              const std::string& about, const std::shared_ptr<SpaceArguments>& arguments,
              Result<int> (*body)(const SpaceArguments&, bool)) {
  CLI::App* command = parent.add_subcommand(name, about);
  command->add_option("KB", arguments->kb, "The knowledge base")->required();
  command->add_flag("--json", invocation.json, "One JSON document on stdout, for machines");
  command->callback([&invocation, arguments, body] {
    invocation.action = [&invocation, arguments, body] {
      return body(*arguments, invocation.json);
    };
  });
  return command;
}

}  // namespace

void add_space_command(CLI::App& app, Invocation& invocation) {
  CLI::App* space = app.add_subcommand("space", "Add, drop and list a knowledge base's vectors");
  space->require_subcommand(1);
  const auto arguments = std::make_shared<SpaceArguments>();
  CLI::App* added =
      add(*space, invocation, "add", "Vectors of a further model for all rows", arguments, run_add);
  added->add_option("--model", arguments->model, "Embedding model, as for headrace index")
      ->required();
  added->add_option("--name", arguments->name, "What to call it (default: after the model)");
  CLI::App* dropped = add(*space, invocation, "drop", "Remove a space; its name is free again",
                          arguments, run_drop);
  dropped->add_option("NAME", arguments->name, "The space")->required();
  add(*space, invocation, "list", "The spaces, and how many rows each covers", arguments, run_list);
  space->footer(
      "Examples:\n"
      "  headrace space add kb --model static:all-MiniLM-L6-v2     found by meaning in seconds\n"
      "  headrace space add kb --model bge-small-en-v1.5 --name new\n"
      "  headrace space list kb\n"
      "  headrace space drop kb default                            now \"new\" answers queries\n\n"
      "Searches go on all the while. An interrupted add is taken up by the same command again,\n"
      "or by the next headrace index.");
}

}  // namespace headrace::cli
