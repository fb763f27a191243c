#include "sources/archive.h"

#include "base/utf8.h"

namespace headrace {

Status expand_archive(WorkerPool& workers, const ArchiveRequest& request, const ArchiveInput& input,
                      const MemberHandler& on_member, const ProblemHandler& on_problem,
                      const UnpackedHandler& on_unpacked, const CancelToken* cancel) {
  const std::string params = pack_archive_request(request);
  const WorkerRequest job{
      .op = "archive", .params = params, .input = input.bytes, .input_fd = input.fd};
  bool any = false;
  Status status = workers.run(
      job,
      [&](uint32_t kind, std::string_view frame) -> Status {
        if (kind == static_cast<uint32_t>(WireFrame::unpacked)) {
          HR_ASSIGN(const UnpackedBytes unpacked, unpack_unpacked(frame));
          return on_unpacked(unpacked);
        }
        any = true;
        if (kind == static_cast<uint32_t>(WireFrame::member)) {
          HR_ASSIGN(Member member, unpack_member(frame));
          return on_member(std::move(member));
        }
        if (kind == static_cast<uint32_t>(WireFrame::problem)) {
          HR_ASSIGN(MemberProblem problem, unpack_problem(frame));
          return on_problem(std::move(problem));
        }
        return fail(ErrorCode::damaged, "a worker sent something else than members of an archive");
      },
      cancel);
  if (status || !any) return status;
  // The worker died in the middle: what came before is good, the rest is lost.
  const ErrorCode code = status.error().code();
  if (code != ErrorCode::crashed && code != ErrorCode::timed_out &&
      code != ErrorCode::out_of_budget)
    return status;
  return on_problem(
      {"", std::move(status).error().with_context("the rest of the archive cannot be read")});
}

}  // namespace headrace
