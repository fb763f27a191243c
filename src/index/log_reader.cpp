#include <fmt/format.h>

#include <algorithm>

#include "index/field_codec.h"
#include "index/log.h"
#include "index/log_format.h"

namespace headrace::index {
namespace {

constexpr uint64_t kWindowBytes = 1 << 20;

std::unexpected<Error> damaged(const std::string& path, uint64_t at) {
  return fail(ErrorCode::damaged,
              fmt::format("{}: the log is damaged at byte {}, before transactions that were "
                          "acknowledged",
                          path, at),
              "restore the file from a copy");
}

}  // namespace

struct LogReader::Parsed {
  bool good = false;
  uint64_t bytes = 0;  // head and payload
  LogFrameHead head;
  std::string_view payload;  // into the window
};

Result<std::unique_ptr<LogReader>> LogReader::open(FileSystem& files, const std::string& path,
                                                   uint64_t id) {
  std::unique_ptr<LogReader> log(new LogReader());
  log->path_ = path;
  HR_ASSIGN(log->file_, files.open(path));
  HR_ASSIGN(const std::string bytes, log->file_->read(0, kLogHeaderBytes));
  HR_ASSIGN(log->header_, decode_log_header(bytes, path));
  if (log->header_.id != id) {
    return fail(ErrorCode::damaged,
                fmt::format("{}: this is log {}, not {}", path, log->header_.id, id),
                "restore the file from a copy");
  }
  log->chain_ = load_number<uint64_t>(bytes.data() + 56);
  log->next_transaction_ = log->header_.first_transaction;
  return log;
}

// `window` holds file bytes from `window_at`; it is read anew when the frame is not in it.
Result<LogReader::Parsed> LogReader::read_frame(uint64_t at, uint64_t size, std::string& window,
                                                uint64_t& window_at) const {
  Parsed frame;
  const auto view = [&](uint64_t length) -> Result<std::string_view> {
    if (at < window_at || at + length > window_at + window.size()) {
      HR_ASSIGN(window, file_->read(at, std::min(std::max(length, kWindowBytes), size - at)));
      window_at = at;
    }
    return std::string_view(window).substr(at - window_at, length);
  };
  if (at > size || size - at < kLogFrameHeaderBytes) return frame;
  HR_ASSIGN(const std::string_view head_bytes, view(kLogFrameHeaderBytes));
  if (!decode_log_frame_head(head_bytes, frame.head)) return frame;
  frame.bytes = kLogFrameHeaderBytes + frame.head.payload_bytes;
  if (frame.bytes > size - at) return frame;
  HR_ASSIGN(const std::string_view bytes, view(frame.bytes));
  if (bytes.size() < frame.bytes) return frame;  // cut while it was read
  frame.good = hash64(bytes.substr(8)) == frame.head.checksum;
  frame.payload = bytes.substr(kLogFrameHeaderBytes);
  return frame;
}

// A frame at `at` that should belong to `transaction` is bad: is there a later transaction?
Status LogReader::look_for_damage(uint64_t at, uint64_t size, uint64_t transaction) const {
  std::string window;
  uint64_t window_at = 0;
  // A hostile file could name long frames everywhere; give up (as damaged) before that is slow.
  uint64_t work_left = 16 * (size - at) + (1 << 20);
  uint64_t from = at;
  while (from < size) {
    HR_ASSIGN(const std::string chunk, file_->read(from, std::min(kWindowBytes, size - from)));
    size_t found = 0;
    while ((found = chunk.find(kLogFrameMagic, found)) != std::string::npos) {
      const uint64_t magic_at = from + found;
      ++found;
      if (magic_at < at + kLogFrameMagicOffset) continue;
      HR_ASSIGN(const Parsed frame,
                read_frame(magic_at - kLogFrameMagicOffset, size, window, window_at));
      if (frame.good && frame.head.transaction > transaction + frame.head.lag)
        return damaged(path_, at);
      // One that would end outside has not been read.
      if (frame.bytes > size - (magic_at - kLogFrameMagicOffset)) continue;
      if (frame.bytes > work_left) return damaged(path_, at);
      work_left -= frame.bytes;
    }
    if (chunk.size() < kLogFrameMagic.size()) break;
    from += chunk.size() - (kLogFrameMagic.size() - 1);
    if (from + kLogFrameMagic.size() > size) break;
  }
  return {};
}

Status LogReader::scan(uint64_t size) {
  std::string window;
  uint64_t window_at = 0;
  uint64_t at = end_;
  uint64_t chain = chain_;
  uint32_t frames = 0;
  while (at < size) {
    HR_ASSIGN(const Parsed frame, read_frame(at, size, window, window_at));
    if (!frame.good || frame.head.chain != chain || frame.head.transaction != next_transaction_) {
      return look_for_damage(at, size, next_transaction_);
    }
    at += frame.bytes;
    chain = frame.head.checksum;
    if (frame.head.type != static_cast<uint32_t>(LogFrameType::commit)) {
      ++frames;
      continue;
    }
    if (frame.payload.size() != 4 || load_number<uint32_t>(frame.payload.data()) != frames) {
      return look_for_damage(at, size, next_transaction_);
    }
    frames = 0;
    end_ = at;
    chain_ = chain;
    ++next_transaction_;
  }
  return {};
}

Status LogReader::replay(uint64_t begin,
                         const std::function<Status(const LogFrame&)>& visit) const {
  std::string window;
  uint64_t window_at = 0;
  uint64_t at = std::max(begin, kLogHeaderBytes);
  while (at < end_) {
    HR_ASSIGN(const Parsed frame, read_frame(at, end_, window, window_at));
    if (!frame.good) return damaged(path_, at);
    HR_TRY(
        visit({static_cast<LogFrameType>(frame.head.type), frame.head.transaction, frame.payload}));
    at += frame.bytes;
  }
  return {};
}

}  // namespace headrace::index
