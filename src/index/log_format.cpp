#include "index/log_format.h"

#include <fmt/format.h>

#include "index/field_codec.h"

namespace headrace::index {

std::string encode_log_header(const LogHeader& header) {
  FieldWriter out;
  out.raw(std::string_view("HRLOG\0\0\1", 8));
  out.u32(header.version);
  out.u32(0);
  out.u64(header.id);
  out.u64(header.previous_end);
  out.u64(header.first_transaction);
  out.hash(header.knowledge_base);
  out.u64(hash64(out.view()));
  return out.take();
}

Result<LogHeader> decode_log_header(std::string_view bytes, std::string_view path) {
  if (bytes.size() < kLogHeaderBytes || bytes.substr(0, 8) != std::string_view("HRLOG\0\0\1", 8) ||
      load_number<uint64_t>(bytes.data() + 56) != hash64(bytes.substr(0, 56))) {
    return fail(ErrorCode::damaged, fmt::format("{}: the header of the log is damaged", path),
                "restore the file from a copy");
  }
  FieldReader in(bytes.substr(8, 48));
  const uint32_t version = in.u32();
  in.u32();
  if (version > kLogVersionAsync) {
    return fail(ErrorCode::unsupported,
                fmt::format("{}: written in version {} of the log format; this program reads up to "
                            "{}",
                            path, version, kLogVersionAsync),
                "use a newer Headrace");
  }
  LogHeader header;
  header.version = version;
  header.id = in.u64();
  header.previous_end = in.u64();
  header.first_transaction = in.u64();
  header.knowledge_base = in.hash();
  return header;
}

void begin_log_frame(LogFrameType type, uint64_t transaction, uint32_t lag, uint64_t chain,
                     std::string& out) {
  FieldWriter head;
  head.bytes().swap(out);
  head.u64(0);  // checksum, when the payload is there
  head.raw(kLogFrameMagic);
  head.u32(0);  // its length, too
  head.u64(transaction);
  head.u32(static_cast<uint32_t>(type));
  head.u32(lag);
  head.u64(chain);
  head.bytes().swap(out);
}

void end_log_frame(size_t begin, std::string& out) {
  const auto payload = static_cast<uint32_t>(out.size() - begin - kLogFrameHeaderBytes);
  std::memcpy(out.data() + begin + 12, &payload, sizeof(payload));
  const uint64_t checksum = hash64(std::string_view(out).substr(begin + 8));
  std::memcpy(out.data() + begin, &checksum, sizeof(checksum));
}

Status for_each_log_frame(std::string_view bytes,
                          const std::function<Status(const LogFrame&)>& visit) {
  while (!bytes.empty()) {
    LogFrameHead head;
    if (!decode_log_frame_head(bytes.substr(0, kLogFrameHeaderBytes), head) ||
        head.payload_bytes > bytes.size() - kLogFrameHeaderBytes)
      return fail(ErrorCode::internal, "a log frame in memory makes no sense");
    LogFrame frame;
    frame.type = static_cast<LogFrameType>(head.type);
    frame.transaction = head.transaction;
    frame.payload = bytes.substr(kLogFrameHeaderBytes, head.payload_bytes);
    HR_TRY(visit(frame));
    bytes.remove_prefix(kLogFrameHeaderBytes + head.payload_bytes);
  }
  return {};
}

bool decode_log_frame_head(std::string_view bytes, LogFrameHead& head) {
  FieldReader in(bytes);
  head.checksum = in.u64();
  const std::string_view magic = in.raw(4);
  head.payload_bytes = in.u32();
  head.transaction = in.u64();
  head.type = in.u32();
  head.lag = in.u32();
  head.chain = in.u64();
  return in.ok() && magic == kLogFrameMagic && head.lag < head.transaction && head.type >= 1 &&
         head.type <= static_cast<uint32_t>(LogFrameType::commit) &&
         head.payload_bytes <= kLogPayloadBytesMax;
}

}  // namespace headrace::index
