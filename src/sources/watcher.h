// Watcher: waits until something below some folders (or one of some files) changes, by inotify.
//
// Owns: its inotify instance. Threads: one. Errors: io (too many watches: the message says which
// limit), cancelled.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/cancel.h"

namespace headrace {

class Watcher {
 public:
  // Folders are watched with all folders below them, also new ones, but not knowledge bases.
  static Result<std::unique_ptr<Watcher>> create(const std::vector<std::string>& roots);
  explicit Watcher(int fd) : fd_(fd) {}
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  // True after a change, when the file that changed was closed or a short quiet time passed; false
  // when there was none for `most_ms` (negative: waits on).
  Result<bool> wait(const CancelToken& cancel, int most_ms = -1);

 private:
  Status add_tree(const std::string& path);
  Status add_one(const std::string& path);
  bool read_events(Status& status);

  int fd_;
  std::map<int, std::string> folders_;  // by watch descriptor
};

}  // namespace headrace
