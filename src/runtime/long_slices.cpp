#include "runtime/long_slices.h"

#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#endif

namespace headrace {

#if defined(__linux__) && defined(SYS_sched_getattr) && defined(SYS_sched_setattr)

namespace {

// As the kernel lays it out (sched_setattr(2)); libraries of C of this age do not declare it.
struct SchedulingAttributes {
  uint32_t size = sizeof(SchedulingAttributes);
  uint32_t policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime_ns = 0;
  uint64_t deadline_ns = 0;
  uint64_t period_ns = 0;
};
static_assert(sizeof(SchedulingAttributes) == 48);

constexpr uint32_t kUsualPolicy = 0;             // SCHED_OTHER
constexpr uint64_t kLongestSlice = 100'000'000;  // the most that the kernel takes

}  // namespace

void take_long_slices() {
  SchedulingAttributes attributes;
  if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return;
  if (attributes.policy != kUsualPolicy) return;
  attributes.size = sizeof attributes;
  attributes.runtime_ns = kLongestSlice;
  static_cast<void>(syscall(SYS_sched_setattr, 0, &attributes, 0));
}

#else

void take_long_slices() {}

#endif

}  // namespace headrace
