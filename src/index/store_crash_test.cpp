// The store on a simulated disk: power cuts at every write, sync and rename; faults at every call.
//
// HEADRACE_CRASH_POINTS says how many crashes are tried (20,000 unless given); a seed gives the
// same workload, the same disks and the same answers every time. HEADRACE_CRASH_SEED is the first.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>

#include "index/store_model.h"
#include "runtime/thread_pool.h"

namespace headrace::index::testing {
namespace {

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr || *text == '\0' ? otherwise : std::strtoull(text, nullptr, 10);
}

WriterOptions small_options(uint64_t seed) {
  WriterOptions options;
  options.memory_bytes_max = 3000 + seed % 7 * 2500;
  options.log_buffer_bytes_max = seed % 3 == 0 ? 500 : 1 << 20;
  options.segments_max = 2 + seed % 4;
  options.background = seed % 5 == 0;
  if (seed % 4 == 1) options.durability = Durability::async;
  return options;
}

// A reader's view of a disk; nothing when there is no knowledge base yet.
Result<ModelState> found_state(FileSystem& files) {
  auto reader = Reader::open(files, kFolder);
  if (!reader) {
    if (reader.error().code() == ErrorCode::not_found) return ModelState();
    return std::unexpected(std::move(reader).error());
  }
  HR_ASSIGN(const auto snapshot, (*reader)->snapshot());
  return read_state(*snapshot);
}

class Findings {
 public:
  void add(std::string text) {
    MutexLock guard(mutex_);
    if (texts_.size() < 5) texts_.push_back(std::move(text));
    any_ = true;
  }
  bool any() const { return any_; }
  void report() {
    MutexLock guard(mutex_);
    for (const std::string& text : texts_) ADD_FAILURE() << text;
  }

