// Team: a few threads that work off the parts of many short steps, one step after the other.
//
// One thread leads: it calls run() for each step, works on parts itself and returns when all are
// done. Others join with serve() whenever they come, and leave when the leader is gone; a leader
// without followers does everything alone. Between steps followers spin: steps are tens of
// microseconds apart, and a thread that slept would come too late for each.
//
// Owns: nothing. Threads: run() and finish() from the leader only, serve() from any other. Errors:
// none.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace headrace {

class Team {
 public:
  // `members`: how many threads may work at the same time, the leader included.
  explicit Team(size_t members) : members_(members) {}
  ~Team() { finish(); }
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  size_t members() const { return members_; }
  // Calls body(part, member) for every part in [0, parts); no two calls with the same member
  // overlap. The leader is member 0.
  void run(size_t parts, const std::function<void(size_t part, size_t member)>& body);
  // Works on steps as `member`, one of 1 … members - 1 that no other thread has, until finish().
  void serve(size_t member);
  void finish() { finished_.store(true, std::memory_order_release); }

 private:
  using Body = std::function<void(size_t, size_t)>;
  // Takes and does one part; false when the step has none left.
  bool take(size_t member);

  const size_t members_;
  const Body* body_ = nullptr;  // of the step; written while no part of it can be taken
  // Number of the step << 32 | its parts << 16 | how many of them are taken. One word, so that
  // nobody can take a part of one step by the count of another.
  std::atomic<uint64_t> ticket_ = 0;
  std::atomic<uint32_t> done_ = 0;
  std::atomic<bool> finished_ = false;
};

}  // namespace headrace
