#include "batch/member.h"

#include "base/utf8.h"
#include "batch/flat_encoding.h"

namespace headrace {

std::string pack_member(const Member& member) {
  FlatWriter out;
  out.reserve(member.bytes.size() + member.name.size() + 32);
  out.number(member.modified_ns);
  out.string(member.name);
  // The bytes come last and unmeasured: they may be longer than a uint32.
  std::string packed = std::move(out).take();
  packed += member.bytes;
  return packed;
}

Result<Member> unpack_member(std::string_view bytes) {
  FlatReader in(bytes);
  Member member;
  member.modified_ns = in.number<int64_t>();
  member.name = to_valid_utf8(in.string());
  if (!in.ok()) return fail(ErrorCode::damaged, "a worker sent a damaged member");
  member.bytes = in.rest();
  return member;
}

std::string pack_problem(const MemberProblem& problem) {
  FlatWriter out;
  out.number(static_cast<uint8_t>(problem.error.code()));
  out.string(problem.name);
  out.string(problem.error.message());
  out.string(problem.error.hint());
  return std::move(out).take();
}

Result<MemberProblem> unpack_problem(std::string_view bytes) {
  FlatReader in(bytes);
  const auto code = in.number<uint8_t>();
  const std::string_view name = in.string();
  const std::string_view message = in.string();
  const std::string_view hint = in.string();
  if (!in.finished() || code > static_cast<uint8_t>(ErrorCode::internal))
    return fail(ErrorCode::damaged, "a worker sent a damaged report");
  return MemberProblem{to_valid_utf8(name), Error(static_cast<ErrorCode>(code),
                                                  to_valid_utf8(message), to_valid_utf8(hint))};
}

std::string pack_unpacked(const UnpackedBytes& unpacked) {
  FlatWriter out;
  out.number(unpacked.passed_over);
  out.number(unpacked.refused);
  return std::move(out).take();
}

Result<UnpackedBytes> unpack_unpacked(std::string_view bytes) {
  FlatReader in(bytes);
  UnpackedBytes unpacked;
  unpacked.passed_over = in.number<uint64_t>();
  unpacked.refused = in.number<uint64_t>();
  if (!in.finished()) return fail(ErrorCode::damaged, "a worker sent a damaged count");
  return unpacked;
}

}  // namespace headrace
