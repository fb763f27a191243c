// FailureLimit: of the failures in one container (a JSONL file, an archive), the first are kept one
// by one; the others become one entry that says how many there are. Half a million bad lines are
// told by their number, not by half a million entries.
//
// Owns: the counts of the container being delivered. Threads: one. Errors: the handler's.
#pragma once

#include <string>

#include "plan/document_stream.h"

namespace headrace {

inline constexpr uint64_t kFailuresKept = 1000;

class FailureLimit {
 public:
  FailureLimit(const KnownDocuments* known, const OutcomeHandler& handler)
      : known_(known), handler_(handler) {}

  Status take(Outcome&& outcome);
  // Everything has been delivered.
  Status finish() { return tell_rest(); }

 private:
  bool had_rows(const Outcome& outcome) const;
  Status tell_rest();

  const KnownDocuments* known_;
  const OutcomeHandler& handler_;
  std::string container_;
  uint64_t failures_ = 0;
  uint64_t left_out_ = 0;
};

}  // namespace headrace
