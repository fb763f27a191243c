#include "batch/archive_request.h"

#include "batch/flat_encoding.h"

namespace headrace {

std::string pack_archive_request(const ArchiveRequest& request) {
  FlatWriter out;
  out.string(request.outer_name);
  out.string(request.kind);
  out.number(request.member_bytes_max);
  out.number(request.total_bytes_max);
  return std::move(out).take();
}

Result<ArchiveRequest> unpack_archive_request(std::string_view bytes) {
  FlatReader in(bytes);
  ArchiveRequest request;
  request.outer_name = in.string();
  request.kind = in.string();
  request.member_bytes_max = in.number<uint64_t>();
  request.total_bytes_max = in.number<uint64_t>();
  if (!in.finished()) return fail(ErrorCode::invalid_argument, "no request for an archive");
  return request;
}

}  // namespace headrace
