#include "plan/expansion_allowance.h"

#include <fmt/format.h>

#include <algorithm>

namespace headrace {

namespace {

// As for one archive (apps/worker/archive_streams.h): ordinary compressors come to a factor of 1000
// only on zeros.
constexpr uint64_t kAlwaysBytes = 16ULL << 20;
constexpr uint64_t kFactorMax = 1000;
constexpr uint64_t kTotalBytesMax = 64ULL << 30;
// What a member costs us whatever is in it, so that empty ones are not without bound.
constexpr uint64_t kMemberBytes = 1024;

}  // namespace

ExpansionAllowance::ExpansionAllowance(uint64_t packed_bytes)
    : bytes_max_(std::clamp(std::min(packed_bytes, kTotalBytesMax / kFactorMax) * kFactorMax,
                            kAlwaysBytes, kTotalBytesMax)) {}

Status ExpansionAllowance::take(uint64_t member_bytes) {
  const uint64_t cost = member_bytes + kMemberBytes;
  const uint64_t before = bytes_.fetch_add(cost, std::memory_order_relaxed);
  if (before + cost <= bytes_max_) return {};
  exhausted_.store(true, std::memory_order_relaxed);
  return fail(ErrorCode::too_large,
              fmt::format("what is packed in it, in archives within archives, comes to more than "
                          "{} MiB, {} times its own size (a decompression bomb?)",
                          bytes_max_ >> 20, kFactorMax),
              "unpack it and index the files that are meant");
}

}  // namespace headrace
