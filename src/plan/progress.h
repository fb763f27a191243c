// Progress: counters of a running job, written by the stages and read by whoever shows them (the
// terminal's bar, a notebook, --json at the end).
//
// Threads: every member is atomic. Errors: none.
#pragma once

#include <atomic>
#include <cstdint>

namespace headrace {

enum class JobStage : uint8_t { listing, decoding, embedding, writing, watching, indexing };

struct Progress {
  std::atomic<uint64_t> documents_found{0};
  std::atomic<uint64_t> documents_done{0};
  std::atomic<uint64_t> bytes_found{0};
  std::atomic<uint64_t> bytes_done{0};
  std::atomic<uint64_t> rows{0};
  std::atomic<uint64_t> rows_embedded{0};
  std::atomic<uint64_t> rows_to_embed{0};
  std::atomic<uint64_t> tokens{0};
  std::atomic<uint64_t> failed{0};
  std::atomic<bool> listing_done{false};
  std::atomic<JobStage> limiting{JobStage::listing};
};

}  // namespace headrace
