// LogFollower: the log that a manifest names, which may be several files, read as one and followed
// as it grows.
//
// Owns: the open file. Threads: one at a time. Errors: damaged (also when a file ends before the
// next one begins), not_found, those of the file system.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "index/log.h"
#include "index/manifest.h"

namespace headrace::index {

class LogFollower {
 public:
  LogFollower(FileSystem& files, std::string folder, const Manifest& manifest)
      : files_(files),
        folder_(std::move(folder)),
        current_(manifest.first_log),
        last_(manifest.last_log) {}

  // Gives the frames that were committed since the last call, in order.
  Status read(const std::function<Status(const LogFrame&)>& visit);
  // A commit that was read has been taken back (its sync failed): begin again with a new follower.
  Result<bool> was_taken_back() const;
  // A later manifest names further files of the same log.
  void extend_to(uint64_t last) { last_ = last; }
  // After read(): of the last file.
  const LogReader& last() const { return *reader_; }

 private:
  Status read_file(const std::function<Status(const LogFrame&)>& visit);
  std::string path_of(uint64_t id) const { return file_path(folder_, FileKind::log, id); }

  FileSystem& files_;
  const std::string folder_;
  uint64_t current_;
  uint64_t last_;
  std::unique_ptr<LogReader> reader_;
  uint64_t given_ = 0;  // bytes of the file
  uint64_t size_ = 0;
};

}  // namespace headrace::index
