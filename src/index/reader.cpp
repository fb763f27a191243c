// The Reader: follows manifests and the log's acknowledged tail without lock, writes or free space.
#include <fmt/format.h>

#include "index/log.h"
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
      const uint64_t id = manifest.first_log;
      HR_ASSIGN(StoreState state,
                StoreState::open(files_, path_, std::move(manifest), state_.get()));
      HR_ASSIGN(log_, LogReader::open(files_, log_path(id), id));
      state_ = std::make_unique<StoreState>(std::move(state));
      applied_ = 0;
      log_size_ = 0;
      changed = true;
    }
    HR_ASSIGN(const FileStat known, files_.stat(log_path(state_->manifest().first_log)));
    if (known.size < log_->end()) {
      // A commit that was seen before its sync failed is taken back: begin again without it.
      const Manifest same = state_->manifest();
      HR_ASSIGN(StoreState state, StoreState::open(files_, path_, same, state_.get()));
      HR_ASSIGN(log_, LogReader::open(files_, log_path(same.first_log), same.first_log));
      state_ = std::make_unique<StoreState>(std::move(state));
      applied_ = log_size_ = 0;
      changed = true;
    }
    if (known.size != log_size_) {
      const uint64_t before = log_->end();
      HR_TRY(log_->scan(known.size));
      log_size_ = known.size;
      if (log_->end() != before || applied_ == 0) {
        std::vector<Change> changes;
        HR_TRY(log_->replay(applied_,
                            [&](const LogFrame& frame) { return read_change(frame, changes); }));
        applied_ = log_->end();
        changed = changed || !changes.empty();
        if (!changes.empty()) HR_TRY(state_->replay(std::move(changes)));
      }
    }
    if (changed || !snapshot_) snapshot_ = state_->view(folder_bytes(files_, path_), log_->end());
    return {};
  }

  std::string log_path(uint64_t id) const { return file_path(path_, FileKind::log, id); }

  FileSystem& files_;
  const std::string path_;
  Mutex mutex_;
  std::unique_ptr<StoreState> state_ HR_GUARDED_BY(mutex_);
  std::unique_ptr<LogReader> log_ HR_GUARDED_BY(mutex_);
  uint64_t applied_ HR_GUARDED_BY(mutex_) = 0;
  uint64_t log_size_ HR_GUARDED_BY(mutex_) = 0;
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
