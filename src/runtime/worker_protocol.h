// What a WorkerPool and its workers say to each other. Both ends are built together, so there are
// no versions; the pool still checks everything it gets, because a worker may be taken over by the
// bytes it decodes.
//
// Two channels. The control socket (SOCK_SEQPACKET, descriptor 3 in the worker) carries small
// messages: a job with its input as a descriptor, "half a slab is full", "taken", "done". The slab
// (shared memory, descriptor 4) carries the output: two halves that the worker fills with records
// in turn, so that it writes one while the pool reads the other. Before the halves lies a page on
// which a dying worker leaves what it knows about its death.
//
// Threads: types only. Errors: none.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace headrace {

inline constexpr int kWorkerControlFd = 3;
inline constexpr int kWorkerSlabFd = 4;
inline constexpr size_t kSlabPageBytes = 4096;
inline constexpr size_t kSlabHalfBytes = 2u << 20;
inline constexpr size_t kSlabBytes = kSlabPageBytes + 2 * kSlabHalfBytes;

inline constexpr size_t kWorkerParamsBytesMax = 64u << 10;
inline constexpr size_t kWorkerTextBytesMax = 2u << 10;  // of an error's message or hint
inline constexpr int kWorkerExitStart = 3;               // could not make itself ready

// Pool → worker. A job is followed by the op's name and the params in the same message, and has the
// input's descriptor attached when input_bytes > 0.
enum class PoolMessage : uint32_t { job = 1, taken = 2 };
struct JobHeader {
  PoolMessage type = PoolMessage::job;
  uint32_t op_bytes = 0;
  uint32_t params_bytes = 0;
  uint32_t padding = 0;
  uint64_t input_bytes = 0;
};

// Worker → pool. `done` is followed by the message and the hint of its error.
enum class WorkerMessage : uint32_t { ready = 1, flush = 2, done = 3 };
struct WorkerHeader {
  WorkerMessage type = WorkerMessage::ready;
  uint32_t half = 0;        // flush, done: which half holds records …
  uint64_t used_bytes = 0;  // … and how much of it (0 with done: nothing)
  uint32_t failed = 0;      // done: 1 with error_code, message and hint
  uint32_t error_code = 0;
  uint32_t message_bytes = 0;
  uint32_t hint_bytes = 0;
  uint64_t peak_bytes = 0;  // done: most resident memory so far
  uint32_t sandboxed = 0;   // ready: the system-call filter is on
  uint32_t padding = 0;
};

// A record in a half: this, then `bytes` bytes, padded to 8. A frame larger than the room left is
// cut into several records, all but the last with `more`.
struct SlabRecord {
  uint32_t kind = 0;
  uint32_t more = 0;
  uint64_t bytes = 0;
};

// The first page of the slab: what a worker that dies leaves behind.
struct SlabLastWords {
  std::atomic<uint32_t> out_of_memory;   // an allocation failed at the memory limit
  std::atomic<uint32_t> stack_overflow;  // the fault lay beside the stack
  // Whole records in the half that is being filled and not yet sent: half << 32 | bytes.
  std::atomic<uint64_t> unsent;
};
static_assert(sizeof(SlabLastWords) <= kSlabPageBytes);

}  // namespace headrace
