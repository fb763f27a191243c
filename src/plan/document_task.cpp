#include "plan/document_task.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "base/utf8.h"
#include "decode/text_formats.h"
#include "sources/archive.h"
#include "sources/file_reader.h"

namespace headrace {

namespace {

// Files touched this recently may change again without their time moving (the clock of file
// systems ticks in milliseconds): their stamp is not trusted next time, their hash is.
constexpr int64_t kRacyWindowNs = 20'000'000;
// A larger PDF is not read into memory.
constexpr uint64_t kPdfHeldBytesMax = 8ULL << 20;

SourceStamp trusted(SourceStamp stamp) {
  const int64_t now = std::chrono::duration_cast<std::chrono::nanoseconds>(
                          std::chrono::system_clock::now().time_since_epoch())
                          .count();
  if (now - stamp.modified_ns < kRacyWindowNs) stamp.modified_ns = 0;
  return stamp;
}

std::vector<Row> cut_document(const Document& document, const Chunker& chunker,
                              const CancelToken* cancel) {
  std::vector<Row> rows = chunker.chunk(document, cancel);
  if (!rows.empty() || document.title.empty()) return rows;
  // Nothing but a title: it is found by that.
  Document title = decode_plain_text(document.title);
  title.lines = document.lines;
  title.source = document.source;
  title.title = document.title;
  title.metadata = document.metadata;
  return chunker.chunk(title);
}

std::shared_ptr<const DocumentStructure> take_structure(Document& document) {
  DocumentStructure structure;
  structure.source = document.source;
  structure.text_hash = hash128(document.text);
  structure.blocks = std::move(document.blocks);
  structure.links = std::move(document.links);
  structure.lines = std::move(document.lines);
  return std::make_shared<const DocumentStructure>(std::move(structure));
}

std::vector<Row> whole_document(Document&& document) {
  Row row;
  row.source = document.source;
  row.key = row_key(document.source, 0);
  row.title = std::move(document.title);
  row.text = std::move(document.text);
  row.span_end = count_code_points(row.text);
  row.metadata = std::move(document.metadata);
  return {row};
}

// A record that is already text: no guessing of titles or structure beyond paragraphs.
Document document_of_record(RawDocument&& raw) {
  if (raw.structure && raw.structure->text_hash == hash128(raw.bytes)) {
    Document document;
    document.text = std::move(raw.bytes);
    document.blocks = raw.structure->blocks;
    document.links = raw.structure->links;
    document.lines = raw.structure->lines;
    document.title = std::move(raw.title);
    return document;
  }
  std::string text = to_utf8(raw.bytes, TextEncoding{"utf-8", false});
  raw.bytes = {};
  Document document = decode_plain_text(std::move(text));
  document.title = std::move(raw.title);
  document.lines.clear();  // its own lines are not those of the file that it came from
  return document;
}

void merge_metadata(const Metadata& given, Metadata& into) {
  for (const auto& [name, value] : given) into.insert_or_assign(name, value);
}

// The document as the knowledge base has it, whatever became of what was inside.
bool is_same(const DocumentContext& context, const std::string& source,
             const Hash128& content_hash) {
  if (context.parts.known == nullptr) return false;
  const auto state = context.parts.known->document(source);
  return state && !state->error && state->content_hash == content_hash &&
         state->settings == context.options.settings;
}

// A worker's time went into it, up to some limit.
bool came_to_a_limit(ErrorCode code) {
  return code == ErrorCode::crashed || code == ErrorCode::timed_out ||
         code == ErrorCode::out_of_budget || code == ErrorCode::too_large;
}

// What such a document costs: nobody told how much was made of it.
constexpr uint64_t kAtLimitBytes = 64ULL << 20;

class Task {
 public:
  Task(const DocumentContext& context, std::string top, ExpansionShare share)
      : context_(context),
        top_(std::move(top)),
        allowance_(std::move(share.allowance)),
        place_(share.place) {}

