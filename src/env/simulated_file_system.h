// SimulatedFileSystem: a FileSystem in memory that follows from a seed and fails on demand, so that
// tests reach every crash and every fault that a disk can give.
//
// Two counters number the calls: changes (everything that writes, renames, removes or makes
// durable) and looks (open, map, stat, list, read). A fault names the number of the call it hits.
// before_change() is called ahead of each change, where a test may take the disk as it would be
// found after a power cut: one run of a workload gives a crash at every boundary.
//
// Owns: the disk. Files that are open keep it alive. Threads: safe from any thread; the hook runs
// on the thread that makes the call, without a lock held. Errors: those that were asked for, and
// those of a real file system (not_found, busy, no_space).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "env/file_system.h"

namespace headrace {

enum class SimulatedFault : uint8_t {
  io,           // the call does nothing and fails
  no_space,     // the same, for want of room
  short_write,  // an append writes a part, then fails for want of room; as no_space elsewhere
  lost_sync,    // a sync loses some of what waited, fails, and a later one knows nothing of it
  read_only,    // the call does nothing: the file system has become read-only
};

class SimulatedFileSystem : public FileSystem {
 public:
  explicit SimulatedFileSystem(uint64_t seed = 1);
  ~SimulatedFileSystem() override;

  uint64_t changes() const;
  uint64_t looks() const;
  // One fault, once. Several may be asked for.
  void fail_change(uint64_t number, SimulatedFault fault);
  void fail_look(uint64_t number);
  void fail_all_changes(SimulatedFault fault);  // until heal()
  // Change `number` and every call after it fail: the machine is off.
  void cut_power_at_change(uint64_t number);
  void heal();  // forgets all faults asked for
  void before_change(std::function<void(uint64_t number)> hook);
  // Bytes that all files together may have; appends beyond it write what fits and fail.
  void set_capacity(uint64_t bytes);
  uint64_t used_bytes() const;
  void set_links(bool supported);
  void set_now_ns(int64_t now_ns);

  // The machine after a power cut at this moment, as `seed` has it, and after a kill -9 of the one
  // process. Both share nothing with this one, have no locks held and no faults.
  std::unique_ptr<SimulatedFileSystem> after_power_cut(uint64_t seed) const;
  std::unique_ptr<SimulatedFileSystem> after_kill() const;

  // Damage of the medium.
  std::vector<std::string> all_files() const;
  std::string content(const std::string& path) const;
  void flip_bit(const std::string& path, uint64_t bit);
  void cut(const std::string& path, uint64_t size);
  void lose(const std::string& path);
  void overwrite(const std::string& path, const std::string& content);  // durable, as it stands

  Result<std::unique_ptr<WritableFile>> create(const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> append_to(const std::string& path) override;
  Result<std::unique_ptr<ReadableFile>> open(const std::string& path) override;
  Result<std::unique_ptr<MappedFile>> map(const std::string& path) override;
  Result<FileStat> stat(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& folder) override;
  Status make_folder(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status link(const std::string& from, const std::string& to) override;
  Status sync_folder(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;
  int64_t now_ns() override;

 private:
  struct State;
  class OpenForWriting;
  class OpenForReading;
  class Held;
  explicit SimulatedFileSystem(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;
};

}  // namespace headrace
