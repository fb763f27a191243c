// VectorCache: vectors that were computed before, kept on disk between runs (docs/formats/
// vector-cache.md). A cache is never a reason to fail: what is damaged, missing or cannot be
// written is a vector that is computed again.
//
// Immutable files, each written under another name first; several processes read and write one
// cache without waiting for each other. When the cache grows over its bound the oldest files go.
//
// Owns: open files, the index of keys (12 bytes a vector), and vectors not yet written (at most
// kPendingBytesMax). Threads: safe from any thread. Errors: none leave it but by kept().
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/hash.h"
#include "base/mutex.h"
#include "base/result.h"
#include "env/file_system.h"

namespace headrace {

struct CachedVector {
  std::vector<float> values;
  bool was_long = false;  // the text is longer than the model reads
};

class VectorCache {
 public:
  static constexpr uint64_t kPendingBytesMax = 2ULL << 20;
  static constexpr uint64_t kDefaultBytesMax = 1ULL << 30;

  // `folder` holds the vectors of all models, this cache only those of `space` (whatever makes
  // vectors equal: fingerprint, precision). `bytes_max` bounds the whole folder.
  VectorCache(FileSystem& files, std::string folder, const std::string& space, uint32_t dimension,
              uint64_t bytes_max = kDefaultBytesMax);
  ~VectorCache();  // writes what is pending
  VectorCache(const VectorCache&) = delete;
  VectorCache& operator=(const VectorCache&) = delete;

  // Whether it was there; then `out` holds it.
  bool find(const Hash128& key, CachedVector& out) HR_EXCLUDES(mutex_);
  void put(const Hash128& key, std::span<const float> vector, bool was_long) HR_EXCLUDES(mutex_);
  void flush() HR_EXCLUDES(mutex_);
  // Why vectors are no longer kept, once that is so: the folder cannot be made or written, the disk
  // is full. Vectors that wait are not yet tried.
  Status kept() HR_EXCLUDES(mutex_);

  uint64_t size() HR_EXCLUDES(mutex_);  // vectors known, also those not yet written

 private:
  struct File;
  struct Place {
    uint32_t file = 0;
    uint32_t index = 0;
  };
  void open_once() HR_REQUIRES(mutex_);
  void try_folder() HR_REQUIRES(mutex_);
  void give_up(const Error& reason) HR_REQUIRES(mutex_);
  void open_files() HR_REQUIRES(mutex_);
  bool open_file(const std::string& name) HR_REQUIRES(mutex_);
  void write_pending() HR_REQUIRES(mutex_);
  void write_file(const std::string& keys,
                  const std::function<Status(WritableFile&)>& write_entries) HR_REQUIRES(mutex_);
  void merge_small() HR_REQUIRES(mutex_);
  void keep_bound() HR_REQUIRES(mutex_);
  size_t entry_bytes() const;

  FileSystem& files_;
  const std::string root_;
  const std::string folder_;
  const uint32_t dimension_;
  const uint64_t space_hash_;
  const uint64_t bytes_max_;
  Mutex mutex_;
  bool opened_ HR_GUARDED_BY(mutex_) = false;
  bool writable_ HR_GUARDED_BY(mutex_) = true;
  bool tried_ HR_GUARDED_BY(mutex_) = false;
  std::optional<Error> trouble_ HR_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<File>> open_ HR_GUARDED_BY(mutex_);
  // Low half of the key → where; a rare equal half is a miss when the whole key is compared.
  std::unordered_map<uint64_t, Place> places_ HR_GUARDED_BY(mutex_);
  std::string pending_ HR_GUARDED_BY(mutex_);  // entries as they go into the file
  std::unordered_map<uint64_t, uint32_t> pending_places_ HR_GUARDED_BY(mutex_);
};

// Where the cache lies unless told otherwise: $HEADRACE_CACHE ("off" or a folder), else
// $XDG_CACHE_HOME/headrace/vectors, else ~/.cache/headrace/vectors. Empty: none.
std::string default_cache_folder();

}  // namespace headrace
