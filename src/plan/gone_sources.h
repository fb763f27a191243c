// GoneSources: what the knowledge base has and the sources have no more: members of a file that was
// read again, and with --prune files and records that a run over their folder did not meet.
//
// Owns: hashes of what a pass met. Threads: one. Errors: what the visitor says, damaged.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "base/hash_set.h"
#include "base/name_set.h"
#include "plan/document_task.h"
#include "plan/known_in_writer.h"
#include "plan/source_names.h"

namespace headrace {

class GoneSources {
 public:
  // Those that are given must outlive it.
  GoneSources(const StreamOptions& stream, const SourceNames& names, bool prunes)
      : stream_(stream), names_(names), prunes_(prunes) {}

  // A pass over the sources begins.
  void begin_pass();
  void note_met(const Outcome& outcome, const KnownInWriter& known);
  // Its content is not known now: nothing that was in it is gone.
  void note_unreadable(const std::string& source);
  // Not everything that is in it could be listed.
  bool is_partly_met(const std::string& container) const { return partly_.contains(container); }

  // Each of what the container that ended held before and does not hold now.
  Status for_each_gone_member(const Outcome& end, const KnownInWriter& known,
                              const std::function<Status(std::string_view source)>& visit);
  // Each document that was not met in this pass though it is below what was walked.
  Status for_each_gone(const index::Snapshot& before,
                       const std::function<Status(const index::DocumentState&)>& visit) const;

 private:
  bool is_input(std::string_view top) const;
  bool is_walked(const Walker& walker, const std::string& top) const;

  const StreamOptions& stream_;
  const SourceNames& names_;
  const bool prunes_;
  HashSet seen_;                            // files met in this pass
  NameSet met_;                             // what is in the container that is being delivered
  std::string met_in_;                      // that container
  std::unordered_set<std::string> partly_;  // containers of which not everything could be listed
  HashSet unreadable_;                      // places whose content is not known
};

}  // namespace headrace
