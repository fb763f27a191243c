// The Reader: follows manifests and the log's acknowledged tail without lock, writes or free space.
#include <fmt/format.h>

#include <optional>

#include "index/log_follower.h"
#include "index/snapshot.h"
#include "index/store_state.h"

namespace headrace::index {

namespace {

// A writer may replace files between two of our calls; each time the newer manifest is taken.
constexpr int kAttemptsMax = 50;

class FollowingReader : public Reader {
 public:
  FollowingReader(FileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}

  Result<std::shared_ptr<const Snapshot>> snapshot() override {
    MutexLock guard(mutex_);
    for (int attempt = 0;; ++attempt) {
      const Status status = refresh();
      if (status) return snapshot_;
      const bool replaced = status.error().code() == ErrorCode::not_found && newer_manifest();
      if (!replaced) return std::unexpected(status.error());
      // The manifest is there and stays, a file that it names is not: nobody replaced it.
      if (attempt >= kAttemptsMax) {
        return fail(ErrorCode::damaged, status.error().message(),
                    fmt::format("see `headrace verify {}`; restore a backup, or repair it", path_));
      }
      state_.reset();
      logs_.reset();
    }
  }

 private:
  bool newer_manifest() HR_REQUIRES(mutex_) {
    return load_newest_manifest(files_, path_).has_value();
  }

  Status refresh() HR_REQUIRES(mutex_) {
    HR_ASSIGN(Manifest manifest, load_newest_manifest(files_, path_));
    bool changed = false;
    if (!state_ || state_->manifest().number != manifest.number) {
      if (state_ && goes_on(state_->manifest(), manifest)) {
        logs_->extend_to(manifest.last_log);
        state_->set_manifest(std::move(manifest));
      } else {
        HR_TRY(begin(std::move(manifest)));
      }
      changed = true;
    }
    HR_ASSIGN(const bool taken_back, logs_->was_taken_back());
    if (taken_back) {
      HR_TRY(begin(state_->manifest()));
      changed = true;
    }
    std::vector<Change> changes;
    HR_TRY(logs_->read([&](const LogFrame& frame) { return read_change(frame, changes); }));
    changed = changed || !changes.empty();
    if (!changes.empty()) HR_TRY(state_->replay(std::move(changes)));
    if (changed || !snapshot_)
      snapshot_ = state_->view(folder_bytes(files_, path_), logs_->last().end());
    return {};
  }

  Status begin(Manifest manifest) HR_REQUIRES(mutex_) {
    logs_.reset();
    LogFollower logs(files_, path_, manifest);
    HR_ASSIGN(StoreState state, StoreState::open(files_, path_, std::move(manifest), state_.get()));
    state_ = std::make_unique<StoreState>(std::move(state));
    logs_.emplace(std::move(logs));
    return {};
  }

  // Whether `next` only names further files of the log.
  static bool goes_on(const Manifest& now, Manifest next) {
    next.number = now.number;
    next.next_file = now.next_file;
    next.last_log = now.last_log;
    next.published_ms = now.published_ms;
    return now.encode() == next.encode();
  }

  FileSystem& files_;
  const std::string path_;
  Mutex mutex_;
  std::unique_ptr<StoreState> state_ HR_GUARDED_BY(mutex_);
  std::optional<LogFollower> logs_ HR_GUARDED_BY(mutex_);
  std::shared_ptr<const Snapshot> snapshot_ HR_GUARDED_BY(mutex_);
};

}  // namespace

Result<std::unique_ptr<Reader>> Reader::open(FileSystem& files, const std::string& path) {
  auto reader = std::make_unique<FollowingReader>(files, path);
  auto first = reader->snapshot();
  if (!first) {
    if (first.error().code() == ErrorCode::not_found) {
      return fail(ErrorCode::not_found, fmt::format("{} is no knowledge base", path),
                  "check the path, or make it with headrace index … --into " + path);
    }
    return std::unexpected(std::move(first).error());
  }
  return std::unique_ptr<Reader>(std::move(reader));
}

}  // namespace headrace::index
