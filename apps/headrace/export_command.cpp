#include <fmt/format.h>

#include "commands.h"
#include "plan/export.h"
#include "plan/knowledge.h"
#include "terminal.h"

namespace headrace::cli {

void add_export_command(CLI::App& app, Invocation& invocation) {
  CLI::App* command = app.add_subcommand("export", "Write all rows (and vectors) to a file");
  const auto kb = std::make_shared<std::string>();
  const auto target = std::make_shared<std::string>();
  command->add_option("KB", *kb, "The knowledge base")->required();
  command->add_option("--to", *target, "F.jsonl or F.arrow (Arrow IPC file); - for JSONL on stdout")
      ->required();
  command->footer(
      "Examples:\n"
      "  headrace export kb --to rows.jsonl\n"
      "  headrace export kb --to rows.arrow      # pyarrow, Polars, DuckDB, pandas read it");
  command->callback([kb, target, &invocation] {
    invocation.action = [kb, target, &invocation]() -> Result<int> {
      HR_ASSIGN(const auto knowledge, Knowledge::open(*kb, {}));
      HR_ASSIGN(const auto snapshot, knowledge->snapshot());
      HR_ASSIGN(const uint64_t rows, export_rows(*snapshot, *target, interrupt()));
      if (invocation.json && *target != "-") {
        HR_TRY(print_line(fmt::format("{{\"rows\":{}}}", rows)));
      } else if (*target != "-") {
        fmt::print("{} in {}\n", counted(rows, "row"), *target);
      }
      return 0;
    };
  });
}

}  // namespace headrace::cli
