#include "plan/feeder.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "base/unicode.h"
#include "decode/text_formats.h"
#include "runtime/unique_fd.h"
#include "sources/archive.h"
#include "sources/file_reader.h"

namespace headrace {

namespace {

constexpr uint64_t kWorkingFloor = 64 << 10;
constexpr size_t kPrefixBytes = 4096;
constexpr uint64_t kLargePart = 4;  // of the budget, for one document

// What a document of a format needs while it is decoded and cut, as a multiple of its bytes.
uint64_t working_factor(Format format) {
  switch (format) {
    case Format::json:
      return 10;  // the text has more bytes than the file, and a block a value
    case Format::csv:
      return 12;
    case Format::pdf:
      return 4;  // it is opened by a worker; text is a small part of it
    case Format::docx:
    case Format::pptx:
    case Format::xlsx:
    case Format::odt:
    case Format::ods:
    case Format::odp:
    case Format::epub:
      return 40;  // packed
    default:
      return kDocumentWorkingFactor;
  }
}

bool is_jsonl_name(std::string_view name) {
  const std::string ending =
      unicode::to_lower(name.substr(name.size() - std::min<size_t>(name.size(), 7)));
  return ending.ends_with(".jsonl") || ending.ends_with(".ndjson");
}

}  // namespace

Status Feeder::deliver(Outcome outcome) {
  OrderedOutcomes::Slot* slot = results_.add(Reservation());
  if (slot == nullptr) return fail(ErrorCode::cancelled, "interrupted");
  std::vector<Outcome> outcomes;
  outcomes.push_back(std::move(outcome));
  results_.fill(slot, std::move(outcomes));
  return {};
}

Status Feeder::submit(uint64_t bytes, Format format, std::function<std::vector<Outcome>()> task) {
  HR_TRY(context_.parts.cancel.check());
  Budget& budget = context_.parts.budget;
  // What the feeder itself holds stays held while it waits: together they must fit.
  const uint64_t wanted = std::min(budget.limit_bytes() - reading_.bytes(),
                                   bytes * working_factor(format) + kWorkingFloor);
  HR_ASSIGN(Reservation reservation, budget.reserve(wanted));
  // What documents before it left behind must not stand beside a large one.
  if (wanted > budget.limit_bytes() / kLargePart) return_freed_memory();
  OrderedOutcomes::Slot* slot = results_.add(std::move(reservation));
  if (slot == nullptr) return fail(ErrorCode::cancelled, "interrupted");
  // Tasks outlive the feeder: they hold what it refers to, not itself.
  tasks_.spawn(
      [&results = results_, &cancel = context_.parts.cancel, slot, task = std::move(task)] {
        // After a cancellation the outcome is not wanted, only the slot must be filled.
        std::vector<Outcome> outcomes = cancel.requested() ? std::vector<Outcome>() : task();
        if (cancel.requested()) outcomes.clear();  // a document may have been cut short
        // Now it is known what the document came to: more for a packed one, less for most pages.
        uint64_t held = kWorkingFloor;
        for (const Outcome& outcome : outcomes) {
          held += rows_bytes(outcome.document.rows) * kRowsWorkingFactor;
        }
        slot->reservation.adjust(held);
        results.fill(slot, std::move(outcomes));
      });
  return {};
}

Status Feeder::reserve_reading(uint64_t bytes) {
  Budget& budget = context_.parts.budget;
  // The documents that come out of it must still find room.
  bytes = std::min(bytes, budget.limit_bytes() / 3);
  if (bytes <= reading_.bytes()) return {};
  reading_.release();
  HR_ASSIGN(reading_, budget.reserve(bytes));
  return {};
}

Status Feeder::run() {
  if (context_.options.next_record) return feed_given_records();
  std::vector<std::string> paths;
  bool has_read_input = false;  // it is there once, however often it is named
  for (const std::string& path : context_.options.paths) {
    if (path == "-") {
      if (!std::exchange(has_read_input, true)) HR_TRY(feed_standard_input());
    } else {
      paths.push_back(path);
    }
  }
  const Walker walker(std::move(paths), context_.options.walk);
  const SourceNames as_given;
  const SourceNames& names = context_.parts.names != nullptr ? *context_.parts.names : as_given;
  const auto name = [&](const std::string& path) { return names.name(path, context_.parts.known); };
  Status delivered;
  const auto told = [&](OutcomeKind kind) {
    return [this, &delivered, &name, kind](DocumentError problem) {
      if (!delivered) return;
      const std::string source = name(problem.source);
      Outcome outcome = failed_outcome(source, "", problem.stage, std::move(problem.error));
      outcome.kind = kind;
      delivered = deliver(std::move(outcome));
    };
  };
  HR_TRY(walker.walk(
      [&](const FileEntry& entry) {
        return feed_file({entry.path, name(entry.source), entry.stamp});
      },
      told(OutcomeKind::failed),
      context_.options.follows ? Walker::OnAbsent(told(OutcomeKind::absent)) : Walker::OnAbsent(),
      [&](const std::string& folder) {
        const std::string source = name(folder);
        if (delivered && has_failed(source)) delivered = deliver_listed(source);
      }));
  return delivered;
}

bool Feeder::known_by_stamp(const FileEntry& entry, Outcome& unchanged) const {
  if (context_.parts.known == nullptr) return false;
  const auto state = context_.parts.known->document(entry.source);
  if (!state || state->stamp != entry.stamp || state->stamp.modified_ns == 0) return false;
  const bool has_failed = state->error || context_.parts.known->has_failures(entry.source);
  if (has_failed && !waits_for_a_change(entry.stamp)) return false;
  if (!state->error && state->settings != context_.options.settings) return false;
  unchanged.kind = OutcomeKind::unchanged;
  unchanged.document.source = entry.source;
  unchanged.count = (state->is_container || state->error ? 0 : 1) +
                    context_.parts.known->member_count(entry.source);
  return true;
}

bool Feeder::has_failed(const std::string& source) const {
  if (context_.parts.known == nullptr) return false;
  const auto state = context_.parts.known->document(source);
  return state && state->error;
}

Status Feeder::deliver_listed(const std::string& folder) {
  Outcome listed;
  listed.kind = OutcomeKind::listed;
  listed.document.source = folder;
  return deliver(std::move(listed));
}

// Of something that failed: it would fail again, and keep others waiting. What changed a moment ago
// may have changed again without its stamp telling.
bool Feeder::waits_for_a_change(const SourceStamp& stamp) const {
  constexpr auto kMoment = std::chrono::seconds(1);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return context_.options.follows && std::chrono::nanoseconds(stamp.modified_ns) < now - kMoment;
}

// Of a file that was listed: gone meanwhile it is no document, not one that failed.
Status Feeder::deliver_unread(const FileEntry& entry, Error error) {
  if (error.code() == ErrorCode::not_found) return {};
  return deliver(failed_outcome(entry.source, "", "read", std::move(error), entry.stamp));
}

Status Feeder::feed_file(const FileEntry& entry) {
  HR_TRY(context_.parts.cancel.check());
  Progress& progress = context_.parts.progress;
  progress.documents_found.fetch_add(1, std::memory_order_relaxed);
  progress.bytes_found.fetch_add(entry.stamp.size_bytes, std::memory_order_relaxed);
  Outcome unchanged;
  if (known_by_stamp(entry, unchanged)) return deliver(std::move(unchanged));

  auto prefix = read_prefix(entry.path, kPrefixBytes);
  if (!prefix) return deliver_unread(entry, std::move(prefix).error());
  const Format format = detect_format(*prefix, entry.source);
  if (is_archive(format)) return feed_archive_file(entry, format);
  // Without a byte it is a failure like any other file, and what it held before stays.
  if (is_jsonl_name(entry.source) && format != Format::empty) {
    return is_wide(detect_encoding(*prefix, {})) ? feed_wide_jsonl_file(entry)
                                                 : feed_jsonl_file(entry);
  }
  if (format == Format::csv && !context_.options.columns.text.empty()) return feed_csv_file(entry);
  if (format == Format::json || format == Format::csv) {
    // By what any document may have: not by what this run has left for them at the moment.
    const uint64_t most =
        context_.options.document_bytes_max * kDocumentWorkingFactor / working_factor(format);
    if (entry.stamp.size_bytes > most) {
      return deliver(failed_outcome(
          entry.source, "", "read",
          Error(ErrorCode::too_large,
                fmt::format("{} has {} MiB, more than the {} MiB of {} that fit the memory budget "
                            "at once",
                            entry.source, entry.stamp.size_bytes >> 20, most >> 20,
                            format_name(format)),
                "raise --memory, or split the file"),
          entry.stamp));
    }
  }
  return submit(entry.stamp.size_bytes, format, [&context = context_, entry, format] {
    return run_file_task(context, entry, format);
  });
}

Status Feeder::feed_standard_input() {
  auto bytes = read_standard_input(context_.options.document_bytes_max, context_.parts.cancel);
  if (!bytes) {
    if (bytes.error().code() == ErrorCode::cancelled) return std::unexpected(bytes.error());
    return deliver(failed_outcome("-", "", "read", std::move(bytes).error()));
  }
  const std::string& given = context_.options.input_name;
  Container container{given.empty() ? "-" : given, {}, hash128(*bytes)};
  container.allowance = std::make_shared<ExpansionAllowance>(2 * bytes->size());
  container.is_input = true;
  container.keeps_others = given.empty();
  const std::string name = container.source;
  const Status status = feed_member(Member{"", std::move(*bytes), 0}, name, container, 0);
  if (!status && status.error().code() != ErrorCode::cancelled && container.allowance->exhausted())
    return deliver_exhausted(container);
  HR_TRY(status);
  return container.keeps_others || !container.is_apart ? Status{} : end_container(container);
}

namespace {

constexpr size_t kShortHashDigits = 16;

std::string short_hash(const Hash128& hash) {
  return hash.hex().substr(0, kShortHashDigits);
}

}  // namespace

void Feeder::name_by_content(RawDocument& record, const Container& container) const {
  if (!record.is_numbered || !container.keeps_others) return;
  const std::string id = short_hash(record.content_hash);
  record.source = fmt::format("{}#{}", container.source, id);
  record.metadata["id"] = id;
}

// By its content, so that the same record is the same document wherever it stands, and another one
// in its place another. What is there by its place from before stays.
void Feeder::name_given(RawDocument& record) {
  const auto* const known = context_.parts.known;
  if (known != nullptr && is_unchanged(context_, record.source, record.content_hash)) return;
  record.metadata.erase("id");
  auto structure = std::exchange(record.structure, nullptr);  // is no part of a name
  record.source = given_names_.unique("record-" + short_hash(record_hash(record)));
  record.structure = std::move(structure);
  record.metadata["id"] = record.source;
  record.content_hash = record_hash(record);
}

// What stands in it and was begun may have said so already.
Status Feeder::deliver_exhausted(const Container& container) {
  ExpansionAllowance& allowance = *container.allowance;
  if (!allowance.is_first_to_tell()) return {};
  return deliver(failed_outcome(container.source, "", "read",
                                allowance.error().with_context(container.source), container.stamp));
}

Status Feeder::feed_given_records() {
  while (true) {
    HR_TRY(context_.parts.cancel.check());
    HR_ASSIGN(std::optional<GivenRecord> given, context_.options.next_record());
    if (!given) return {};
    context_.parts.progress.documents_found.fetch_add(1, std::memory_order_relaxed);
    if (!*given) {
      auto& [problem, count] = given->error();
      Outcome failed = failed_outcome(problem.source, "", problem.stage, std::move(problem.error));
      failed.count = count;
      HR_TRY(deliver(std::move(failed)));
      continue;
    }
    RawDocument* const record = &**given;
    if (record->is_numbered) name_given(*record);
    if (is_unchanged(context_, record->source, record->content_hash)) {
      Outcome unchanged;
      unchanged.kind = OutcomeKind::unchanged;
      unchanged.document.source = record->source;
      HR_TRY(deliver(std::move(unchanged)));
      continue;
    }
    const uint64_t size = record->bytes.size();
    // std::function wants copyable captures; the record is shared instead of copied.
    auto shared = std::make_shared<RawDocument>(std::move(*record));
    HR_TRY(submit(size, Format::text, [&context = context_, shared] {
      return run_document_task(context, std::move(*shared), "");
    }));
  }
}

Status Feeder::feed_record(RawDocument&& raw, Format format, const Container& container,
                           int depth) {
  context_.parts.progress.documents_found.fetch_add(1, std::memory_order_relaxed);
  if (is_unchanged(context_, raw.source, raw.content_hash)) {
    Outcome unchanged;
    unchanged.kind = OutcomeKind::unchanged;
    unchanged.document.source = raw.source;
    unchanged.document.container = container.source;
    unchanged.bytes = raw.stamp.size_bytes;
    unchanged.count += context_.parts.known->beneath(container.source, raw.source).size();
    return deliver(std::move(unchanged));
  }
  const uint64_t size = raw.bytes.size();
  auto shared = std::make_shared<RawDocument>(std::move(raw));
  ExpansionShare share{container.allowance};
  if (share.allowance) share.place = share.allowance->next_place();
  return submit(size, format, [&context = context_, shared, top = container.source, depth, share] {
    return run_document_task(context, std::move(*shared), top, depth, share);
  });
}

Status Feeder::container_problem(DocumentError problem, const Container& container) {
  const std::string source = problem.source;
  return deliver(failed_outcome(source, source == container.source ? "" : container.source,
                                problem.stage, std::move(problem.error), container.stamp));
}

Status Feeder::end_container(const Container& container) {
  if (container.damaged) return {};
  Outcome end;
  end.kind = OutcomeKind::container_end;
  end.document.source = container.source;
  end.document.stamp = container.stamp;
  end.document.content_hash = container.content_hash;
  end.document.settings = context_.options.settings;
  end.document.is_container = true;
  end.has_members = true;
  return deliver(std::move(end));
}

// Of a text from standard input that has no name.
std::string Feeder::input_source(const Hash128& content_hash) const {
  std::string by_content = fmt::format("-#{}", short_hash(content_hash));
  const auto* const known = context_.parts.known;
  if (known == nullptr) return "-";
  if (known->document(by_content)) return by_content;
  const auto state = known->document("-");
  const bool is_free = !state || state->error || state->content_hash == content_hash;
  return is_free ? "-" : by_content;
}

// One member: an archive is opened, records are read, anything else becomes a document.
Status Feeder::feed_member(Member&& member, const std::string& outer, Container& container,
                           int depth) {
  const std::string source = member_source(outer, member.name);
  if (container.allowance) HR_TRY(container.allowance->take(member.bytes.size()));
  const Format format = detect_format(member.bytes, source);
  if (is_archive(format) && depth < kNestingMax && context_.parts.workers != nullptr) {
    container.is_apart = true;
    const Status status = expand_archive(
        *context_.parts.workers,
        archive_request(context_, source, format, container.allowance.get()),
        ArchiveInput{member.bytes},
        [&](Member&& inner) { return feed_member(std::move(inner), source, container, depth + 1); },
        [&](MemberProblem&& problem) {
          container.damaged = container.damaged || problem.name.empty();
          return container_problem(
              {member_source(source, problem.name), "read", std::move(problem.error)}, container);
        },
        [&](const UnpackedBytes& unpacked) -> Status {
          if (!container.allowance) return {};
          return count_unpacked(*container.allowance, source, unpacked);
        },
        &context_.parts.cancel);
    if (status || status.error().code() == ErrorCode::cancelled) return status;
    // No more may come out of the whole: that is said once, of the outermost file.
    if (container.allowance && container.allowance->exhausted()) return status;
    container.damaged = true;
    return container_problem({source, "read", status.error()}, container);
  }
  const bool is_whole_input = container.is_input && depth == 0;
  if (is_jsonl_name(source) || (is_whole_input && format == Format::jsonl)) {
    container.is_apart = true;
    return feed_records(source, std::move(member.bytes), container);
  }
  if (format == Format::csv && !context_.options.columns.text.empty()) {
    container.is_apart = true;
    return feed_table(source, std::move(member.bytes), container);
  }
  RawDocument raw;
  raw.source = source;
  raw.content_hash = hash128(member.bytes);
  if (is_whole_input && container.keeps_others) raw.source = input_source(raw.content_hash);
  raw.stamp = {member.bytes.size(), member.modified_ns, 0};
  raw.bytes = std::move(member.bytes);
  return feed_record(std::move(raw), format, container, depth);
}

Status Feeder::feed_archive_file(const FileEntry& entry, Format format) {
  Container container{entry.source, entry.stamp, {}};
  container.allowance = std::make_shared<ExpansionAllowance>(entry.stamp.size_bytes);
  if (context_.parts.workers == nullptr) {
    return deliver(failed_outcome(
        entry.source, "", "read",
        Error(ErrorCode::unsupported, fmt::format("{}: no worker to open it", entry.source))));
  }
  const UniqueFd file(open(entry.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) {
    return deliver_unread(entry, os_error(errno, fmt::format("open {}", entry.source)));
  }
  // A member comes out whole before it is handed on.
  HR_TRY(reserve_reading(2 * context_.options.document_bytes_max));
  const Status status = expand_archive(
      *context_.parts.workers,
      archive_request(context_, entry.source, format, container.allowance.get()),
      ArchiveInput{{}, file.get()},
      [&](Member&& member) { return feed_member(std::move(member), entry.source, container, 1); },
      [&](MemberProblem&& problem) {
        container.damaged = container.damaged || problem.name.empty();
        return container_problem(
            {member_source(entry.source, problem.name), "read", std::move(problem.error)},
            container);
      },
      [&](const UnpackedBytes& unpacked) {
        return count_unpacked(*container.allowance, entry.source, unpacked);
      },
      &context_.parts.cancel);
  reading_.release();
  if (!status) {
    if (status.error().code() == ErrorCode::cancelled) return status;
    if (container.allowance->exhausted()) return deliver_exhausted(container);
    return deliver(failed_outcome(entry.source, "", "read", status.error(), entry.stamp));
  }
  return end_container(container);
}

}  // namespace headrace
