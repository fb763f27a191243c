// LoggedWriter: the Writer of knowledge_base.h. Its code is in writer_open.cpp (how it begins and
// ends), writer.cpp (changes), writer_commit.cpp (commits, and how what is acknowledged gets into
// the state), writer_files.cpp (segments and manifests), writer_fold.cpp and writer_merge.cpp (what
// goes on beside the writing).
//
// What is acknowledged is in the log alone at first, and "owed" to the state: a thread makes
// segments of it, or whoever asks for the state before that thread has come to it.
//
// Owns: the lock file, the open log, the state, threads once there is something for them.
// Threads: turn_ is held by who changes something, from its beginning to its end, also while the
// disk is waited for. mutex_ guards all members but the snapshot shown; it is not held while the
// disk has a commit, nor while segments are made, so that who reads never waits for who writes.
// Errors: those of knowledge_base.h.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "index/commit_rate.h"
#include "index/knowledge_base.h"
#include "index/log.h"
#include "index/pending_documents.h"
#include "index/segment_merge.h"
#include "index/store_state.h"
#include "runtime/thread_pool.h"

namespace headrace::index {

class LoggedWriter : public Writer {
 public:
  LoggedWriter(FileSystem& files, std::string path, WriterOptions options)
      : files_(files), path_(std::move(path)), options_(std::move(options)) {}
  ~LoggedWriter() override;
  Status start();

  Status put(DocumentWrite document) override;
  Status put_rows(const RowGroup& rows) override;
  Status remove(std::string_view source) override;
  Result<uint64_t> remove_where(const Filter& filter) override;
  Status put_vectors(std::string_view space, std::span<const std::string> keys,
                     std::span<const float> vectors) override;
  Status add_space(const Space& space) override;
  Status drop_space(std::string_view name) override;
  Status set_settings(const std::string& settings) override;
  Status set_history(const History& history) override;
  void discard() override;
  Status commit() override;
  Status flush() override;
  Status make_lists(const CancelToken* cancel, uint64_t memory_bytes) override;
  Status optimize(const CancelToken* cancel = nullptr) override;
  std::shared_ptr<const Snapshot> snapshot() const override;
  std::optional<Space> space(std::string_view name) const override;
  std::string settings() const override;
  std::optional<DocumentState> document(std::string_view source) const override;

 private:
  // Neighbouring file segments that become one, beside the writing. Until `done` only the merging
  // thread touches what is not const.
  struct Merge {
    std::vector<HeldSegment> inputs;
    std::vector<std::string> spaces;
    uint64_t file = 0;
    bool is_fold = false;                          // of memory segments
    bool lists = false;                            // for vectors that are many enough
    uint64_t list_memory_bytes = 0;                // 0: what it needs
    const std::atomic<bool>* cancelled = nullptr;  // null: the writer's own
    SegmentMergeMaps maps;
    std::shared_ptr<const Segment> result;  // null: no row and no document is left
  };
  enum class MergeStage : uint8_t { none, wanted, running, done };
  // A merge at a time, on a thread of its own from the first on.
  struct Lane {
    std::unique_ptr<Merge> merge;
    MergeStage stage = MergeStage::none;
    std::unique_ptr<Thread> thread;
  };

  std::string path_of(FileKind kind, uint64_t number) const {
    return file_path(path_, kind, number);
  }
  Result<Manifest> make_first() HR_REQUIRES(mutex_);
  Status replay() HR_REQUIRES(mutex_);
  Status ready() HR_REQUIRES(mutex_);
  std::optional<Space> find_space(std::string_view name) const HR_REQUIRES(mutex_);
  Status check_space_vectors(std::string_view space, size_t rows, std::span<const float> vectors)
      HR_REQUIRES(mutex_);
  std::optional<DocumentState> known_document(std::string_view source) const HR_REQUIRES(mutex_);
  Status add(const Change& change) HR_REQUIRES(mutex_);
  Status write_when_full() HR_REQUIRES(mutex_);
  void forget_pending() HR_REQUIRES(mutex_);

