#include "plan/failure_limit.h"

#include <fmt/format.h>

#include <utility>

#include "plan/document_task.h"

namespace headrace {

// What it gave when it was good stays with it: its entry is needed.
bool FailureLimit::had_rows(const Outcome& outcome) const {
  if (known_ == nullptr) return false;
  const auto state = known_->document(outcome.document.source);
  return (state && state->row_count > 0) ||
         !known_->beneath(container_, outcome.document.source).empty();
}

Status FailureLimit::take(Outcome&& outcome) {
  const index::DocumentWrite& document = outcome.document;
  const bool is_member = !document.container.empty() && document.container != document.source;
  const std::string& container = is_member ? document.container : document.source;
  if (container != container_) {
    HR_TRY(tell_rest());
    container_ = container;
    failures_ = 0;
  }
  if (!is_member) HR_TRY(tell_rest());
  if (is_member && outcome.kind == OutcomeKind::failed && ++failures_ > kFailuresKept &&
      !had_rows(outcome)) {
    ++left_out_;
    return {};
  }
  return handler_(std::move(outcome));
}

Status FailureLimit::tell_rest() {
  if (left_out_ == 0) return {};
  const std::string source = container_ + ":more";
  Outcome rest = failed_outcome(
      source, container_, "read",
      Error(ErrorCode::damaged,
            fmt::format("{}: {} failures more, beside the {} that are listed", source, left_out_,
                        kFailuresKept),
            "mend those that are listed and run again, or leave the file out with --exclude"));
  rest.count = std::exchange(left_out_, 0);
  return handler_(std::move(rest));
}

}  // namespace headrace
