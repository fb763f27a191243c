#include "plan/known_in_writer.h"

#include <algorithm>

namespace headrace {

KnownInWriter::KnownInWriter(const index::Writer& writer)
    : writer_(writer), before_(writer.snapshot()) {
  before_->for_each_document_name([this](const index::DocumentName& document) -> Status {
    if (!document.container.empty()) note(document);
    return {};
  });
  for (auto& [container, members] : members_) std::ranges::sort(members.beneath);
  if (members_.empty()) before_.reset();
}

// Members mostly lie side by side, as they were delivered.
void KnownInWriter::note(const index::DocumentName& document) {
  Members& members = members_[std::string(document.container)];
  ++members.count;
  auto& places = members.places;
  if (!places.empty() && places.back().segment == document.segment &&
      places.back().end == document.number) {
    ++places.back().end;
  } else {
    places.push_back({document.segment, document.number, document.number + 1});
  }
  if (document.source.find('!', document.container.size() + 1) != std::string_view::npos)
    members.beneath.emplace_back(document.source);
  if (document.failed) note_failure(document);
}

// What it came out of: its container, and the archives and mails inside that on the way to it.
void KnownInWriter::note_failure(const index::DocumentName& document) {
  failed_.emplace(document.container);
  for (size_t at = document.source.find('!', document.container.size() + 1);
       at != std::string_view::npos; at = document.source.find('!', at + 1))
    failed_.emplace(document.source.substr(0, at));
}

uint64_t KnownInWriter::member_count(const std::string& container) const {
  const auto found = members_.find(container);
  return found == members_.end() ? 0 : found->second.count;
}

std::vector<std::string> KnownInWriter::beneath(const std::string& container,
                                                const std::string& source) const {
  const auto found = members_.find(container);
  if (found == members_.end()) return {};
  const std::vector<std::string>& all = found->second.beneath;
  const std::string prefix = source + "!";
  const auto first = std::ranges::lower_bound(all, prefix);
  const auto last = std::find_if(
      first, all.end(), [&](const std::string& member) { return !member.starts_with(prefix); });
  return {first, last};
}

Status KnownInWriter::for_each_member(
    const std::string& container,
    const std::function<Status(std::string_view source)>& visit) const {
  const auto found = members_.find(container);
  if (found == members_.end()) return {};
  for (const index::DocumentRange& range : found->second.places) {
    HR_TRY(before_->for_each_document_name(range, [&](const index::DocumentName& document) {
      return document.container == container ? visit(document.source) : Status{};
    }));
  }
  return {};
}

}  // namespace headrace
