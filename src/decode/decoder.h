// Decoder: bytes → Document. The router over all formats; small formats of our own code run here,
// everything that needs a C library over hostile bytes runs in the WorkerPool.
//
// Owns: nothing (uses the pool it is given). Threads: decode() is const and safe from any thread.
// Errors: damaged, encrypted, unsupported, too_large, timed_out, crashed…; each names the reason.
#pragma once

#include <functional>
#include <vector>

#include "base/result.h"
#include "batch/document.h"
#include "decode/format.h"
#include "decode/wire.h"
#include "runtime/worker_pool.h"

namespace headrace {

struct DecodeOptions {
  uint64_t text_bytes_max = 512ULL << 20;  // of one decoded document
};

// What came out of one RawDocument.
struct Decoded {
  Document document;  // links are absolute; may be empty of text (a mail that is only attachments)
  std::vector<Member> members;  // attachments, to be decoded as documents of their own
  std::vector<MemberProblem> problems;
};

class Decoder {
 public:
  // `workers` may be null: formats that need it then fail with `unsupported`.
  explicit Decoder(WorkerPool* workers, DecodeOptions options = {});

  // `format` as detect_format says (never an archive). Consumes raw.bytes. `unpacked`, when given,
  // says what was unpacked for it, also where it failed.
  Result<Decoded> decode(RawDocument&& raw, Format format, const CancelToken* cancel = nullptr,
                         UnpackedBytes* unpacked = nullptr) const;
  // The bytes of a text in whatever encoding, as UTF-8.
  Result<std::string> text_of(std::string_view bytes, const CancelToken* cancel = nullptr) const;

 private:
  WorkerPool* workers_;
  DecodeOptions options_;
};

}  // namespace headrace
