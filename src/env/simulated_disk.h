// SimulatedDisk: what a disk holds, twice: as running programs see it (the system's cache), and as
// it would be found after a power cut. SimulatedFileSystem puts the FileSystem interface, faults
// and locks on top; tests use that class, not this one.
//
// The rules are those that POSIX promises and no more. Data reaches the disk only by a sync of its
// file. A name (made, renamed or removed) reaches it only by a sync of its folder; for a rename
// between two folders that is the folder of the new name. Without a sync either may still arrive,
// wholly, partly or not at all, in any order; a rename alone is all or nothing. Bytes that were
// synced stay, also when the sector they end in is written again. Folders are durable once made.
//
// Owns: all contents. Threads: none of its own; the owner locks. Errors: none, callers look first.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace headrace {

// Choices that follow from a seed alone. Mixing in a name keeps the fate of one file independent of
// which other files there are.
class SeededDraws {
 public:
  SeededDraws(uint64_t seed, std::string_view name);
  uint64_t next();
  uint64_t below(uint64_t bound);  // 0 .. bound-1; 0 when bound is 0
  bool coin() { return below(2) == 1; }

 private:
  uint64_t state_;
};

// One file, whatever its names are.
class SimulatedFile {
 public:
  SimulatedFile() = default;
  SimulatedFile(std::string content, int64_t modified_ns);

  // What programs read.
  const std::string& content() const { return cached_; }
  int64_t modified_ns() const { return modified_ns_; }
  void set_modified_ns(int64_t modified_ns) { modified_ns_ = modified_ns; }

  void write(uint64_t offset, std::string_view bytes);  // a gap before `offset` reads as zeros
  void truncate(uint64_t size);
  void sync();
  // A sync that went wrong: every 512-byte sector that waited was written or not, by draw, and the
  // system takes all of them for written. A later sync does not bring the lost ones back.
  void fail_sync(SeededDraws& draws);
  // The content after a power cut. Unsynced bytes are lost, kept, cut at any byte, cut at a sector,
  // or sector by sector kept, lost or garbage, also out of order.
  std::string after_power_cut(SeededDraws& draws) const;

  // Damage of the medium: the same for programs and for the disk.
  void flip_bit(uint64_t bit);
  void cut(uint64_t size);

 private:
  bool has_unsynced() const;
  std::string keep_until(uint64_t end) const;
  std::string keep_some_sectors(SeededDraws& draws) const;

  std::string cached_;
  std::string durable_;
  // Bytes of cached_ from here on wait for a sync. Before it, durable_ has what the disk holds,
  // which after a failed sync may differ from cached_.
  uint64_t unsynced_from_ = 0;
  int64_t modified_ns_ = 0;
};

class SimulatedDisk {
 public:
  using File = std::shared_ptr<SimulatedFile>;

  // One spelling for each path: no double slashes, no trailing slash, no "." in between.
  static std::string normal(const std::string& path);
  static std::string folder_of(const std::string& normal_path);

  SimulatedDisk();

  // All paths from here on are normal ones.
  File find(const std::string& path) const;  // null when there is no such file
  bool is_folder(const std::string& path) const { return folders_.contains(path); }
  uint64_t used_bytes() const;
  std::vector<std::string> files() const;                          // full paths, sorted
  std::vector<std::string> list(const std::string& folder) const;  // names, sorted

  File create(const std::string& path);
  void rename(const std::string& from, const std::string& to);
  void remove(const std::string& path);
  // A further name for a file that nobody writes any more; the copy it makes is not told apart.
  void link(const std::string& from, const std::string& to);
  void make_folder(const std::string& path);  // and its parents
  void sync_folder(const std::string& folder);
  // Each change of names that waits in `folder` becomes durable or goes on waiting, by draw.
  void fail_sync_folder(const std::string& folder, SeededDraws& draws);
  // Takes the file away from programs and disk alike, as damage does.
  void remove_durably(const std::string& path);

  // The disk as it is found after a power cut now; shares nothing with this one.
  SimulatedDisk after_power_cut(uint64_t seed) const;
  // The same disk again, the system's cache included; shares nothing with this one.
  SimulatedDisk copy() const;

 private:
  using Names = std::map<std::string, File>;
  // A change of names that no sync has made durable yet: `path` now names `file` or (null) nothing.
  struct Change {
    std::string path;
    File file;
    bool renamed = false;  // and the file lost every other name
  };
  static void apply(const Change& change, Names& names);
  void make_durable(size_t at);  // the waiting change `at`

  Names cached_;
  Names durable_;
  std::vector<Change> waiting_;
  std::set<std::string> folders_;
};

}  // namespace headrace
