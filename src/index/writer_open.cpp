// How a writer begins (lock, manifest, replay of the log) and ends.
#include <fmt/format.h>
#include <unistd.h>

#include "index/log_follower.h"
#include "index/log_records.h"
#include "index/logged_writer.h"

namespace headrace::index {

namespace {

constexpr const char* kLockName = "LOCK";

Hash128 new_identity(FileSystem& files, const std::string& path) {
  return hash128(fmt::format("{}|{}|{}", path, files.now_ns(), ::getpid()));
}

}  // namespace

LoggedWriter::~LoggedWriter() {
  std::unique_ptr<Thread> merger;
  std::unique_ptr<Thread> folder;
  std::unique_ptr<Thread> preparer;
  {
    MutexLock guard(mutex_);
    stopping_ = true;
    cancel_merge_ = cancel_fold_ = cancel_preparing_ = true;
    merge_changed_.notify_all();
    preparation_wanted_.notify_all();
    merger = std::move(merging_.thread);
    folder = std::move(folding_.thread);
    preparer = std::move(preparer_);
    // Best effort: what was acknowledged early becomes durable when the writer is closed.
    if (log_ && log_->unsynced_bytes() > 0) static_cast<void>(log_->sync());
  }
}

Status LoggedWriter::start() {
  MutexLock turn(turn_);
  MutexLock guard(mutex_);
  if (options_.create) HR_TRY(files_.make_folder(path_));
  HR_ASSIGN(lock_, files_.lock(path_ + "/" + kLockName));
  auto manifest = load_newest_manifest(files_, path_);
  if (!manifest) {
    if (manifest.error().code() != ErrorCode::not_found || !options_.create)
      return std::unexpected(std::move(manifest).error());
    manifest = make_first();
    if (!manifest) return std::unexpected(std::move(manifest).error());
  }
  HR_ASSIGN(StoreState state, StoreState::open(files_, path_, std::move(*manifest)));
  state_ = std::make_unique<StoreState>(std::move(state));
  state_->set_touched_bytes_max(options_.memory_bytes_max / 2);
  next_file_ = state_->manifest().next_file;
  synced_at_ = std::chrono::steady_clock::now();
  HR_TRY(replay());
  // A writer that was killed may have shown a manifest whose name is not durable yet. What it
  // replaced must not go before that.
  HR_TRY(files_.sync_folder(path_));
  remove_unreferenced();
  show();
  return {};
}

Result<Manifest> LoggedWriter::make_first() {
  Manifest manifest;
  manifest.number = 1;
  manifest.knowledge_base = new_identity(files_, path_);
  manifest.language = options_.language;
  manifest.settings = options_.settings;
  manifest.first_log = manifest.last_log = 1;
  manifest.is_whole = true;
  LogHeader header{1, 0, 1, manifest.knowledge_base};
  if (options_.durability == Durability::async) header.version = kLogVersionAsync;
  HR_ASSIGN(auto log, LogWriter::create(files_, path_of(FileKind::log, 1), header));
  HR_TRY(files_.sync_folder(path_));
  bool visible = false;
  HR_TRY(publish_manifest(files_, path_, manifest, visible));
  return manifest;
}

Status LoggedWriter::replay() {
  LogFollower logs(files_, path_, state_->manifest());
  std::vector<Change> changes;
  HR_TRY(logs.read([&](const LogFrame& frame) { return read_change(frame, changes); }));
  if (!changes.empty()) HR_TRY(state_->replay(std::move(changes)));
  const LogReader& last = logs.last();
  HR_ASSIGN(log_, LogWriter::reopen(files_, path_of(FileKind::log, last.header().id), last.end(),
                                    last.chain(), last.next_transaction()));
  // Only a log of the later version can hold transactions that were acknowledged early.
  if (options_.durability == Durability::sync || last.header().version >= kLogVersionAsync)
    return {};
  log_->retire();
  return flush_locked();
}

Result<std::unique_ptr<Writer>> Writer::open(FileSystem& files, const std::string& path,
                                             WriterOptions options) {
  auto writer = std::make_unique<LoggedWriter>(files, path, std::move(options));
  HR_TRY(writer->start());
  return std::unique_ptr<Writer>(std::move(writer));
}

}  // namespace headrace::index
