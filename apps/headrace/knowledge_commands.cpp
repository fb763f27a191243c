#include <fmt/format.h>

#include <chrono>
#include <optional>

#include "commands.h"
#include "plan/knowledge.h"
#include "plan/render.h"
#include "terminal.h"

namespace headrace::cli {

namespace {

CLI::App* add(CLI::App& app, Invocation& invocation, const std::string& name,
              const std::string& about, const std::shared_ptr<std::string>& kb,
              std::function<Result<int>(bool json)> body) {
  CLI::App* command = app.add_subcommand(name, about);
  command->add_option("KB", *kb, "The knowledge base")->required();
  command->callback([&invocation, kb, body = std::move(body)] {
    invocation.action = [&invocation, kb, body] { return body(invocation.json); };
  });
  return command;
}

void print_segments(const std::vector<index::SegmentInfo>& segments) {
  for (const index::SegmentInfo& segment : segments) {
    fmt::print("  {}: {} ({} deleted) of {}, {}",
               segment.file == 0 ? "in memory" : fmt::format("segment-{:016x}", segment.file),
               counted(segment.rows, "row"), human_count(segment.deleted_rows),
               counted(segment.documents, "document"), human_bytes(segment.bytes));
    for (const auto& [space, rows] : segment.vectors)
      fmt::print(", {} \"{}\"", counted(rows, "vector"), space);
    if (segment.late_files > 0)
      fmt::print(", {} of late vectors", counted(segment.late_files, "file"));
    fmt::print("\n");
  }
}

Result<int> run_info(const std::string& kb, bool list_segments, bool json) {
  HR_ASSIGN(const auto knowledge, Knowledge::open(kb, {}));
  HR_ASSIGN(const auto snapshot, knowledge->snapshot());
  const index::Info info = snapshot->info();
  if (json) {
    HR_TRY(
        print_line(list_segments ? info_json(info, snapshot->segment_infos()) : info_json(info)));
    return 0;
  }
  fmt::print("{}\n  {}, {}, {} failed\n  {} in {}, {} in the log\n", bold(shown(kb)),
             counted(info.documents, "document"), counted(info.rows, "row"),
             human_count(info.failed), human_bytes(info.bytes_on_disk),
             counted(info.segments, "segment"), human_bytes(info.log_bytes));
  for (const index::SpaceInfo& known : info.spaces) {
    fmt::print("  vectors \"{}\": {} × {} of {} ({})\n", known.space.name, human_count(known.rows),
               known.space.dimension, counted(info.rows, "row"),
               known.space.model.empty() ? "your own" : known.space.model);
  }
  if (info.spaces.empty()) fmt::print("  no vectors: search by words\n");
  if (list_segments) print_segments(snapshot->segment_infos());
  return 0;
}

// The recall that searches promise when nothing else is asked for.
constexpr double kRecallTarget = 0.95;

Result<int> run_verify(const std::string& kb, bool measure, bool json) {
  HR_ASSIGN(const index::VerifyReport report, index::verify(FileSystem::real(), kb));
  std::vector<index::RecallReport> recall;
  if (measure && report.ok()) {
    HR_ASSIGN(const auto knowledge, Knowledge::open(kb, {}));
    HR_ASSIGN(recall, knowledge->measure_recall(kRecallTarget));
  }
  if (json) {
    HR_TRY(print_line(verify_json(report, recall)));
  } else if (report.ok()) {
    fmt::print("{} {} checked, nothing wrong\n", green("ok:"), human_bytes(report.checked_bytes));
  } else {
    for (const std::string& problem : report.problems)
      fmt::print("{} {}\n", red("damaged:", Stream::out), shown(problem));
    fmt::print("restore these files from a backup, or save what is left with headrace repair {}\n",
               kb);
  }
  for (const index::RecallReport& measured : recall) {
    if (json) break;
    fmt::print("  vectors \"{}\": recall@10 {:.4f} where {} is asked for ({} queries)\n",
               measured.space, measured.recall, measured.target, measured.queries);
  }
  return report.ok() ? 0 : 1;
}

Result<int> run_errors(const std::string& kb, bool json) {
  HR_ASSIGN(const auto knowledge, Knowledge::open(kb, {}));
  HR_ASSIGN(const auto snapshot, knowledge->snapshot());
  const std::vector<DocumentError> errors = snapshot->errors();
  if (json) {
    HR_TRY(print_line(errors_json(errors)));
    return 0;
  }
  for (const DocumentError& failed : errors) {
    fmt::print("{} ({}, {})\n  {}\n", bold(shown(failed.source)), failed.stage,
               error_code_name(failed.error.code()), shown(reason_of(failed)));
  }
  fmt::print("{}\n", errors.empty() ? "no document failed"
                                    : dim(counted(errors.size(), "failed document") +
                                          "; the next headrace index tries again"));
  return 0;
}

Result<int> run_optimize(const std::string& kb, bool json) {
  HR_ASSIGN(const auto knowledge, Knowledge::open(kb, {}));
  HR_TRY(knowledge->optimize());
  HR_ASSIGN(const auto snapshot, knowledge->snapshot());
  const index::Info info = snapshot->info();
  if (json) {
    HR_TRY(print_line(info_json(info)));
  } else {
    fmt::print("{} in {}, {}\n", counted(info.rows, "row"), counted(info.segments, "segment"),
               human_bytes(info.bytes_on_disk));
  }
  return 0;
}

Result<int> run_backup(const std::string& kb, const std::string& target, bool copy, bool json) {
  HR_ASSIGN(const index::BackupReport report, index::backup(FileSystem::real(), kb, target, !copy));
  if (json) {
    HR_TRY(print_line(backup_json(report)));
  } else {
    fmt::print("{} ({} linked), {} in {}\n", counted(report.files, "file"), report.linked,
               human_bytes(report.bytes), target);
  }
  return 0;
}

// A moment as people write it, in UTC.
std::string shown_time(int64_t unix_ms) {
  if (unix_ms == 0) return "?";
  const std::chrono::sys_time<std::chrono::milliseconds> moment{std::chrono::milliseconds(unix_ms)};
  const auto day = std::chrono::floor<std::chrono::days>(moment);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(moment - day));
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     time.hours().count(), time.minutes().count(), time.seconds().count());
}

