// The log: what was written since the last manifest, frame by frame, durable at every commit
// (docs/formats/log.md). LogWriter appends; LogReader finds what is committed and gives it back.
//
// A transaction is a run of frames closed by a commit frame. What follows the last commit was never
// acknowledged: readers ignore it and the next writer cuts it. A bad frame that is followed by
// frames of a *later* transaction is damage, because a later one is only begun when the earlier one
// is durable, or says of how many before it that was not known.
//
// Owns: the open file. Threads: one thread at a time. Errors: no_space, io; damaged, unsupported.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "env/file_system.h"
#include "index/field_codec.h"

namespace headrace::index {

enum class LogFrameType : uint32_t {
  document = 1,    // a document's head and, when they are few, its rows
  rows = 2,        // further rows of the document before
  tombstones = 3,  // rows and documents that are gone or superseded, by number
  vectors = 4,
  space = 5,
  settings = 6,
  commit = 7,
};

inline constexpr uint32_t kLogVersion = 1;
// The same, and a frame may say that transactions before its own were not yet durable.
inline constexpr uint32_t kLogVersionAsync = 2;
inline constexpr uint64_t kLogHeaderBytes = 64;
inline constexpr uint64_t kLogFrameHeaderBytes = 40;
inline constexpr uint64_t kLogPayloadBytesMax = 2ULL << 30;

struct LogHeader {
  uint64_t id = 0;
  // Not zero: this log goes on where log `id - 1` ends, at this byte (a failed sync made it
  // unfit for more).
  uint64_t previous_end = 0;
  uint64_t first_transaction = 1;
  Hash128 knowledge_base;
  uint32_t version = kLogVersion;
};

class LogWriter {
 public:
  // Makes the file, durable with its header; its name is durable after sync_folder.
  static Result<std::unique_ptr<LogWriter>> create(FileSystem& files, const std::string& path,
                                                   const LogHeader& header);
  // Goes on at `end` (the last commit), cutting what follows.
  static Result<std::unique_ptr<LogWriter>> reopen(FileSystem& files, const std::string& path,
                                                   uint64_t end, uint64_t chain,
                                                   uint64_t next_transaction);

  // Adds a frame of the current transaction to the buffer.
  void add(LogFrameType type, std::string_view payload);
  // The same; `encode(FieldWriter&)` appends the payload where it stays.
  template <typename Encode>
  void add_encoded(LogFrameType type, const Encode& encode) {
    const size_t begin = buffer_.size();
    begin_frame(type);
    FieldWriter out;
    out.bytes().swap(buffer_);
    encode(out);
    out.bytes().swap(buffer_);
    end_frame(begin);
  }
  void reserve(uint64_t bytes) { buffer_.reserve(buffer_.size() + bytes); }
  bool transaction_is_empty() const { return frames_ == 0; }
  uint64_t buffered_bytes() const { return buffer_.size(); }
  // Writes the buffer to the file without making it durable, and gives its bytes: whole frames.
  Result<std::string> write_buffer();
  // Closes the transaction and gives what is still to be written by write_and_sync().
  std::string close_transaction();
  // Room that is not needed any more, for what comes.
  void reuse(std::string bytes);
  // May run while add() is called for the next transaction. Without `sync` the system has the
  // bytes, but the disk may not.
  Status write_and_sync(std::string_view bytes, bool sync = true);
  // Makes everything acknowledged durable; nothing to do where every commit was synced.
  Status sync();
  uint64_t unsynced_bytes() const { return unsynced_bytes_; }
  // After write_and_sync: everything up to here is acknowledged, and after a failure all frames
  // since are forgotten; the file is cut, and unfit() when not even that could be made durable.
  void acknowledge();
  void roll_back(bool sync_failed);

  bool unfit() const { return unfit_; }
  void retire() { unfit_ = true; }  // a new log is wanted before the next transaction
  bool last_failure_was_sync() const { return sync_failed_; }
  uint64_t end() const { return acknowledged_; }
  uint64_t next_transaction() const { return transaction_; }

 private:
  explicit LogWriter(std::unique_ptr<WritableFile> file) : file_(std::move(file)) {}
  void begin_frame(LogFrameType type);
  void end_frame(size_t begin);
  std::unique_ptr<WritableFile> file_;
  std::string buffer_;
  uint64_t acknowledged_ = 0;  // bytes
  uint64_t acknowledged_chain_ = 0;
  uint64_t closed_end_ = 0;  // of the transaction that is being written
  uint64_t closed_chain_ = 0;
  uint64_t buffered_end_ = 0;  // where the buffer's end will be in the file
  uint64_t chain_ = 0;
  uint64_t transaction_ = 1;
  uint64_t acknowledged_transaction_ = 1;
  uint32_t frames_ = 0;
  uint32_t lag_ = 0;  // transactions before this one that were acknowledged without a sync
  uint64_t unsynced_bytes_ = 0;
  bool unfit_ = false;
  bool sync_failed_ = false;
};

struct LogFrame {
  LogFrameType type = LogFrameType::commit;
  uint64_t transaction = 0;
  std::string_view payload;
};

class LogReader {
 public:
  static Result<std::unique_ptr<LogReader>> open(FileSystem& files, const std::string& path,
                                                 uint64_t id);
  const LogHeader& header() const { return header_; }
  // Bytes up to the last commit that scan() has seen, and what a writer needs to go on there.
  uint64_t end() const { return end_; }
  uint64_t chain() const { return chain_; }
  uint64_t next_transaction() const { return next_transaction_; }
  // Looks for commits after end() in a file of `size` bytes: Moves end(). damaged when bytes before
  // a later transaction are bad.
  Status scan(uint64_t size);
  // Gives all frames in [begin, end()) in order; `begin` is where an earlier call ended (0: all).
  Status replay(uint64_t begin, const std::function<Status(const LogFrame&)>& visit) const;

 private:
  struct Parsed;
  Result<Parsed> read_frame(uint64_t at, uint64_t size, std::string& window,
                            uint64_t& window_at) const;
  Status look_for_damage(uint64_t at, uint64_t size, uint64_t transaction) const;

  std::unique_ptr<ReadableFile> file_;
  std::string path_;
  LogHeader header_;
  uint64_t end_ = kLogHeaderBytes;
  uint64_t chain_ = 0;
  uint64_t next_transaction_ = 1;
};

// What a damaged log still proves: every transaction all of whose frames match their checksums, in
// order, also after a damaged place. A torn end that was never acknowledged is no loss.
struct LogSalvage {
  uint64_t transactions = 0;  // given to `visit`
  uint64_t lost = 0;          // damaged places before later transactions
  uint64_t last_transaction = 0;
};
Result<LogSalvage> salvage_log(FileSystem& files, const std::string& path,
                               const std::function<Status(std::vector<LogFrame>&)>& visit);

}  // namespace headrace::index
