// The operation "archive": members of archives, and compressed single files, as frames.
#include <algorithm>
#include <string>
#include <string_view>

#include "archive_output.h"
#include "archive_streams.h"
#include "archive_tar.h"
#include "archive_zip.h"
#include "batch/archive_request.h"
#include "handlers.h"

namespace headrace {
namespace {

using archive::ByteStream;
using archive::ExpansionGuard;
using archive::MemberOutput;

// "notes.txt.gz" holds "notes.txt". Compressed tars never come here.
std::string inner_name(std::string_view outer) {
  outer.remove_prefix(outer.find_last_of("/!") + 1);
  for (const std::string_view ending : {".gz", ".gzip", ".zst", ".zstd", ".bz2", ".xz", ".z", ".Z"})
    if (outer.size() > ending.size() && outer.ends_with(ending))
      return std::string(outer.substr(0, outer.size() - ending.size()));
  return std::string(outer);
}

Status read_single(std::string_view name, std::string_view front, ByteStream& stream,
                   MemberOutput& output) {
  auto member = output.begin(output.unique_name(name), 0, front.size());
  member.bytes() += front;
  constexpr size_t kStep = 1 << 20;
  for (;;) {
    const size_t at = member.bytes().size();
    member.bytes().resize(at + kStep);
    const Result<size_t> got = stream.read(member.bytes().data() + at, kStep);
    // Half a document is none: unlike an archive, nothing of it is whole.
    if (!got) {
      output.refused(member.size());
      return output.problem("", got.error());
    }
    member.bytes().resize(at + *got);
    if (member.size() > output.member_bytes_max()) {
      output.refused(member.size());
      return output.too_large("");
    }
    if (*got < kStep) return output.send(std::move(member));
  }
}

Status read_archive(std::string_view input, const ArchiveRequest& request, MemberOutput& output) {
  const ExpansionGuard guard(request.total_bytes_max);
  if (request.kind == "zip") return archive::read_zip(input, guard, output);
  HR_ASSIGN(const auto stream, archive::open_stream(request.kind, input, guard));
  std::string front(archive::kTarBlock, '\0');
  const Result<size_t> got = stream->read(front.data(), front.size());
  if (!got) return std::unexpected(got.error());
  front.resize(*got);
  if (request.kind == "tar" || archive::is_tar_header(front))
    return archive::read_tar(front, *stream, output);
  return read_single(inner_name(request.outer_name), front, *stream, output);
}

}  // namespace

Status handle_archive(WorkerCall& call) {
  HR_ASSIGN(const ArchiveRequest request, unpack_archive_request(call.params()));
  MemberOutput output(call, request);
  HR_TRY(read_archive(call.input(), request, output));
  return output.tell_unpacked();
}

}  // namespace headrace