Result<int> run_history(const std::string& kb, std::optional<uint32_t> keep,
                        std::optional<double> days, bool json) {
  HR_ASSIGN(const auto knowledge, Knowledge::open(kb, {}));
  HR_ASSIGN(auto snapshot, knowledge->snapshot());
  index::History history = snapshot->info().history;
  if (keep || days) {
    if (keep) history.count = *keep;
    if (days) history.seconds = static_cast<uint64_t>(*days * 86400);
    HR_TRY(knowledge->set_history(history));
  }
  HR_ASSIGN(const std::vector<index::PastState> states, knowledge->past_states());
  if (json) {
    HR_TRY(print_line(history_json(history, states)));
    return 0;
  }
  for (const index::PastState& state : states) {
    fmt::print("{:>8}  {}  {:>10}\n", state.manifest, shown_time(state.published_ms),
               human_bytes(state.bytes));
  }
  if (!history.any()) {
    fmt::print("{}\n", dim("only the present is kept; --keep N or --days D changes that"));
  } else {
    fmt::print("{}\n",
               dim(fmt::format("kept: the last {} states, and those of {:.1f} days", history.count,
                               static_cast<double>(history.seconds) / 86400)));
  }
  return 0;
}

Result<int> run_repair(const std::string& kb, bool json) {
  HR_ASSIGN(const index::RepairReport report, index::repair(FileSystem::real(), kb));
  if (json) {
    HR_TRY(print_line(repair_json(report)));
    return 0;
  }
  if (!report.changed()) {
    fmt::print("{} nothing to repair\n", green("ok:"));
    return 0;
  }
  for (const std::string& lost : report.lost)
    fmt::print("{} {}\n", red("lost:", Stream::out), shown(lost));
  for (const std::string& moved : report.moved) fmt::print("kept: {}\n", shown(moved));
  fmt::print("there: {} of {}; the next headrace index reads again what is not\n",
             counted(report.rows, "row"), counted(report.documents, "document"));
  return 0;
}