  // writer_commit.cpp
  Status give_up(Status status) HR_REQUIRES(mutex_);
  Status commit_locked() HR_REQUIRES(mutex_);
  Status commit_held() HR_REQUIRES(mutex_);
  Status make_room() HR_REQUIRES(mutex_);
  bool must_sync() const HR_REQUIRES(mutex_);
  // Commits come so fast that all cores have enough to do.
  bool is_pressed() const HR_REQUIRES(mutex_) {
    return rate_.is_high(std::chrono::steady_clock::now());
  }
  void owe(std::string bytes) HR_REQUIRES(mutex_);
  void prepare_some(bool is_awaited) HR_REQUIRES(mutex_);
  void join_segments() HR_REQUIRES(mutex_);
  // Everything acknowledged is in the state when this returns. For who holds the turn.
  Status settle() HR_REQUIRES(mutex_);
  void catch_up() HR_EXCLUDES(mutex_);
  void prepare_beside() HR_EXCLUDES(mutex_);
  void show() HR_REQUIRES(mutex_);

  // writer_files.cpp
  size_t file_segments() const HR_REQUIRES(mutex_);
  LogHeader next_log() const HR_REQUIRES(mutex_);
  Result<std::optional<HeldSegment>> write_segment(std::span<const SegmentMergeInput> inputs,
                                                   bool lists) HR_REQUIRES(mutex_);
  Status write_late(HeldSegment& held) HR_REQUIRES(mutex_);
  Status publish(std::vector<HeldSegment> segments, Manifest manifest,
                 std::unique_ptr<LogWriter> log) HR_REQUIRES(mutex_);
  // What is in memory becomes a file segment; with `whole`, everything becomes one.
  Status flush_and_merge() HR_REQUIRES(mutex_);
  Status flush_locked(bool whole = false) HR_REQUIRES(mutex_);
  Status publish_as_is(Manifest manifest) HR_REQUIRES(mutex_);
  // Whether the manifest names a single log file.
  bool is_one_log() const HR_REQUIRES(mutex_) {
    return state_->manifest().first_log == state_->manifest().last_log;
  }
  Status settle_folder() HR_REQUIRES(mutex_);
  void remove_unreferenced() HR_REQUIRES(mutex_);

  // writer_merge.cpp
  struct Range {
    size_t first = 0;
    size_t count = 0;
  };
  std::optional<Range> worth_merging() const HR_REQUIRES(mutex_);
  uint64_t unlisted(const HeldSegment& held, const std::string& space) const;
  std::optional<Range> worth_listing() const HR_REQUIRES(mutex_);
  Merge plan(Range range) HR_REQUIRES(mutex_);
  Status run(Merge& merge) const;
  bool wants_lists(const HeldSegment& held) const HR_REQUIRES(mutex_);
  Status write_merged(Merge& merge) const;
  // Puts the result of a merge in the place of its inputs, with what happened to them meanwhile.
  Status adopt(const Merge& merge, std::vector<HeldSegment>& segments) HR_REQUIRES(mutex_);
  Status merge_now(Merge merge) HR_REQUIRES(mutex_);
  Status merge_all_now() HR_REQUIRES(mutex_);
  void merge_beside() HR_REQUIRES(mutex_);
  void put_off() HR_REQUIRES(mutex_);  // to a quiet moment
  void care() HR_EXCLUDES(turn_, mutex_);
  bool is_care_due() const HR_REQUIRES(mutex_) {
    return care_due_ || merging_.stage == MergeStage::done;
  }
  Status adopt_if_cheap() HR_REQUIRES(mutex_);
  void begin(Lane LoggedWriter::* which, Merge merge) HR_REQUIRES(mutex_);
  void work(Lane LoggedWriter::* which) HR_EXCLUDES(mutex_);
  static bool is_busy(const Lane& lane) {
    return lane.stage == MergeStage::wanted || lane.stage == MergeStage::running;
  }
  void wait_for(const Lane& lane) HR_REQUIRES(mutex_);
  void wait_for_both() HR_REQUIRES(mutex_);
  void drop(Lane& lane) HR_REQUIRES(mutex_);
  void call_off_merges() HR_REQUIRES(mutex_);

