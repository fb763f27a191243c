// Member: a document found inside another (a member of an archive, an attachment of a mail), and
// MemberProblem: one that could not be read. Both travel from a worker process as frames; here is
// how they are packed. Unpacking trusts nothing.
//
// Threads: values and pure functions. Errors: damaged.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace headrace {

// Kinds of frames a worker emits for decode and archive jobs.
enum class WireFrame : uint32_t {
  document = 1,   // pack_document (decode/wire.h)
  member = 2,     // pack_member: a member or an attachment, still to be decoded
  problem = 3,    // pack_problem: a member that could not be read; the job goes on
  pdf_pages = 4,  // pack_pdf_pages (decode/pdf_pages.h)
  text = 5,       // text alone, in UTF-8 with "\n" line ends and no NUL (op "legacy_text")
  unpacked = 6,   // pack_unpacked: bytes that were unpacked and came as no member
};

// An archive's member or a mail's attachment.
struct Member {
  std::string name;  // path inside its container, UTF-8 (bad bytes as U+FFFD)
  std::string bytes;
  int64_t modified_ns = 0;  // since the Unix epoch; 0 where the container does not say
};

// A member that could not be read, and why. An empty name means the container itself (its rest is
// missing, or it was stopped at a limit).
struct MemberProblem {
  std::string name;
  Error error;
};

// Bytes that were unpacked and came as no member, since the last such frame: to get at what stands
// behind them or to make a document of them, or of something that was refused then.
struct UnpackedBytes {
  uint64_t passed_over = 0;
  uint64_t refused = 0;
};

std::string pack_member(const Member& member);
Result<Member> unpack_member(std::string_view bytes);
std::string pack_problem(const MemberProblem& problem);
Result<MemberProblem> unpack_problem(std::string_view bytes);
std::string pack_unpacked(const UnpackedBytes& unpacked);
Result<UnpackedBytes> unpack_unpacked(std::string_view bytes);

}  // namespace headrace
