// Commits: what was put becomes durable in the log, and is owed to the state from then on. Making
// segments of it (words, columns, vectors) takes longer than the disk does, so it is not part of
// the commit: a thread does it in larger groups, or who asks for the state first.
#include <algorithm>
#include <utility>

#include "index/logged_writer.h"

namespace headrace::index {

namespace {

// Without being asked, what is acknowledged early becomes durable after this time and this much.
constexpr std::chrono::seconds kUnsyncedTimeMax{1};
constexpr uint64_t kUnsyncedBytesMax = 8 << 20;

// Where commits come faster than they are prepared, that waits for so much or for so long: one
// larger segment is less work than several that are joined. Who asks for the state waits for no
// time, so that it only has to be long enough for so much to come while it is called fast.
constexpr uint64_t kPreparedTogetherBytes = 4 << 20;
constexpr std::chrono::milliseconds kPreparedTogetherTime{200};
constexpr std::chrono::seconds kCareAgain{1};

// So much is prepared on all cores; less, where somebody waits for it.
constexpr uint64_t kBytesWorthThreads = 6 << 20;
constexpr uint64_t kAwaitedBytesWorthThreads = 512 << 10;

}  // namespace

// What was put since the last commit is forgotten; what was acknowledged stays.
Status LoggedWriter::give_up(Status status) {
  log_->roll_back(log_->last_failure_was_sync());
  forget_pending();
  return status;
}

// Whether this commit waits for the disk.
bool LoggedWriter::must_sync() const {
  return options_.durability == Durability::sync || log_->unsynced_bytes() > kUnsyncedBytesMax ||
         std::chrono::steady_clock::now() - synced_at_ > kUnsyncedTimeMax;
}

Status LoggedWriter::commit_locked() {
  if (log_->transaction_is_empty()) return {};
  rate_.hold(std::chrono::steady_clock::now());
  Status committed = commit_held();
  rate_.go_on(std::chrono::steady_clock::now());
  return committed;
}

Status LoggedWriter::commit_held() {
  HR_TRY(settle_folder());
  HR_TRY(lock_->check());
  const bool sync = must_sync();
  std::string bytes = log_->close_transaction();
  LogWriter& log = *log_;
  mutex_.unlock();  // the turn is kept
  Status written = log.write_and_sync(bytes, sync);
  mutex_.lock();
  if (!written) return give_up(std::move(written));
  log_->acknowledge();
  if (sync) synced_at_ = std::chrono::steady_clock::now();
  owe(std::move(bytes));
  return make_room();
}

// After a commit: what is owed, in memory or in files is kept within bounds.
Status LoggedWriter::make_room() {
  if (!options_.background) {
    HR_TRY(settle());
  } else if (!preparer_) {
    preparer_ = std::make_unique<Thread>([this] { prepare_beside(); }, Pace::bulk);
  }
  // Writing that outruns the preparing waits here.
  while (owed_.size > 2 * kPreparedTogetherBytes) {
    if (preparing_) {
      prepared_.wait(mutex_);
    } else {
      prepare_some(true);
    }
  }
  // The commit itself is done: a fold that fails (a full disk) is tried again by the next one.
  const Status folded = fold_beside();
  if (!folded && state_->memory_bytes() > 4 * options_.memory_bytes_max) return folded;
  merge_beside();
  return {};
}

void LoggedWriter::owe(std::string bytes) {
  const uint64_t before = owed_.size;
  if (owed_.bytes.empty()) owed_.since = std::chrono::steady_clock::now();
  for (std::string& early : pending_bytes_) {
    owed_.size += early.size();
    owed_.bytes.push_back(std::move(early));
  }
  owed_.size += bytes.size();
  rate_.add(std::chrono::steady_clock::now(), owed_.size - before);
  owed_.bytes.push_back(std::move(bytes));
  owed_.documents.add(std::move(pending_documents_));
  forget_pending();
  acknowledged_.fetch_add(1, std::memory_order_release);
  if (before == 0 || (before < kPreparedTogetherBytes && owed_.size >= kPreparedTogetherBytes))
    preparation_wanted_.notify_one();
}

// Brings all that is owed into the state. mutex_ is let go of in between.
void LoggedWriter::prepare_some(bool is_awaited) {
  preparing_ = true;
  Owed owed = std::exchange(owed_, {});
  preparing_documents_ = std::move(owed.documents);
  const uint64_t commits = acknowledged_;
  const std::string language = state_->manifest().language;
  const std::vector<Space> spaces = state_->spaces();
  const bool on_all_cores =
      options_.background &&
      owed.size >= (is_awaited ? kAwaitedBytesWorthThreads : kBytesWorthThreads);
  if (on_all_cores && !pool_) pool_ = std::make_unique<ThreadPool>(0, Pace::bulk);
  ThreadPool* const pool = on_all_cores ? pool_.get() : nullptr;
  mutex_.unlock();
  auto prepared = prepare_logged(owed.bytes, language, spaces, pool, cancel_preparing_);
  mutex_.lock();
  Status done = prepared ? state_->apply(std::move(*prepared))
                         : Status(std::unexpected(std::move(prepared).error()));
  if (!done && prepare_failure_) prepare_failure_ = std::move(done);
  preparing_documents_.clear();
  if (!owed.bytes.empty()) log_->reuse(std::move(owed.bytes.back()));
  show();
  in_state_.store(commits, std::memory_order_release);
  prepared_.notify_all();
  join_segments();
  begin_fold();
  preparing_ = false;
  prepared_.notify_all();
}

// Few segments make searches fast. What is joined is not seen by anybody else meanwhile: only who
// prepares marks rows or adds vectors, or who waits for it first.
void LoggedWriter::join_segments() {
  // What comes fast is large already, and soon goes into a file.
  while (const auto range = state_->worth_joining(is_pressed())) {
    const auto begin = state_->segments().begin() + static_cast<std::ptrdiff_t>(range->first);
    const std::vector<HeldSegment> segments(begin,
                                            begin + static_cast<std::ptrdiff_t>(range->count));
    const std::vector<std::string> spaces = state_->space_names();
    mutex_.unlock();
    auto joined = StoreState::join(segments, spaces);
    mutex_.lock();
    if (!joined) return;  // the next commit tries again
    state_->adopt_join(segments, std::move(*joined));
    show();
  }
}

Status LoggedWriter::settle() {
  while (preparing_ || !owed_.bytes.empty()) {
    if (preparing_) {
      prepared_.wait(mutex_);
    } else {
      prepare_some(true);
    }
  }
  return prepare_failure_;
}

// Everything that was acknowledged before the call is in the snapshot shown afterwards.
void LoggedWriter::catch_up() {
  MutexLock guard(mutex_);
  const uint64_t wanted = acknowledged_;
  while (in_state_ < wanted) {
    if (preparing_) {
      prepared_.wait(mutex_);
    } else {
      prepare_some(true);
    }
  }
}

void LoggedWriter::prepare_beside() {
  mutex_.lock();
  while (!stopping_) {
    if (preparing_) {
      prepared_.wait(mutex_);
      continue;
    }
    if (owed_.bytes.empty()) {
      const auto quiet_at = rate_.quiet_at();
      if (!is_care_due()) {
        preparation_wanted_.wait(mutex_);
      } else if (std::chrono::steady_clock::now() < quiet_at) {
        preparation_wanted_.wait_until(mutex_, quiet_at);
      } else {
        mutex_.unlock();
        care();
        mutex_.lock();
        // What could not be done (a full disk) is tried again, but not at once.
        if (!stopping_ && owed_.bytes.empty() && is_care_due())
          preparation_wanted_.wait_until(mutex_, std::chrono::steady_clock::now() + kCareAgain);
      }
      continue;
    }
    const auto until = owed_.since + kPreparedTogetherTime;
    if (is_pressed() && owed_.size < kPreparedTogetherBytes &&
        std::chrono::steady_clock::now() < until) {
      preparation_wanted_.wait_until(mutex_, until);
      continue;
    }
    prepare_some(false);
  }
  mutex_.unlock();
}

void LoggedWriter::show() {
  auto next = state_->view(files_bytes_ + log_->end(), log_->end());
  MutexLock guard(shown_mutex_);
  snapshot_.swap(next);
}

std::shared_ptr<const Snapshot> LoggedWriter::snapshot() const {
  if (in_state_.load(std::memory_order_acquire) != acknowledged_.load(std::memory_order_acquire))
    const_cast<LoggedWriter*>(this)->catch_up();
  MutexLock guard(shown_mutex_);
  return snapshot_;
}

}  // namespace headrace::index
