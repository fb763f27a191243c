// The bytes of log headers and frames, shared by LogWriter and LogReader (docs/formats/log.md).
//
// Owns: nothing. Threads: pure functions. Errors: damaged, unsupported.
#pragma once

#include <string>
#include <string_view>

#include "index/log.h"

namespace headrace::index {

std::string encode_log_header(const LogHeader& header);
Result<LogHeader> decode_log_header(std::string_view bytes, std::string_view path);

// A frame's head; its payload is appended to `out` then, and end_log_frame() closes it.
void begin_log_frame(LogFrameType type, uint64_t transaction, uint32_t lag, uint64_t chain,
                     std::string& out);
void end_log_frame(size_t begin, std::string& out);

// Whole frames as a LogWriter gave them, in memory and not read back: checksums are not checked.
Status for_each_log_frame(std::string_view bytes,
                          const std::function<Status(const LogFrame&)>& visit);

struct LogFrameHead {
  uint64_t checksum = 0;
  uint32_t payload_bytes = 0;
  uint64_t transaction = 0;
  uint32_t type = 0;
  // So many transactions before its own were not known to be durable when it was written.
  uint32_t lag = 0;
  uint64_t chain = 0;
};
inline constexpr uint64_t kLogFrameMagicOffset = 8;
inline constexpr std::string_view kLogFrameMagic = "HRLF";
// False when these 40 bytes cannot begin a frame.
bool decode_log_frame_head(std::string_view bytes, LogFrameHead& head);

}  // namespace headrace::index
