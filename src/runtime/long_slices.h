// Time slices of the calling thread. Linux gives a core to the thread whose slice would end first
// (EEVDF): a thread with a long slice is interrupted less by its equals, and gives way at once to
// one that wakes up with a short slice, such as a commit whose write has reached the disk.
//
// Owns: nothing. Threads: each for itself. Errors: none; where the system has no such slices
// (before Linux 6.12, other systems, other policies) nothing changes.
#pragma once

namespace headrace {

// Policy and nice value stay as they are: the thread gets the same share of the processor.
void take_long_slices();

}  // namespace headrace
