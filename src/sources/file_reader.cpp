#include "sources/file_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "batch/document_limit.h"
#include "runtime/input_wait.h"
#include "sources/source_stamp.h"
#include "sources/walker.h"

namespace headrace {

namespace {

Error too_large(std::string_view what, uint64_t size, uint64_t limit) {
  return Error(ErrorCode::too_large,
               fmt::format("{} has {} bytes, more than the {} that {}", what, size, limit,
                           limit >= kDocumentBytesMax ? "one document may have"
                                                      : "fit the memory budget at once"),
               std::string(too_large_hint(limit)));
}

// Reads up to `length` bytes; fewer only at the end of the file.
Result<std::string> read_up_to(int fd, size_t length, const std::string& shown) {
  std::string bytes(length, '\0');
  size_t filled = 0;
  while (filled < length) {
    const ssize_t got = read(fd, bytes.data() + filled, length - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return os_fail(errno, fmt::format("read {}", shown));
    if (got == 0) break;
    filled += static_cast<size_t>(got);
  }
  bytes.resize(filled);
  return bytes;
}

Result<UniqueFd> open_regular(const std::string& path, struct stat& info) {
  const std::string shown = displayable_path(path);
  // O_NONBLOCK: a file that became a FIFO since it was listed must not hang the run.
  UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) {
    if (errno == ENOENT) {
      return fail(ErrorCode::not_found, fmt::format("{} vanished before it was read", shown),
                  "run again if it should be there");
    }
    return os_fail(errno, fmt::format("open {}", shown));
  }
  if (fstat(file.get(), &info) != 0) return os_fail(errno, fmt::format("stat {}", shown));
  if (!S_ISREG(info.st_mode)) {
    return fail(ErrorCode::unsupported, fmt::format("{} is not a regular file", shown),
                "exclude it with --exclude");
  }
  return file;
}

std::unexpected<Error> changed(const std::string& shown) {
  return fail(ErrorCode::changed, fmt::format("{} changed while it was read", shown),
              "run again when it is complete, or use --watch");
}

}  // namespace

Result<HashedFile> hash_file(const std::string& path) {
  constexpr size_t kPiece = 1 << 20;
  const std::string shown = displayable_path(path);
  struct stat before{};
  HashedFile file;
  HR_ASSIGN(file.fd, open_regular(path, before));
  file.stamp = stamp_of(before);
  Hasher128 hasher;
  uint64_t size = 0;
  for (;;) {
    HR_ASSIGN(const std::string piece, read_up_to(file.fd.get(), kPiece, shown));
    if (piece.empty()) break;
    hasher.update(piece);
    size += piece.size();
    if (size > file.stamp.size_bytes) return changed(shown);
  }
  if (size != file.stamp.size_bytes) return changed(shown);
  HR_TRY(check_unchanged(file.fd.get(), file.stamp, path));
  file.hash = hasher.digest();
  return file;
}

Status check_unchanged(int fd, const SourceStamp& stamp, const std::string& path) {
  const std::string shown = displayable_path(path);
  struct stat now{};
  if (fstat(fd, &now) != 0) return os_fail(errno, fmt::format("stat {}", shown));
  if (stamp_of(now) != stamp) return changed(shown);
  return {};
}

Result<FileBytes> read_file(const std::string& path, uint64_t bytes_max) {
  const std::string shown = displayable_path(path);
  for (int attempt = 0; attempt < 2; ++attempt) {
    struct stat before{};
    HR_ASSIGN(const UniqueFd file, open_regular(path, before));
    const auto size = static_cast<uint64_t>(before.st_size);
    if (size > bytes_max) return std::unexpected(too_large(shown, size, bytes_max));
    HR_ASSIGN(std::string bytes, read_up_to(file.get(), size, shown));
    // One more byte must not be there.
    HR_ASSIGN(const std::string beyond, read_up_to(file.get(), 1, shown));
    struct stat after{};
    if (fstat(file.get(), &after) != 0) return os_fail(errno, fmt::format("stat {}", shown));
    if (bytes.size() == size && beyond.empty() && stamp_of(before) == stamp_of(after)) {
      return FileBytes{std::move(bytes), stamp_of(after)};
    }
    // It grows while it is read, and did so before: what it began with is a state that it had. Its
    // stamp says that it is to be read again.
    const bool grows = bytes.size() == size && static_cast<uint64_t>(after.st_size) > size;
    if (attempt > 0 && grows) {
      SourceStamp stamp = stamp_of(before);
      stamp.modified_ns = 0;
      return FileBytes{std::move(bytes), stamp};
    }
  }
  return changed(shown);
}

Result<std::string> read_standard_input(uint64_t bytes_max, const CancelToken& cancel) {
  constexpr size_t kPiece = 1 << 16;
  std::string bytes;
  while (true) {
    HR_TRY(wait_for_input(STDIN_FILENO, "standard input", cancel));
    const size_t before = bytes.size();
    bytes.resize(before + kPiece);
    const ssize_t got = ::read(STDIN_FILENO, bytes.data() + before, kPiece);
    bytes.resize(before + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0) return bytes;
    if (got < 0 && errno != EINTR && errno != EAGAIN) return os_fail(errno, "read standard input");
    if (bytes.size() > bytes_max)
      return std::unexpected(too_large("standard input", bytes.size(), bytes_max));
  }
}

Result<std::string> read_prefix(const std::string& path, size_t length) {
  const std::string shown = displayable_path(path);
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) return os_fail(errno, fmt::format("open {}", shown));
  return read_up_to(file.get(), length, shown);
}

}  // namespace headrace
