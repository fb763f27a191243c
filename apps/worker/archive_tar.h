// tar: ustar, pax and GNU members from a stream.
//
// Threads: one. Errors: of the pool; what is wrong with the archive becomes a problem.
#pragma once

#include <string_view>

#include "archive_output.h"
#include "archive_streams.h"

namespace headrace::archive {

inline constexpr size_t kTarBlock = 512;

// Whether 512 bytes are the header of a tar member (its checksum is right).
bool is_tar_header(std::string_view block);

// Takes a tar archive apart. `front`: bytes already read from the stream.
Status read_tar(std::string_view front, ByteStream& stream, MemberOutput& output);

}  // namespace headrace::archive
