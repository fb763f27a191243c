// How a decoded Document travels from a worker process: a flat little-endian encoding, checked on
// arrival as if a stranger had written it (workers read hostile bytes).
//
// Threads: pure functions. Errors: damaged.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "batch/document.h"

namespace headrace {

// Kinds of frames a worker emits for decode and archive jobs.
enum class WireFrame : uint32_t {
  document = 1,  // pack_document
  member = 2,    // pack_member: a member of an archive or an attachment, still to be decoded
  problem = 3,   // pack_problem: a member that could not be read; the job goes on
};

// An archive's member or a mail's attachment.
struct Member {
  std::string name;  // path inside its container, UTF-8 (bad bytes as U+FFFD)
  std::string bytes;
  int64_t modified_ns = 0;
};

// A member that could not be read.
struct MemberProblem {
  std::string name;
  Error error;
};

std::string pack_document(const Document& document);
Result<Document> unpack_document(std::string_view bytes);
std::string pack_member(const Member& member);
Result<Member> unpack_member(std::string_view bytes);
std::string pack_problem(const MemberProblem& problem);
Result<MemberProblem> unpack_problem(std::string_view bytes);

}  // namespace headrace
