// FileSystem: every file operation of the index and the log goes through this interface, so that a
// simulated disk (env/simulated_file_system.h) can crash, tear, lie and fill up at every call.
//
// Threads: a FileSystem is safe from any thread; a WritableFile belongs to one thread at a time; a
// ReadableFile is safe from any thread. Errors: os_error of the call, naming the path.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace headrace {

// An open file for appending. Bytes are only durable after sync().
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  virtual Status append(std::string_view bytes) = 0;
  virtual Status sync() = 0;  // fdatasync
  // Cuts the file (after a failed append, so that no torn bytes stay before later ones).
  virtual Status truncate(uint64_t size) = 0;
  virtual uint64_t size() const = 0;
  virtual Status close() = 0;
};

// A file for reading at any place.
class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  virtual uint64_t size() const = 0;
  // Reads up to `length` bytes at `offset` (fewer only at the end of the file).
  virtual Result<std::string> read(uint64_t offset, uint64_t length) const = 0;
};

// A whole file mapped read-only; stays valid when the file is unlinked.
class MappedFile {
 public:
  virtual ~MappedFile() = default;
  virtual std::string_view bytes() const = 0;
  // Tells the system that these pages are not needed again soon (keeps resident memory small).
  virtual void forget(uint64_t offset, uint64_t length) const = 0;
};

// Holds an exclusive lock until destroyed; the system releases it when the process dies.
class FileLock {
 public:
  virtual ~FileLock() = default;
  // Fails with `busy` when the path no longer names the locked file (somebody removed or replaced
  // it): from then on another process may hold a lock of the same name.
  virtual Status check() const = 0;
};

struct FileStat {
  uint64_t size = 0;
  int64_t modified_ns = 0;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  static FileSystem& real();

  virtual Result<std::unique_ptr<WritableFile>> create(const std::string& path) = 0;  // truncates
  virtual Result<std::unique_ptr<WritableFile>> append_to(const std::string& path) = 0;
  virtual Result<std::unique_ptr<ReadableFile>> open(const std::string& path) = 0;
  virtual Result<std::unique_ptr<MappedFile>> map(const std::string& path) = 0;
  virtual Result<FileStat> stat(const std::string& path) = 0;
  virtual Result<std::vector<std::string>> list(const std::string& folder) = 0;  // names, sorted
  virtual Status make_folder(const std::string& path) = 0;                       // and its parents
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& path) = 0;
  // A second name for the same file, which must not be written afterwards. `unsupported` where the
  // two cannot share one (another disk, a file system without links): copy it then.
  virtual Status link(const std::string& from, const std::string& to) = 0;
  virtual Status sync_folder(const std::string& path) = 0;
  // Takes the lock at once or fails with `busy`; the message says which process id holds it (the
  // holder writes it into the file).
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
  // Nanoseconds since the Unix epoch. May jump, also backwards.
  virtual int64_t now_ns() = 0;
};

}  // namespace headrace
