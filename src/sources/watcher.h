// Watcher: waits until something below some folders (or one of some files) changes, by inotify.
//
// A source may vanish, come back, or be replaced by another file or folder of its name (as editors
// save): the folders on the way to it are watched for its name.
//
// A file counts as changed when it is closed. One that stays open is looked at when its writer
// pauses, and now and then when he does not; meanwhile it holds up no other.
//
// Owns: its inotify instance. Threads: one. Errors: io (too many watches: the message says which
// limit), cancelled.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runtime/cancel.h"

namespace headrace {

class Watcher {
 public:
  // How long a file that is written to without pause goes unseen.
  static constexpr int kRestlessMs = 2000;

  // Folders are watched with all folders below them, also new ones, but not knowledge bases.
  static Result<std::unique_ptr<Watcher>> create(const std::vector<std::string>& roots);
  explicit Watcher(int fd) : fd_(fd) {}
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  // True after a change, when changes pause or go on for too long; false when there was nothing to
  // look at for `most_ms` (negative: waits on). `restless_ms`: after that a file is looked at
  // although it is still being written to.
  Result<bool> wait(const CancelToken& cancel, int most_ms = -1, int restless_ms = kRestlessMs);

 private:
  using Clock = std::chrono::steady_clock;
  // When the first and the last of some changes came that were not yet looked at.
  struct Span {
    std::optional<Clock::time_point> first;
    Clock::time_point last;
    void note();
    // When they are to be looked at.
    std::optional<Clock::time_point> due(int pause_ms, int most_ms) const;
  };
  struct Watched {
    std::string path;
    bool tree = false;               // whatever happens in it counts
    std::vector<std::string> names;  // else what happens to these
  };

  Status watch_all();
  Status add_tree(const std::string& path);
  Status add_one(const std::string& path);
  void add_way_to(const std::string& root);
  bool is_on_the_way_to_a_root(const Watched& watched) const;
  void forget_below(const std::string& path);
  Status read_events();
  Status take(uint32_t mask, int watch, std::string_view name);

  int fd_;
  std::vector<std::string> roots_;
  std::map<int, Watched> watched_;  // by watch descriptor
  Span done_;                       // of files and folders that are what they are now
  Span open_;                       // of files that are still being written to
  bool lost_ = false;               // what is watched must be looked up again
};

}  // namespace headrace
