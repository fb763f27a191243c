#include "runtime/team.h"

#include <thread>

#include "base/check.h"

namespace headrace {
namespace {

constexpr size_t kPartsMax = 0xffff;

// Waits a moment: at first without giving up the CPU, and later, when somebody may want it, with.
class Spin {
 public:
  void wait() {
    if (++rounds_ < kPatience) {
#if defined(__x86_64__)
      __builtin_ia32_pause();
#elif defined(__aarch64__)
      asm volatile("yield");
#endif
    } else {
      std::this_thread::yield();
    }
  }

 private:
  static constexpr int kPatience = 2000;
  int rounds_ = 0;
};

}  // namespace

bool Team::take(size_t member) {
  uint64_t ticket = ticket_.load(std::memory_order_acquire);
  for (;;) {
    const size_t part = ticket & kPartsMax;
    if (part == (ticket >> 16 & kPartsMax)) return false;
    if (ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
      (*body_)(part, member);
      done_.fetch_add(1, std::memory_order_release);
      return true;
    }
  }
}

void Team::run(size_t parts, const Body& body) {
  HR_CHECK(parts <= kPartsMax, "a step has few parts");
  body_ = &body;
  done_.store(0, std::memory_order_relaxed);
  const uint64_t step = (ticket_.load(std::memory_order_relaxed) >> 32) + 1;
  ticket_.store(step << 32 | uint64_t{parts} << 16, std::memory_order_release);
  while (take(0)) {
  }
  for (Spin spin; done_.load(std::memory_order_acquire) != parts;) spin.wait();
}

void Team::serve(size_t member) {
  HR_CHECK(member > 0 && member < members_, "a follower is a member");
  Spin spin;
  while (!finished_.load(std::memory_order_acquire)) {
    if (take(member)) {
      spin = {};
    } else {
      spin.wait();
    }
  }
}

}  // namespace headrace
