#include "index/field_codec.h"
#include "index/log.h"
#include "index/log_format.h"

namespace headrace::index {

namespace {

// The frame at `at`, or nothing when its bytes are not whole.
bool whole_frame(std::string_view bytes, uint64_t at, LogFrameHead& head,
                 std::string_view& payload) {
  if (bytes.size() - at < kLogFrameHeaderBytes) return false;
  if (!decode_log_frame_head(bytes.substr(at, kLogFrameHeaderBytes), head)) return false;
  if (head.payload_bytes > bytes.size() - at - kLogFrameHeaderBytes) return false;
  const uint64_t length = kLogFrameHeaderBytes + head.payload_bytes;
  if (hash64(bytes.substr(at + 8, length - 8)) != head.checksum) return false;
  payload = bytes.substr(at + kLogFrameHeaderBytes, head.payload_bytes);
  return true;
}

}  // namespace

Result<LogSalvage> salvage_log(FileSystem& files, const std::string& path,
                               const std::function<Status(std::vector<LogFrame>&)>& visit) {
  LogSalvage salvage;
  HR_ASSIGN(const auto mapped, files.map(path));
  const std::string_view bytes = mapped->bytes();
  uint64_t at = kLogHeaderBytes;
  uint64_t chain = bytes.size() < kLogHeaderBytes ? 0 : load_number<uint64_t>(bytes.data() + 56);
  bool header_good = bytes.size() >= kLogHeaderBytes && decode_log_header(bytes, path).has_value();
  bool gap = !header_good;  // something was lost before here, unless nothing follows
  std::vector<LogFrame> frames;
  while (at < bytes.size()) {
    LogFrameHead head;
    std::string_view payload;
    if (!whole_frame(bytes, at, head, payload)) {
      gap = true;
      frames.clear();
      // The next place where a frame may begin.
      const size_t magic = bytes.find(kLogFrameMagic, at + kLogFrameMagicOffset + 1);
      if (magic == std::string_view::npos) break;
      at = magic - kLogFrameMagicOffset;
      continue;
    }
    if (head.chain != chain ||
        (!frames.empty() && frames.front().transaction != head.transaction)) {
      if (!gap && !frames.empty()) gap = true;
      frames.clear();
    }
    chain = head.checksum;
    at += kLogFrameHeaderBytes + head.payload_bytes;
    const auto type = static_cast<LogFrameType>(head.type);
    if (type != LogFrameType::commit) {
      frames.push_back({type, head.transaction, payload});
      continue;
    }
    const bool whole =
        payload.size() == 4 && load_number<uint32_t>(payload.data()) == frames.size();
    if (gap || !whole) ++salvage.lost;
    gap = false;
    if (whole) {
      salvage.last_transaction = head.transaction;
      ++salvage.transactions;
      HR_TRY(visit(frames));
    }
    frames.clear();
  }
  if (!header_good && salvage.lost == 0) salvage.lost = 1;
  return salvage;
}

}  // namespace headrace::index
