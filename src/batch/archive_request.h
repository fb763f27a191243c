// What a worker is told about an archive that it shall take apart: the parameters of the operation
// "archive". Its members come back as frames of batch/member.h.
//
// Threads: values and pure functions. Errors: invalid_argument.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace headrace {

struct ArchiveRequest {
  // Name of the archive; a compressed single file is named after it.
  std::string outer_name;
  // What detect_format says: zip, tar, gzip, zstd, bzip2 or xz.
  std::string kind;
  // Members larger than this become problems.
  uint64_t member_bytes_max = 256ULL << 20;
  // No more than this comes out of one archive.
  uint64_t total_bytes_max = 64ULL << 30;
};

std::string pack_archive_request(const ArchiveRequest& request);
Result<ArchiveRequest> unpack_archive_request(std::string_view bytes);

}  // namespace headrace
