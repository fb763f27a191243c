// A naive model of a knowledge base for tests: what a reader must see after each commit, kept in
// maps. StoreWorkload makes the same seeded changes to a Writer and to the model.
//
// Owns: values. Threads: one that makes steps; moment() from any. Errors: the writer's are given
// back to the test.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/mutex.h"
#include "env/simulated_file_system.h"
#include "index/knowledge_base.h"

namespace headrace::index::testing {

inline constexpr const char* kFolder = "/kb";
inline constexpr const char* kFirstSpace = "default";
inline constexpr const char* kSecondSpace = "second";

struct ModelRow {
  std::string text;
  std::string parity;
  std::map<std::string, uint32_t> vectors;  // by space: the mark in its first number
  bool operator==(const ModelRow&) const = default;
};

struct ModelDocument {
  std::map<uint32_t, ModelRow> rows;
  bool failed = false;
  bool operator==(const ModelDocument&) const = default;
};

// What a reader sees. Two are equal when nobody can tell them apart.
struct ModelState {
  bool exists = false;
  std::map<std::string, ModelDocument> documents;
  std::map<std::string, uint32_t> spaces;  // dimensions
  bool operator==(const ModelState&) const = default;
  std::string text() const;
};

// Reads everything that a snapshot shows. Vectors are [mark, position, 1, …].
ModelState read_state(const Snapshot& snapshot);

// Empty when the searches of `snapshot` give what `state` holds; otherwise what is wrong.
std::string check_searches(const Snapshot& snapshot, const ModelState& state);

class StoreWorkload {
 public:
  StoreWorkload(SimulatedFileSystem& files, uint64_t seed, WriterOptions options);

  // One step. False when the writer refused it; `error` has the reason.
  bool step();
  bool open_writer();
  void close_writer() { writer_.reset(); }
  Writer* writer() { return writer_.get(); }
  const std::optional<Error>& error() const { return error_; }
  const std::string& last_step() const { return last_step_; }

  // The states that may be found on the disk at this moment: what is durable, what was acknowledged
  // early since then and, while a call runs, what that call may make durable. `look` runs while
  // nothing can be acknowledged, so that what it takes belongs to the states given.
  struct Moment {
    std::vector<ModelState> candidates;
    std::string step;
  };
  template <typename Look>
  Moment moment(const Look& look) {
    MutexLock guard(mutex_);
    look();
    return {candidates_, last_step_};
  }
  std::vector<ModelState> candidates() {
    return moment([] {}).candidates;
  }
  const ModelState& acknowledged() const { return acknowledged_; }
  // After a refused step: what the writer shows is one of the candidates; from here on it counts.
  bool adopt_shown();

 private:
  uint64_t draw(uint64_t bound) { return random_() % bound; }
  bool note(Status status);
  std::string some_source() { return "src" + std::to_string(draw(5)); }
  DocumentWrite make_document(const std::string& source, bool failed);
  bool put(bool failed);
  bool remove();
  bool remove_where();
  bool put_vectors();
  bool add_space();
  template <typename Call>
  bool durable(const ModelState& after, const Call& call, bool syncs = false);
  void set_step(std::string step) {
    MutexLock guard(mutex_);
    last_step_ = std::move(step);
  }

  SimulatedFileSystem& files_;
  std::mt19937_64 random_;
  const WriterOptions options_;
  Mutex
      mutex_;  // candidates_ and last_step_ are written under it, read by their own thread without
  std::vector<ModelState> candidates_;
  ModelState acknowledged_;
  ModelState pending_;
  uint32_t mark_ = 0;
  std::optional<Error> error_;
  std::string last_step_;
  // Gone first: its threads may be asking for the moment still.
  std::unique_ptr<Writer> writer_;
};

}  // namespace headrace::index::testing
