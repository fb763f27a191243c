#include <utility>

#include "base/check.h"
#include "index/field_codec.h"
#include "index/log.h"
#include "index/log_format.h"

namespace headrace::index {

namespace {

// A buffer that held more is given back to the system.
constexpr size_t kReusedBytesMax = 4 << 20;

}  // namespace

Result<std::unique_ptr<LogWriter>> LogWriter::create(FileSystem& files, const std::string& path,
                                                     const LogHeader& header) {
  HR_ASSIGN(auto file, files.create(path));
  const std::string bytes = encode_log_header(header);
  HR_TRY(file->append(bytes));
  HR_TRY(file->sync());
  std::unique_ptr<LogWriter> log(new LogWriter(std::move(file)));
  log->acknowledged_ = log->closed_end_ = log->buffered_end_ = kLogHeaderBytes;
  log->chain_ = log->acknowledged_chain_ = load_number<uint64_t>(bytes.data() + 56);
  log->transaction_ = log->acknowledged_transaction_ = header.first_transaction;
  return log;
}

Result<std::unique_ptr<LogWriter>> LogWriter::reopen(FileSystem& files, const std::string& path,
                                                     uint64_t end, uint64_t chain,
                                                     uint64_t next_transaction) {
  HR_ASSIGN(auto file, files.append_to(path));
  std::unique_ptr<LogWriter> log(new LogWriter(std::move(file)));
  log->acknowledged_ = log->closed_end_ = log->buffered_end_ = end;
  log->chain_ = log->acknowledged_chain_ = chain;
  log->transaction_ = log->acknowledged_transaction_ = next_transaction;
  // What a writer that died left in the page cache becomes durable here, the rest is cut.
  if (log->file_->size() > end) HR_TRY(log->file_->truncate(end));
  HR_TRY(log->file_->sync());
  return log;
}

void LogWriter::add(LogFrameType type, std::string_view payload) {
  // With room for the frame of the commit, which is not to move a large document once more.
  reserve(2 * kLogFrameHeaderBytes + payload.size() + sizeof(uint32_t));
  add_encoded(type, [&](FieldWriter& out) { out.raw(payload); });
}

void LogWriter::begin_frame(LogFrameType type) {
  begin_log_frame(type, transaction_, lag_, chain_, buffer_);
}

void LogWriter::end_frame(size_t begin) {
  end_log_frame(begin, buffer_);
  chain_ = load_number<uint64_t>(buffer_.data() + begin);
  buffered_end_ += buffer_.size() - begin;
  ++frames_;
}

Result<std::string> LogWriter::write_buffer() {
  HR_TRY(file_->append(buffer_));
  return std::exchange(buffer_, std::string());  // it may hold one large document
}

void LogWriter::reuse(std::string bytes) {
  if (!buffer_.empty() || bytes.capacity() > kReusedBytesMax) return;
  bytes.clear();
  buffer_ = std::move(bytes);
}

std::string LogWriter::close_transaction() {
  FieldWriter payload;
  payload.u32(frames_);
  add(LogFrameType::commit, payload.view());
  closed_end_ = buffered_end_;
  closed_chain_ = chain_;
  ++transaction_;
  frames_ = 0;
  return std::exchange(buffer_, std::string());
}

Status LogWriter::write_and_sync(std::string_view bytes, bool sync) {
  sync_failed_ = false;
  HR_TRY(file_->append(bytes));
  if (!sync) {
    unsynced_bytes_ += closed_end_ - acknowledged_;
    ++lag_;
    return {};
  }
  auto status = file_->sync();
  sync_failed_ = !status;
  if (status) lag_ = 0;
  if (status) unsynced_bytes_ = 0;
  return status;
}

Status LogWriter::sync() {
  if (unsynced_bytes_ == 0) return {};
  if (auto status = file_->sync(); !status) {
    unfit_ = true;
    return status;
  }
  unsynced_bytes_ = 0;
  // Frames of the transaction that is being filled keep the lag they were begun with; it is right,
  // only more modest than it would have to be.
  lag_ = 0;
  return {};
}

void LogWriter::acknowledge() {
  acknowledged_ = closed_end_;
  acknowledged_chain_ = closed_chain_;
  acknowledged_transaction_ += 1;
}

void LogWriter::roll_back(bool sync_failed) {
  buffer_.clear();
  frames_ = 0;
  buffered_end_ = closed_end_ = acknowledged_;
  chain_ = closed_chain_ = acknowledged_chain_;
  transaction_ = acknowledged_transaction_;
  const Status cut = file_->truncate(acknowledged_);
  // After a failed sync nobody knows which pages are on the disk: never trust a second one.
  if (sync_failed || !cut || !file_->sync()) unfit_ = true;
}

}  // namespace headrace::index
