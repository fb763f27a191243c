#include "plan/gone_sources.h"

#include <utility>

namespace headrace {

void GoneSources::begin_pass() {
  seen_.clear();
  met_.clear();
  partly_.clear();
  unreadable_.clear();
}

// What is beneath a member that was not taken apart again (a mail that is as it was, or cannot be
// read now) is there as well.
void GoneSources::note_met(const Outcome& outcome, const KnownInWriter& known) {
  const index::DocumentWrite& document = outcome.document;
  const bool is_member = !document.container.empty();
  if (prunes_) seen_.insert(is_member ? document.container : document.source);
  if (!is_member) return;
  if (outcome.incomplete) partly_.insert(document.container);
  // Where nothing was known before, nothing can be gone.
  if (known.member_count(document.container) == 0) return;
  if (met_in_ != document.container) {
    met_in_ = document.container;
    met_.clear();
  }
  met_.insert(document.source);
  if (outcome.kind == OutcomeKind::document) return;
  for (const std::string& source : known.beneath(document.container, document.source))
    met_.insert(source);
}

void GoneSources::note_unreadable(const std::string& source) {
  const std::string place = names_.place(source);
  if (!place.empty()) unreadable_.insert(place);
}

Status GoneSources::for_each_gone_member(
    const Outcome& end, const KnownInWriter& known,
    const std::function<Status(std::string_view source)>& visit) {
  NameSet now;
  if (met_in_ == end.document.source) std::swap(now, met_);
  for (const std::string& member : end.members) now.insert(member);
  return known.for_each_member(end.document.source, [&](std::string_view source) {
    return now.contains(source) ? Status{} : visit(source);
  });
}

// What came by standard input: nobody can say that it is not there any more.
bool GoneSources::is_input(std::string_view top) const {
  const std::string& name = stream_.input_name;
  return top == "-" || top.starts_with("-#") || (!name.empty() && top == name);
}

// And nothing on the way to it was unreadable.
bool GoneSources::is_walked(const Walker& walker, const std::string& top) const {
  const std::string place = names_.place(top);
  if (place.empty() || !walker.covers(place)) return false;
  for (size_t end = place.find('/', 1); end != std::string::npos; end = place.find('/', end + 1)) {
    if (unreadable_.contains(std::string_view(place).substr(0, end))) return false;
  }
  return true;
}

Status GoneSources::for_each_gone(
    const index::Snapshot& before,
    const std::function<Status(const index::DocumentState&)>& visit) const {
  const Walker walker(stream_.paths, stream_.walk);
  return before.for_each_document([&](const index::DocumentState& state) -> Status {
    const std::string& top = state.container.empty() ? state.source : state.container;
    if (seen_.contains(top)) return {};
    // Records from memory have no place in a file system; a run over records replaces all such.
    const bool is_record =
        state.container.empty() && state.stamp.modified_ns == 0 && state.stamp.inode == 0;
    if (stream_.next_record) return is_record ? visit(state) : Status{};
    if ((is_record && !state.error) || is_input(top) || !is_walked(walker, top)) return {};
    return visit(state);
  });
}

}  // namespace headrace