Result<int> run_delete(const std::string& kb, const std::string& filter, bool json) {
  HR_ASSIGN(const auto knowledge, Knowledge::open(kb, {}));
  HR_ASSIGN(const uint64_t removed, knowledge->remove_where(filter));
  if (json) {
    HR_TRY(print_line(fmt::format("{{\"removed\":{}}}", removed)));
  } else {
    fmt::print("{} removed\n", counted(removed, "row"));
  }
  return 0;
}

}  // namespace

void add_knowledge_commands(CLI::App& app, Invocation& invocation) {
  const auto kb = std::make_shared<std::string>();
  const auto list_segments = std::make_shared<bool>(false);
  CLI::App* info =
      add(app, invocation, "info", "What a knowledge base holds", kb,
          [kb, list_segments](bool json) { return run_info(*kb, *list_segments, json); });
  info->add_flag("--segments", *list_segments, "Each segment, on disk and in memory");
  info->footer("Examples:\n  headrace info kb\n  headrace info kb --segments");
  const auto recall = std::make_shared<bool>(false);
  CLI::App* verify =
      add(app, invocation, "verify", "Read every byte and check it; exit 1 when damaged", kb,
          [kb, recall](bool json) { return run_verify(*kb, *recall, json); });
  verify->add_flag("--recall", *recall, "Also measure what searches by vector find");
  verify->footer(
      "Examples:\n  headrace verify kb\n  headrace verify kb --recall\n\n"
      "What is damaged is named; headrace repair saves what is left.");
  CLI::App* errors = add(app, invocation, "errors", "The documents that failed, and why", kb,
                         [kb](bool json) { return run_errors(*kb, json); });
  errors->footer(
      "Examples:\n  headrace errors kb\n  headrace errors kb --json\n\n"
      "The next headrace index of the same sources tries them again.");
  CLI::App* optimize =
      add(app, invocation, "optimize", "Bring everything into its final, fully indexed form", kb,
          [kb](bool json) { return run_optimize(*kb, json); });
  optimize->footer(
      "Example:\n  headrace optimize kb\n\n"
      "Searches go on meanwhile. It is never needed: it makes later searches faster.");
  const auto target = std::make_shared<std::string>();
  const auto copy = std::make_shared<bool>(false);
  CLI::App* backup =
      add(app, invocation, "backup", "A consistent copy, also while it is written to", kb,
          [kb, target, copy](bool json) { return run_backup(*kb, *target, *copy, json); });
  backup->add_option("--to", *target, "A new or empty folder")->required();
  backup->add_flag("--copy", *copy,
                   "Copy every byte; otherwise sealed files are linked where that "
                   "is possible, which is quick and takes no room");
  backup->footer(
      "Example:\n  headrace backup kb --to kb-monday\n\n"
      "The copy is a knowledge base itself: search it, or put it in the place of the original.");
  const auto keep = std::make_shared<std::optional<uint32_t>>();
  const auto days = std::make_shared<std::optional<double>>();
  CLI::App* history =
      add(app, invocation, "history", "The states of the past that are kept, and how many", kb,
          [kb, keep, days](bool json) { return run_history(*kb, *keep, *days, json); });
  history->add_option("--keep", *keep, "From now on, keep so many states before the present one");
  history->add_option("--days", *days, "From now on, keep the states of so many days")
      ->check(CLI::Range(0.0, 36500.0));
  history->footer(
      "Examples:\n  headrace history kb --keep 10\n  headrace search kb rotation --at 17\n\n"
      "Each `index` run, `optimize` and full memory gives a state. States share their files; "
      "those\n"
      "that only old states name take room until the states go.");
  CLI::App* repair =
      add(app, invocation, "repair",
          "Save what damaged files still prove; lists what is lost and keeps the damaged files", kb,
          [kb](bool json) { return run_repair(*kb, json); });
  repair->footer(
      "Example:\n  headrace repair kb\n\nThe next headrace index reads again what is lost.");
  const auto filter = std::make_shared<std::string>();
  CLI::App* remove = add(app, invocation, "delete", "Remove the rows for which a filter is true",
                         kb, [kb, filter](bool json) { return run_delete(*kb, *filter, json); });
  remove->add_option("--filter", *filter, "Which rows, e.g. \"source like 'old/%'\"")->required();
  remove->footer("Example:\n  headrace delete kb --filter \"lang = 'de' and year < 2020\"");
}

}  // namespace headrace::cli
