#include "decode/pdf_missing.h"

#include <fmt/format.h>

namespace headrace {
namespace {

// So many pages or stretches of pages are named.
constexpr size_t kNamed = 8;

}  // namespace

void PageSet::add(uint64_t first, uint64_t end) {
  if (first >= end) return;
  count_ += end - first;
  if (!runs_.empty() && runs_.back().second == first) {
    runs_.back().second = end;
  } else if (runs_.size() < kNamed) {
    runs_.emplace_back(first, end);
  }
}

void PageSet::append(const PageSet& later) {
  const uint64_t count = count_ + later.count_;
  for (const auto& [first, end] : later.runs_) add(first, end);
  count_ = count;
}

std::string PageSet::names() const {
  uint64_t named = 0;
  std::string names;
  for (size_t i = 0; i < runs_.size(); ++i) {
    const auto& [first, end] = runs_[i];
    named += end - first;
    const bool last = i + 1 == runs_.size() && named == count_;
    if (i > 0) names += last ? " and " : ", ";
    names += end - first == 1 ? fmt::format("{}", end) : fmt::format("{} to {}", first + 1, end);
  }
  if (count_ > named) names += fmt::format(" and {} more", count_ - named);
  return (count_ == 1 ? "page " : "pages ") + names;
}

void MissingPages::append(MissingPages&& later) {
  unreadable.append(later.unreadable);
  lost.append(later.lost);
  skipped.append(later.skipped);
  if (!why) why = std::move(later.why);
}

std::optional<Error> MissingPages::as_error(uint64_t page_count, bool all) const {
  const auto hint = [&](std::string what) {
    return all ? what : what + "; its other pages are in";
  };

  if (lost.empty() && skipped.empty()) {
    if (unreadable.empty()) return std::nullopt;
    return Error(ErrorCode::damaged,
                 fmt::format("{} of {} cannot be read", unreadable.names(), page_count),
                 hint("get the file anew"));
  }
  std::string message =
      fmt::format("{} of {} {} lost", lost.names(), page_count, lost.count() == 1 ? "is" : "are");
  if (why) message += ": " + why->message();
  if (!skipped.empty()) message += fmt::format("; {} were not tried after that", skipped.names());
  if (!unreadable.empty()) message += fmt::format("; {} cannot be read", unreadable.names());
  const ErrorCode code = why ? why->code() : ErrorCode::crashed;
  return Error(code, std::move(message),
               hint(code == ErrorCode::out_of_budget
                        ? "leave the file out, split it, or give more with --memory"
                        : "the file may be damaged or hostile; leave it out or split it"));
}

}  // namespace headrace
