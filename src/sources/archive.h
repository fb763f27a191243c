// Archives and compressed files, taken apart by a worker process: each member is handed over as
// bytes with a name. A member that is itself an archive comes out as a member: the caller decides
// how deep to go.
//
// Owns: nothing. Threads: safe from any thread; the callbacks run on the calling thread. Errors: a
// bad member is a problem and the others still come; the Status is an error only when the archive
// as a whole could not be read (not even its beginning), or a callback failed.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "batch/archive_request.h"
#include "batch/member.h"
#include "runtime/worker_pool.h"

namespace headrace {

// Where the archive's bytes are: in memory, or in an open regular file (which is better for large
// ones: the file is mapped by the worker and never copied).
struct ArchiveInput {
  std::string_view bytes;
  int fd = -1;
};

using MemberHandler = std::function<Status(Member&&)>;
using ProblemHandler = std::function<Status(MemberProblem&&)>;
// Of work that brought no member; what stands in the problem that may follow.
using UnpackedHandler = std::function<Status(const UnpackedBytes&)>;

Status expand_archive(WorkerPool& workers, const ArchiveRequest& request, const ArchiveInput& input,
                      const MemberHandler& on_member, const ProblemHandler& on_problem,
                      const UnpackedHandler& on_unpacked, const CancelToken* cancel = nullptr);

}  // namespace headrace