  void run(RawDocument raw, const std::string& container, int depth) {
    const std::string source = raw.source;
    if (depth > 0 && allowance_->is_behind_end(place_)) return stop_at_allowance();
    const SourceStamp stamp = raw.stamp;
    Outcome outcome;
    outcome.document.source = source;
    outcome.document.container = container;
    outcome.document.stamp = trusted(stamp);
    outcome.document.content_hash = raw.content_hash;
    outcome.document.settings = context_.options.settings;
    outcome.bytes = raw.file ? raw.stamp.size_bytes : raw.bytes.size();
    const Metadata given = raw.metadata;
    const bool same = is_same(context_, source, raw.content_hash);
    if (outcomes_.empty()) retrying_ = same;
    if (retrying_ && is_unchanged(context_, source, raw.content_hash)) {
      outcome.kind = OutcomeKind::unchanged;
      outcome.bytes = 0;
      outcome.count += context_.parts.known->beneath(top_, source).size();
      outcomes_.push_back(std::move(outcome));
      return;
    }

    Decoded decoded;
    if (raw.is_text) {
      decoded.document = document_of_record(std::move(raw));
    } else {
      const Format format = raw.file ? Format::pdf : detect_format(raw.bytes, source);
      if (is_archive(format) && depth >= kNestingMax) {
        return add_too_deep(source, container,
                            fmt::format("{} is an archive more than {} deep", source, kNestingMax));
      }
      if (is_archive(format)) return expand(std::move(raw), container, format, depth);
      UnpackedBytes unpacked;
      const uint64_t held = raw.bytes.size();
      auto result =
          context_.decoder.decode(std::move(raw), format, &context_.parts.cancel, &unpacked);
      if (depth > 0 && !count_decoded(source, result, held, unpacked)) stop_at_allowance();
      if (!result) {
        outcomes_.push_back(failed_outcome(source, container, "decode", std::move(result).error(),
                                           outcome.document.stamp));
        return;
      }
      decoded = std::move(*result);
    }
    if (retrying_ && same) {
      outcome.kind = OutcomeKind::unchanged;
      outcomes_.push_back(std::move(outcome));
      return add_members(source, std::move(decoded), depth);
    }
    decoded.document.source = source;
    merge_metadata(given, decoded.document.metadata);
    if (context_.options.whole_documents) outcome.structure = take_structure(decoded.document);
    outcome.document.rows =
        context_.options.whole_documents
            ? whole_document(std::move(decoded.document))
            : cut_document(decoded.document, context_.parts.chunker, &context_.parts.cancel);
    outcome.is_empty = outcome.document.rows.empty() && decoded.members.empty();
    const size_t place = outcomes_.size();
    outcomes_.push_back(std::move(outcome));
    add_members(source, std::move(decoded), depth);
    if (depth == 0 && container.empty()) {
      for (size_t i = place + 1; i < outcomes_.size(); ++i)
        outcomes_[place].members.push_back(outcomes_[i].document.source);
      outcomes_[place].has_members = !damaged_;
    }
  }

  std::vector<Outcome> take() {
    for (Outcome& outcome : outcomes_) outcome.incomplete = damaged_;
    return std::move(outcomes_);
  }

 private:
  void add_members(const std::string& outer, Decoded&& decoded, int depth) {
    for (MemberProblem& problem : decoded.problems) {
      damaged_ = damaged_ || problem.name.empty();
      outcomes_.push_back(failed_outcome(member_source(outer, problem.name), top_, "decode",
                                         std::move(problem.error)));
    }
    for (Member& member : decoded.members) {
      if (!add_member(outer, std::move(member), depth)) return;
    }
  }

  // Fails when no more may come out of the outermost file.
  Status add_member(const std::string& outer, Member&& member, int depth) {
    if (Status allowed = allowance_->take(member.bytes.size()); !allowed) {
      stop_at_allowance();
      return allowed;
    }
    RawDocument raw;
    raw.source = fmt::format("{}!{}", outer, member.name);
    raw.content_hash = hash128(member.bytes);
    raw.stamp.size_bytes = member.bytes.size();
    raw.bytes = std::move(member.bytes);
    if (depth + 1 > kNestingMax) {
      add_too_deep(raw.source, top_,
                   fmt::format("{} is nested more than {} deep", raw.source, kNestingMax));
      return {};
    }
    run(std::move(raw), top_, depth + 1);
    if (allowance_->exhausted()) return fail(ErrorCode::too_large, "its allowance is used up");
    return {};
  }