  // writer_fold.cpp: what is in memory goes into a file while commits go on in a further log.
  Status fold_beside() HR_REQUIRES(mutex_);
  Status begin_log_file() HR_REQUIRES(mutex_);
  void begin_fold() HR_REQUIRES(mutex_);
  Status finish_fold() HR_REQUIRES(mutex_);
  void drop_fold() HR_REQUIRES(mutex_);
  uint64_t memory_bytes_since_fold() const HR_REQUIRES(mutex_);

  FileSystem& files_;
  const std::string path_;
  const WriterOptions options_;
  Mutex turn_;  // taken before mutex_
  mutable Mutex mutex_;
  std::unique_ptr<FileLock> lock_ HR_GUARDED_BY(mutex_);
  std::unique_ptr<StoreState> state_ HR_GUARDED_BY(mutex_);
  std::unique_ptr<LogWriter> log_ HR_GUARDED_BY(mutex_);
  std::unique_ptr<ThreadPool> pool_ HR_GUARDED_BY(mutex_);  // from the first large commit on

  // Of the transaction that is being filled: what was written before its end, spaces, documents.
  std::vector<std::string> pending_bytes_ HR_GUARDED_BY(mutex_);
  std::vector<Space> pending_spaces_ HR_GUARDED_BY(mutex_);
  PendingDocuments pending_documents_ HR_GUARDED_BY(mutex_);

  // Acknowledged and not in the state yet, in order, as the log has it.
  struct Owed {
    std::vector<std::string> bytes;  // whole frames
    uint64_t size = 0;
    std::chrono::steady_clock::time_point since;
    PendingDocuments documents;
  };
  Owed owed_ HR_GUARDED_BY(mutex_);
  PendingDocuments preparing_documents_ HR_GUARDED_BY(mutex_);
  bool preparing_ HR_GUARDED_BY(mutex_) = false;  // by one thread at a time
  CommitRate rate_ HR_GUARDED_BY(mutex_);
  bool care_due_ HR_GUARDED_BY(mutex_) = false;  // something was put off to a quiet moment
  Status prepare_failure_ HR_GUARDED_BY(mutex_);
  CondVar prepared_;
  CondVar preparation_wanted_;
  std::unique_ptr<Thread> preparer_ HR_GUARDED_BY(mutex_);
  // Commits; who finds the second behind the first waits or prepares.
  std::atomic<uint64_t> acknowledged_ = 0;
  std::atomic<uint64_t> in_state_ = 0;

  uint64_t next_file_ HR_GUARDED_BY(mutex_) = 1;
  bool folder_owed_ HR_GUARDED_BY(mutex_) = false;
  uint64_t files_bytes_ HR_GUARDED_BY(mutex_) = 0;
  std::chrono::steady_clock::time_point synced_at_ HR_GUARDED_BY(mutex_);

  Lane merging_ HR_GUARDED_BY(mutex_);  // file segments
  Lane folding_ HR_GUARDED_BY(mutex_);  // memory segments, into a file
  // Not zero: so many commits must be in memory segments before these are folded.
  uint64_t fold_from_ HR_GUARDED_BY(mutex_) = 0;
  CondVar merge_changed_;
  bool stopping_ HR_GUARDED_BY(mutex_) = false;
  std::atomic<bool> cancel_preparing_ = false;  // the writer is closed
  std::atomic<bool> cancel_merge_ = false;
  std::atomic<bool> cancel_fold_ = false;

  mutable Mutex shown_mutex_;
  std::shared_ptr<const Snapshot> snapshot_ HR_GUARDED_BY(shown_mutex_);
};

}  // namespace headrace::index
