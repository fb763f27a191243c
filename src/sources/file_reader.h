// Reading a whole file once, honestly: what is returned is one consistent state of the file or an
// error. A file that grows without pause is given as it was when reading began.
//
// Threads: pure functions. Errors: not_found (vanished), permission, too_large, changed (its size
// or time moved while it was read, twice), io.
#pragma once

#include <cstdint>
#include <string>

#include "base/hash.h"
#include "base/result.h"
#include "batch/document.h"
#include "runtime/cancel.h"
#include "runtime/unique_fd.h"

namespace headrace {

struct FileBytes {
  std::string bytes;
  SourceStamp stamp;  // of exactly these bytes
};

Result<FileBytes> read_file(const std::string& path, uint64_t bytes_max);

// A file that stays open, for somebody who maps it; nothing of it is held.
struct HashedFile {
  UniqueFd fd;
  SourceStamp stamp;
  Hash128 hash;
};
Result<HashedFile> hash_file(const std::string& path);
// `changed` when the file is no longer what `stamp` says.
Status check_unchanged(int fd, const SourceStamp& stamp, const std::string& path);

// Standard input to its end, or until `cancel` is requested.
Result<std::string> read_standard_input(uint64_t bytes_max, const CancelToken& cancel);
// The first `length` bytes (fewer when the file is shorter).
Result<std::string> read_prefix(const std::string& path, size_t length);

}  // namespace headrace