  // `held` bytes have been counted, as a member.
  Status count_decoded(const std::string& source, const Result<Decoded>& result, uint64_t held,
                       UnpackedBytes unpacked) {
    if (!result) {
      if (came_to_a_limit(result.error().code())) unpacked.refused += kAtLimitBytes;
    } else {
      const uint64_t text = result->document.text.size();
      unpacked.passed_over = std::max(unpacked.passed_over, text - std::min(text, held));
      for (const MemberProblem& problem : result->problems) {
        if (came_to_a_limit(problem.error.code())) unpacked.refused += kAtLimitBytes;
      }
    }
    return count_unpacked(*allowance_, source, unpacked);
  }

  // Said once, of the outermost file.
  void stop_at_allowance() {
    allowance_->end_behind(place_);
    damaged_ = true;
    if (allowance_->is_first_to_tell())
      outcomes_.push_back(
          failed_outcome(top_, top_, "decode", allowance_->error().with_context(top_)));
  }

  void add_too_deep(const std::string& source, const std::string& container, std::string message) {
    outcomes_.push_back(failed_outcome(
        source, container, "decode",
        Error(ErrorCode::too_large, std::move(message), "unpack it and index the files")));
  }

  // An archive inside a document (a mail's attachment): expanded here, on this thread.
  void expand(RawDocument&& raw, const std::string& container, Format format, int depth) {
    const std::string outer = raw.source;
    if (context_.parts.workers == nullptr) {
      outcomes_.push_back(
          failed_outcome(outer, container, "decode",
                         Error(ErrorCode::unsupported, fmt::format("{} is an archive", outer))));
      return;
    }
    const Status status = expand_archive(
        *context_.parts.workers, archive_request(context_, outer, format, allowance_.get()),
        ArchiveInput{raw.bytes},
        [&](Member&& member) -> Status { return add_member(outer, std::move(member), depth); },
        [&](MemberProblem&& problem) -> Status {
          damaged_ = damaged_ || problem.name.empty();
          outcomes_.push_back(failed_outcome(member_source(outer, problem.name), top_, "read",
                                             std::move(problem.error)));
          return {};
        },
        [&](const UnpackedBytes& unpacked) { return count_unpacked(*allowance_, outer, unpacked); },
        &context_.parts.cancel);
    if (!status && allowance_->exhausted()) return stop_at_allowance();
    if (!status) {
      damaged_ = true;
      outcomes_.push_back(failed_outcome(outer, container, "read", status.error(), raw.stamp));
    }
  }

