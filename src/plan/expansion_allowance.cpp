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
// An archive larger than that has room for what is in it, if it is hardly packed.
constexpr uint64_t kLargeFactor = 4;
// What a member costs us whatever is in it, so that empty ones are not without bound.
constexpr uint64_t kMemberBytes = 1024;
// A file of bombs is given up after a few of them, one bomb among good documents costs them
// nothing.
constexpr uint64_t kRefusedFactor = 4;

uint64_t allowance_of(uint64_t packed_bytes) {
  if (packed_bytes > kTotalBytesMax / kLargeFactor) return packed_bytes * kLargeFactor;
  return std::clamp(std::min(packed_bytes, kTotalBytesMax / kFactorMax) * kFactorMax, kAlwaysBytes,
                    kTotalBytesMax);
}

}  // namespace

ExpansionAllowance::ExpansionAllowance(uint64_t packed_bytes)
    : packed_bytes_(packed_bytes), bytes_max_(allowance_of(packed_bytes)) {}

Status ExpansionAllowance::take(uint64_t member_bytes) {
  return count(member_bytes + kMemberBytes);
}

Status ExpansionAllowance::refuse(const std::string& source, uint64_t bytes) {
  if (bytes == 0) return {};
  {
    MutexLock lock(mutex_);
    if (first_refused_.empty()) first_refused_ = source;
  }
  return count(std::min(bytes, kTotalBytesMax) * kRefusedFactor);
}

Status ExpansionAllowance::count(uint64_t cost) {
  if (bytes_.fetch_add(cost, std::memory_order_relaxed) + cost <= bytes_max_) return {};
  exhausted_.store(true, std::memory_order_relaxed);
  return std::unexpected(error());
}

uint64_t ExpansionAllowance::left() const {
  const uint64_t used = bytes_.load(std::memory_order_relaxed);
  return used < bytes_max_ ? bytes_max_ - used : 0;
}

void ExpansionAllowance::end_behind(uint64_t place) {
  uint64_t end = end_.load(std::memory_order_relaxed);
  while (place < end && !end_.compare_exchange_weak(end, place, std::memory_order_relaxed)) {
  }
}

Error ExpansionAllowance::error() const {
  std::string message = fmt::format(
      "what is packed in it, in archives within archives, comes to more than the {} "
      "MiB that may come out of {} KiB (a decompression bomb?)",
      bytes_max_ >> 20, (packed_bytes_ + 1023) >> 10);
  {
    MutexLock lock(mutex_);
    if (!first_refused_.empty())
      message += fmt::format("; the first that was refused is {}", first_refused_);
  }
  return {ErrorCode::too_large, std::move(message),
          "what came out before is kept; unpack it and index the files that are meant"};
}

}  // namespace headrace