 private:
  Mutex mutex_;
  std::vector<std::string> texts_ HR_GUARDED_BY(mutex_);
  std::atomic<bool> any_ = false;
};

bool is_one_of(const ModelState& state, const std::vector<ModelState>& candidates) {
  return std::find(candidates.begin(), candidates.end(), state) != candidates.end();
}

std::string describe(const ModelState& found, const std::vector<ModelState>& candidates) {
  std::string text = "found:\n" + found.text();
  for (const ModelState& candidate : candidates) text += "may be:\n" + candidate.text();
  return text;
}

DocumentWrite one_more() {
  DocumentWrite document;
  document.source = "after";
  Row row;
  row.key = row_key("after", 0);
  row.source = "after";
  row.text = "after the crash";
  document.rows.push_back(std::move(row));
  return document;
}

// What must hold on a disk as it was found. Empty when all does.
std::string check_disk(SimulatedFileSystem& files, const std::vector<ModelState>& candidates,
                       uint64_t point, const WriterOptions& options) {
  const auto found = found_state(files);
  if (!found) return "no reader: " + found.error().text();
  if (!is_one_of(*found, candidates)) return describe(*found, candidates);
  if (found->exists && point % 4 == 0) {
    auto reader = Reader::open(files, kFolder);
    if (!reader) return "no second reader";
    const std::string wrong = check_searches(**(*reader)->snapshot(), *found);
    if (!wrong.empty()) return "search: " + wrong;
    const auto report = verify(files, kFolder);
    if (!report) return "verify: " + report.error().text();
    if (!report->ok()) return "verify: " + report->problems.front();
  }
  if (point % 2 != 0) return {};
  // The next writer sees the same, and what it acknowledges is safe from the next power cut.
  std::string wrong;
  if (point % 8 == 0) {
    files.before_change([&](uint64_t number) {
      if (!wrong.empty()) return;
      const auto again = files.after_power_cut(point * 31 + number);
      auto state = found_state(*again);
      if (!state) {
        wrong = "after a crash in recovery: " + state.error().text();
        return;
      }
      state->documents.erase("after");
      if (!found->exists && state->exists && state->spaces.empty() && state->documents.empty())
        return;  // the next writer was about to make it
      if (!is_one_of(*state, candidates))
        wrong = "after a crash in recovery " + describe(*state, candidates);
    });
  }
  {
    WriterOptions alone = options;
    alone.background = false;  // the hook above belongs to this thread
    auto writer = Writer::open(files, kFolder, alone);
    if (!writer) return "no writer: " + writer.error().text();
    ModelState shown = read_state(*(*writer)->snapshot());
    ModelState expected = *found;
    expected.exists = true;
    if (shown != expected)
      return "the writer differs from the reader: " + describe(shown, {expected});
    const Status put = (*writer)->put(one_more());
    if (!put) return "put after the crash: " + put.error().text();
    Status committed = (*writer)->commit();
    if (committed && options.durability == Durability::async) committed = (*writer)->flush();
    if (!committed) return "commit after the crash: " + committed.error().text();
    expected.documents["after"].rows[0].text = "after the crash";
    const auto again = files.after_power_cut(point);
    const auto state = found_state(*again);
    if (!state) return "no reader after the second power cut: " + state.error().text();
    if (*state != expected) return "after the second power cut " + describe(*state, {expected});
    files.before_change({});
  }
  return wrong;
}

TEST(StoreCrash, NothingAcknowledgedIsLostAtAnyBoundary) {
  const uint64_t points_wanted = from_environment("HEADRACE_CRASH_POINTS", 20'000);
  const uint64_t first_seed = from_environment("HEADRACE_CRASH_SEED", 1);
  std::atomic<uint64_t> next_seed = first_seed;
  std::atomic<uint64_t> points = 0;
  Findings findings;
  ThreadPool pool;
  pool.parallel_for(pool.size() + 1, [&](size_t) {
    while (points < points_wanted && !findings.any()) {
      const uint64_t seed = next_seed++;
      SimulatedFileSystem files(seed);
      const WriterOptions options = small_options(seed);
      StoreWorkload work(files, seed, options);
      files.before_change([&](uint64_t number) {
        // Two power cuts, and every fourth time a killed process, whose unsynced writes are still
        // at the mercy of a power cut while the next one recovers.
        for (uint64_t cut = 0; cut < (number % 4 == 0 ? 3U : 2U) && !findings.any(); ++cut) {
          const uint64_t point = points++;
          std::unique_ptr<SimulatedFileSystem> found;
          const auto moment = work.moment([&] {
            found = cut == 2 ? files.after_kill()
                             : files.after_power_cut(seed * 1000 + number * 2 + cut);
          });
          const uint64_t check = cut == 2 ? 8 : number + cut;
          const std::string wrong = check_disk(*found, moment.candidates, check, options);
          if (wrong.empty()) continue;
          findings.add(fmt::format("seed {}, change {}, cut {} (point {}), in {}: {}", seed, number,
                                   cut, point, moment.step, wrong));
        }
      });
      EXPECT_TRUE(files.make_folder("/"));
      for (int i = 0; i < 40 && !findings.any(); ++i) {
        if (work.step()) continue;
        findings.add(
            fmt::format("seed {}: {} failed: {}", seed, work.last_step(), work.error()->text()));
      }
      files.before_change({});
    }
  });
  findings.report();
  ::testing::Test::RecordProperty("crash_points", static_cast<int>(points));
  std::printf("%llu crash points, %llu workloads\n", static_cast<unsigned long long>(points),
              static_cast<unsigned long long>(next_seed - first_seed));
  EXPECT_GE(points, points_wanted);
}

// One fault at one call of a workload: the call that fails says so, what the writer shows is the
// old state or the new one, and with the next calls the same process goes on.
std::string run_with_fault(uint64_t seed, std::optional<uint64_t> change, SimulatedFault fault,
                           std::optional<uint64_t> look, uint64_t& changes, uint64_t& looks) {
  SimulatedFileSystem files(seed);
  WriterOptions options = small_options(seed);
  options.background = false;  // the number of a call must mean the same call every time
  StoreWorkload work(files, seed, options);
  if (change) files.fail_change(*change, fault);
  if (look) files.fail_look(*look);
  int refused = 0;
  for (int i = 0; i < 25; ++i) {
    if (work.step()) continue;
    const ErrorCode code = work.error()->code();
    const bool fitting = code == ErrorCode::io || code == ErrorCode::no_space;
    if (!fitting) return fmt::format("{} gave {}", work.last_step(), work.error()->text());
    if (work.error()->message().find(kFolder) == std::string::npos)
      return fmt::format("{} names no file: {}", work.last_step(), work.error()->text());
    if (++refused > 1) return fmt::format("{} failed again after one fault", work.last_step());
    if (work.writer() == nullptr) continue;
    if (!work.adopt_shown()) return "a state that never was";
    // Acknowledged before the fault means safe, whatever comes.
    const auto after = files.after_power_cut(seed + 1);
    const auto state = found_state(*after);
    if (!state) return "no reader after a fault and a power cut: " + state.error().text();
  }
  changes = files.changes();
  looks = files.looks();
  if (work.writer() == nullptr) return "no writer";
  if (const ModelState shown = read_state(*work.writer()->snapshot()); shown != work.acknowledged())
    return describe(shown, {work.acknowledged()});
  const std::vector<ModelState> candidates = work.candidates();
  work.close_writer();
  for (uint64_t cut = 0; cut < 2; ++cut) {
    const auto found = files.after_power_cut(seed * 77 + cut);
    const std::string wrong = check_disk(*found, candidates, 8, options);
    if (!wrong.empty()) return wrong;
  }
  return {};
}

void try_fault_everywhere(SimulatedFault fault, bool in_looks) {
  Findings findings;
  ThreadPool pool;
  std::atomic<uint64_t> tried = 0;
  const uint64_t seeds = from_environment("HEADRACE_FAULT_SEEDS", 4);
  pool.parallel_for(seeds, [&](size_t i) {
    const uint64_t seed = 100 + i;
    uint64_t changes = 0;
    uint64_t looks = 0;
    std::string wrong = run_with_fault(seed, {}, fault, {}, changes, looks);
    if (!wrong.empty()) findings.add("without a fault: " + wrong);
    const uint64_t calls = in_looks ? looks : changes;
    for (uint64_t call = 0; call < calls && !findings.any(); ++call) {
      uint64_t ignored = 0;
      const std::optional<uint64_t> none;
      wrong = run_with_fault(seed, in_looks ? none : call, fault, in_looks ? call : none, ignored,
                             ignored);
      ++tried;
      if (!wrong.empty()) findings.add(fmt::format("seed {}, call {}: {}", seed, call, wrong));
    }
  });
  findings.report();
  std::printf("%llu faults\n", static_cast<unsigned long long>(tried));
}

TEST(StoreFault, AnInputOutputErrorAtAnyChange) {
  try_fault_everywhere(SimulatedFault::io, false);
}
TEST(StoreFault, AFullDiskAtAnyChange) {
  try_fault_everywhere(SimulatedFault::short_write, false);
}
TEST(StoreFault, AFailedSyncThatLosesData) {
  try_fault_everywhere(SimulatedFault::lost_sync, false);
}
TEST(StoreFault, AnInputOutputErrorAtAnyLook) {
  try_fault_everywhere(SimulatedFault::io, true);
}

TEST(StoreFault, WritingGoesOnWhenThereIsRoomAgain) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SimulatedFileSystem files(seed);
    WriterOptions options = small_options(seed);
    options.durability = Durability::sync;
    StoreWorkload work(files, seed, options);
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(work.step());
    files.set_capacity(files.used_bytes() + seed * 100);
    int refused = 0;
    for (int i = 0; i < 60; ++i) {
      if (work.step()) continue;
      ++refused;
      ASSERT_EQ(work.error()->code(), ErrorCode::no_space) << work.error()->text();
      ASSERT_NE(work.error()->message().find("no space left"), std::string::npos);
      if (work.writer() == nullptr) continue;
      ASSERT_TRUE(work.adopt_shown()) << "seed " << seed;
      // Reading needs no room.
      auto reader = Reader::open(files, kFolder);
      ASSERT_TRUE(reader) << reader.error().text();
      const auto report = verify(files, kFolder);
      ASSERT_TRUE(report && report->ok());
    }
    EXPECT_GT(refused, 0) << "seed " << seed;
    files.set_capacity(1 << 30);
    for (int i = 0; i < 30; ++i) ASSERT_TRUE(work.step()) << work.error()->text();
    EXPECT_EQ(read_state(*work.writer()->snapshot()).text(), work.acknowledged().text());
    const auto found = found_state(*files.after_power_cut(seed));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->text(), work.acknowledged().text());
  }
}