  const DocumentContext& context_;
  const std::string top_;  // the file everything here came out of
  const std::shared_ptr<ExpansionAllowance> allowance_;
  const uint64_t place_;  // of the document that it began with, among those of the outermost file
  std::vector<Outcome> outcomes_;
  bool retrying_ = false;  // as it was: only what failed in it is tried again
  bool damaged_ = false;   // some members are not known: nothing may be taken for removed
};

Result<RawDocument> read_whole(const FileEntry& entry, uint64_t bytes_max) {
  HR_ASSIGN(FileBytes file, read_file(entry.path, bytes_max));
  RawDocument raw;
  raw.source = entry.source;
  raw.content_hash = hash128(file.bytes);
  raw.stamp = file.stamp;
  raw.bytes = std::move(file.bytes);
  return raw;
}

// The workers map it.
Result<RawDocument> open_large_pdf(const FileEntry& entry) {
  HR_ASSIGN(HashedFile file, hash_file(entry.path));
  RawDocument raw;
  raw.source = entry.source;
  raw.content_hash = file.hash;
  raw.stamp = file.stamp;
  raw.file = std::make_shared<UniqueFd>(std::move(file.fd));
  return raw;
}

}  // namespace

std::string member_source(const std::string& outer, const std::string& name) {
  return name.empty() ? outer : fmt::format("{}!{}", outer, name);
}

ArchiveRequest archive_request(const DocumentContext& context, const std::string& source,
                               Format format, const ExpansionAllowance* allowance) {
  ArchiveRequest request;
  request.kind = format_name(format);
  request.outer_name = source;
  request.member_bytes_max = context.options.document_bytes_max;
  if (allowance != nullptr) request.total_bytes_max = allowance->left();
  return request;
}

Status count_unpacked(ExpansionAllowance& allowance, const std::string& source,
                      const UnpackedBytes& unpacked) {
  HR_TRY(allowance.pass_over(unpacked.passed_over));
  return allowance.refuse(source, unpacked.refused);
}

Outcome failed_outcome(std::string source, std::string container, std::string stage, Error error,
                       const SourceStamp& stamp) {
  // Every failure names the file and says what to do, whatever the decoder knew.
  std::string message = error.message();
  if (message.find(source) == std::string::npos) message = fmt::format("{}: {}", source, message);
  const std::string hint =
      !error.hint().empty() ? error.hint()
                            : "open and save it in its own program, or leave it out with --exclude";
  error = Error(error.code(), std::move(message), hint);
  Outcome outcome;
  outcome.kind = OutcomeKind::failed;
  outcome.document.source = source;
  outcome.document.container = std::move(container);
  outcome.document.stamp = stamp;
  outcome.document.error = DocumentError{std::move(source), std::move(stage), std::move(error)};
  return outcome;
}

bool is_unchanged(const DocumentContext& context, const std::string& source,
                  const Hash128& content_hash) {
  return is_same(context, source, content_hash) && !context.parts.known->has_failures(source);
}

std::vector<Outcome> run_document_task(const DocumentContext& context, RawDocument raw,
                                       const std::string& container, int depth,
                                       ExpansionShare share) {
  if (!share.allowance) share.allowance = std::make_shared<ExpansionAllowance>(raw.bytes.size());
  Task task(context, container.empty() ? raw.source : container, std::move(share));
  task.run(std::move(raw), container, depth);
  return task.take();
}

std::vector<Outcome> run_file_task(const DocumentContext& context, const FileEntry& entry,
                                   Format format) {
  std::vector<Outcome> outcomes;
  Result<RawDocument> read = format == Format::pdf && entry.stamp.size_bytes > kPdfHeldBytesMax
                                 ? open_large_pdf(entry)
                                 : read_whole(entry, context.options.document_bytes_max);
  if (!read) {
    // Gone since it was listed: no document, not one that failed.
    if (read.error().code() == ErrorCode::not_found) return outcomes;
    outcomes.push_back(
        failed_outcome(entry.source, "", "read", std::move(read).error(), entry.stamp));
    return outcomes;
  }
  RawDocument raw = std::move(*read);
  if (is_unchanged(context, raw.source, raw.content_hash)) {
    Outcome outcome;
    outcome.kind = OutcomeKind::unchanged;
    outcome.document.source = raw.source;
    outcome.count = 1 + context.parts.known->member_count(raw.source);
    outcomes.push_back(std::move(outcome));
    return outcomes;
  }
  const auto mapped = raw.file;
  const SourceStamp stamp = raw.stamp;
  outcomes = run_document_task(context, std::move(raw), "");
  if (mapped) {
    if (Status same = check_unchanged(mapped->get(), stamp, entry.path); !same) {
      outcomes.clear();
      outcomes.push_back(
          failed_outcome(entry.source, "", "read", std::move(same).error(), entry.stamp));
    }
  }
  return outcomes;
}

index::DocumentWrite write_given_document(GivenDocument&& given, const Chunker& chunker) {
  index::DocumentWrite write;
  write.content_hash = hash128(given.title + '\n' + given.text);
  RawDocument raw;
  raw.bytes = std::move(given.text);
  raw.title = std::move(given.title);
  Document document = document_of_record(std::move(raw));
  document.source = given.id;
  document.metadata = std::move(given.metadata);
  document.metadata.insert_or_assign("id", given.id);
  write.source = std::move(given.id);
  write.rows = cut_document(document, chunker, nullptr);
  return write;
}

}  // namespace headrace
