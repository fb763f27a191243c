// The walls around a worker process: what it may ask of the kernel, and how much memory it gets.
//
// Threads: called once, on the worker's only thread. Errors: enter_sandbox says whether the
// system-call filter is on; where the system has none (some containers) the limits still hold.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace headrace {

// True in builds with ASan or TSan: their run-times need system calls and address space that the
// sandbox would refuse, so it stays open there.
bool sandbox_is_relaxed();

// Private writable memory of this process now (what RLIMIT_DATA counts), in bytes.
uint64_t private_memory_bytes();

// Limits memory to what is used now plus `memory_bytes_max`, forbids core files, new files and more
// than a handful of descriptors, then installs the filter: read, write and memory calls on what is
// already open are allowed, opening anything fails with EACCES, everything else ends the process.
// Returns whether the filter is on.
Result<bool> enter_sandbox(uint64_t memory_bytes_max);

}  // namespace headrace