TEST(StoreFault, AReadOnlyDiskIsReadAndRefusesWrites) {
  SimulatedFileSystem files(1);
  StoreWorkload work(files, 1, small_options(1));
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(work.step());
  const ModelState before = work.acknowledged();
  work.close_writer();
  files.fail_all_changes(SimulatedFault::read_only);
  const auto writer = Writer::open(files, kFolder, {});
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().code(), ErrorCode::permission);
  EXPECT_NE(writer.error().message().find(kFolder), std::string::npos);
  const auto found = found_state(files);
  ASSERT_TRUE(found) << found.error().text();
  EXPECT_EQ(found->text(), before.text());
  EXPECT_TRUE(verify(files, kFolder)->ok());
}

TEST(StoreDamage, VerifyFindsEveryFlippedBitAndEveryCut) {
  SimulatedFileSystem files(5);
  WriterOptions options = small_options(3);
  options.memory_bytes_max = 1 << 20;
  options.background = false;
  StoreWorkload work(files, 5, options);
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(work.step());
  // Files of every kind: an optimized segment, a patch with late vectors, a deletes file.
  ASSERT_TRUE(work.writer()->optimize());
  DocumentWrite document = one_more();
  ASSERT_TRUE(work.writer()->put(document));
  ASSERT_TRUE(work.writer()->flush());
  Space space;
  space.name = "third";
  space.dimension = 2;
  space.metric = Metric::ip;
  ASSERT_TRUE(work.writer()->add_space(space));
  const std::vector<std::string> keys = {row_key("after", 0)};
  const std::vector<float> vectors = {1, 2};
  ASSERT_TRUE(work.writer()->put_vectors("third", keys, vectors));
  ASSERT_TRUE(work.writer()->put(document));
  ASSERT_TRUE(work.writer()->flush());
  ASSERT_TRUE(work.writer()->put_vectors("third", keys, vectors));
  ASSERT_TRUE(work.writer()->flush());
  work.close_writer();
  ASSERT_TRUE(verify(files, kFolder)->ok()) << verify(files, kFolder)->problems.front();

  std::map<char, uint64_t> kinds;
  uint64_t tried = 0;
  ThreadPool pool;
  Findings findings;
  for (const std::string& path : files.all_files()) {
    if (path.ends_with("LOCK")) continue;
    ++kinds[path[path.rfind('/') + 1]];
    const uint64_t bytes = files.content(path).size();
    const uint64_t bits = bytes * 8;
    const uint64_t step = std::max<uint64_t>(1, bits / 20'000);
    pool.parallel_for(2 * pool.size(), [&](size_t part) {
      const auto copy = files.after_kill();
      for (uint64_t bit = part * step; bit < bits && !findings.any();
           bit += step * 2 * pool.size()) {
        copy->flip_bit(path, bit);
        const auto report = verify(*copy, kFolder);
        if (report && report->ok()) findings.add(fmt::format("{}: bit {} is not seen", path, bit));
        copy->flip_bit(path, bit);
      }
    });
    tried += bits / step;
    pool.parallel_for(40, [&](size_t i) {
      const auto copy = files.after_kill();
      copy->cut(path, i < 20 ? bytes - std::min<uint64_t>(bytes, i + 1) : bytes * (i - 20) / 20);
      const auto report = verify(*copy, kFolder);
      if (report && report->ok()) findings.add(fmt::format("{}: cut {} is not seen", path, i));
      copy->lose(path);
      const auto lost = verify(*copy, kFolder);
      if (lost && lost->ok()) findings.add(fmt::format("{}: its loss is not seen", path));
    });
  }
  findings.report();
  std::printf("%llu flipped bits\n", static_cast<unsigned long long>(tried));
  for (const char kind : {'m', 'l', 's', 'v', 'd'}) EXPECT_GT(kinds[kind], 0U) << kind;
}

TEST(StoreDamage, NoWrongAnswerComesFromADamagedDisk) {
  SimulatedFileSystem files(9);
  WriterOptions options = small_options(3);
  options.memory_bytes_max = 1 << 20;
  options.background = false;
  StoreWorkload work(files, 9, options);
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(work.step());
  ASSERT_TRUE(work.writer()->optimize());
  const ModelState state = read_state(*work.writer()->snapshot());
  work.close_writer();
  std::string path;
  for (const std::string& name : files.all_files()) {
    if (name.find("segment-") != std::string::npos) path = name;
  }
  const uint64_t bits = files.content(path).size() * 8;
  for (uint64_t bit = 0; bit < bits; bit += 61) {
    files.flip_bit(path, bit);
    const auto found = found_state(files);
    if (found) {
      EXPECT_EQ(found->text(), state.text()) << "bit " << bit;
    }
    files.flip_bit(path, bit);
  }
}

}  // namespace
}  // namespace headrace::index::testing
