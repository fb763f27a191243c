#include "embed/vector_cache.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <random>
#include <utility>

namespace headrace {

namespace {

// docs/formats/vector-cache.md
constexpr std::string_view kMagic("HRVECC\0\1", 8);
static_assert(std::endian::native == std::endian::little, "files are little-endian");
constexpr size_t kHeaderBytes = 40;
constexpr size_t kEntryFixedBytes = 8 + 16 + 4;  // checksum, key, flags
constexpr uint32_t kFlagLong = 1;
constexpr uint32_t kDimensionMax = 1U << 16;
// Files below this size are joined when there are many of them.
constexpr uint64_t kSmallFileBytes = 16ULL << 20;
constexpr size_t kSmallFilesMax = 16;
constexpr uint64_t kCopyBytes = 1ULL << 20;
// What a killed process left half written.
constexpr int64_t kLeftoverNs = 3600LL * 1'000'000'000LL;

template <typename T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

template <typename T>
T read_at(std::string_view bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

std::string header(uint32_t dimension, uint64_t space_hash, uint64_t count) {
  std::string bytes(kMagic);
  append<uint32_t>(bytes, dimension);
  append<uint32_t>(bytes, 0);
  append(bytes, space_hash);
  append(bytes, count);
  append(bytes, hash64(bytes));
  return bytes;
}

std::string unique_name() {
  static std::atomic<uint64_t> counter = 0;
  std::random_device random;
  return fmt::format("{:08x}{:08x}{:04x}", random(), static_cast<uint32_t>(getpid()),
                     counter.fetch_add(1) & 0xFFFF);
}

}  // namespace

struct VectorCache::File {
  std::string name;
  std::unique_ptr<ReadableFile> bytes;
  uint64_t count = 0;
};

VectorCache::VectorCache(FileSystem& files, std::string folder, const std::string& space,
                         uint32_t dimension, uint64_t bytes_max)
    : files_(files),
      root_(std::move(folder)),
      folder_(fmt::format("{}/{:016x}", root_, hash64(space))),
      dimension_(dimension),
      space_hash_(hash64(space)),
      bytes_max_(bytes_max) {
  const MutexLock lock(mutex_);
  writable_ = dimension_ > 0 && dimension_ <= kDimensionMax;
}

VectorCache::~VectorCache() {
  flush();
}

size_t VectorCache::entry_bytes() const {
  return kEntryFixedBytes + size_t{dimension_} * sizeof(float);
}

// Only when a vector is asked for: a search that embeds one query never reads the folder.
void VectorCache::open_once() {
  if (opened_) return;
  opened_ = true;
  open_files();
}

// Before the first vector is kept: a folder that cannot be used is told while the run goes on, not
// when it is over.
void VectorCache::try_folder() {
  if (std::exchange(tried_, true)) return;
  const std::string probe = folder_ + "/tmp-" + unique_name();
  Status made = files_.make_folder(folder_);
  if (made) {
    const auto file = files_.create(probe);
    if (!file) made = std::unexpected(file.error());
  }
  if (made) made = files_.remove(probe);
  if (!made) give_up(made.error());
}

void VectorCache::give_up(const Error& reason) {
  writable_ = false;
  if (trouble_) return;
  trouble_ =
      Error(reason.code(), fmt::format("vectors are not kept for later runs: {}", reason.message()),
            "give --cache another folder, or off");
}

Status VectorCache::kept() {
  const MutexLock lock(mutex_);
  return trouble_ ? Status(std::unexpected(*trouble_)) : Status{};
}

void VectorCache::open_files() {
  const auto names = files_.list(folder_);
  if (!names) return;
  for (const std::string& name : *names) {
    if (name.ends_with(".vectors")) {
      open_file(name);
    } else if (name.starts_with("tmp-")) {
      const std::string path = folder_ + "/" + name;
      const auto stat = files_.stat(path);
      if (stat && files_.now_ns() - stat->modified_ns > kLeftoverNs) (void)files_.remove(path);
    }
  }
}

// Reads the header and the keys; a file that does not hold what it says is not used.
bool VectorCache::open_file(const std::string& name) {
  auto bytes = files_.open(folder_ + "/" + name);
  if (!bytes) return false;
  const auto head = (*bytes)->read(0, kHeaderBytes);
  if (!head || head->size() != kHeaderBytes || !head->starts_with(kMagic)) return false;
  const auto count = read_at<uint64_t>(*head, 24);
  if (*head != header(dimension_, space_hash_, count)) return false;
  const uint64_t keys_bytes = count * sizeof(uint64_t);
  if (count > UINT32_MAX ||
      (*bytes)->size() != kHeaderBytes + keys_bytes + 8 + count * entry_bytes())
    return false;
  const auto keys = (*bytes)->read(kHeaderBytes, keys_bytes + 8);
  if (!keys || keys->size() != keys_bytes + 8 ||
      hash64(std::string_view(*keys).substr(0, keys_bytes)) != read_at<uint64_t>(*keys, keys_bytes))
    return false;
  auto file = std::make_unique<File>();
  file->name = name;
  file->bytes = std::move(*bytes);
  file->count = count;
  const auto place = static_cast<uint32_t>(open_.size());
  places_.reserve(places_.size() + count);
  for (uint32_t i = 0; i < count; ++i)
    places_[read_at<uint64_t>(*keys, i * sizeof(uint64_t))] = {place, i};
  open_.push_back(std::move(file));
  return true;
}

bool VectorCache::find(const Hash128& key, CachedVector& out) {
  const MutexLock lock(mutex_);
  open_once();
  std::string read;
  std::string_view entry;
  if (const auto waiting = pending_places_.find(key.low); waiting != pending_places_.end()) {
    entry = std::string_view(pending_).substr(waiting->second * entry_bytes(), entry_bytes());
  } else {
    const auto place = places_.find(key.low);
    if (place == places_.end()) return false;
    const File& file = *open_[place->second.file];
    const uint64_t start = kHeaderBytes + file.count * sizeof(uint64_t) + 8;
    auto bytes = file.bytes->read(start + place->second.index * entry_bytes(), entry_bytes());
    if (!bytes || bytes->size() != entry_bytes()) return false;
    read = std::move(*bytes);
    entry = read;
  }
  // Damage is found here, for each vector, so a file need not be read whole when it is opened.
  if (read_at<uint64_t>(entry, 0) != hash64(entry.substr(8)) ||
      read_at<uint64_t>(entry, 8) != key.high || read_at<uint64_t>(entry, 16) != key.low)
    return false;
  out.was_long = (read_at<uint32_t>(entry, 24) & kFlagLong) != 0;
  out.values.resize(dimension_);
  std::memcpy(out.values.data(), entry.data() + kEntryFixedBytes, dimension_ * sizeof(float));
  return true;
}

void VectorCache::put(const Hash128& key, std::span<const float> vector, bool was_long) {
  const MutexLock lock(mutex_);
  if (!writable_ || vector.size() != dimension_) return;
  open_once();
  try_folder();
  if (!writable_) return;
  if (places_.contains(key.low) || pending_places_.contains(key.low)) return;
  std::string entry;
  entry.reserve(entry_bytes());
  append<uint64_t>(entry, 0);
  append(entry, key.high);
  append(entry, key.low);
  append<uint32_t>(entry, was_long ? kFlagLong : 0);
  entry.append(reinterpret_cast<const char*>(vector.data()), vector.size_bytes());
  const uint64_t sum = hash64(std::string_view(entry).substr(8));
  std::memcpy(entry.data(), &sum, sizeof(sum));
  pending_places_.emplace(key.low, static_cast<uint32_t>(pending_places_.size()));
  pending_ += entry;
  if (pending_.size() >= kPendingBytesMax) write_pending();
}

void VectorCache::flush() {
  const MutexLock lock(mutex_);
  write_pending();
}

uint64_t VectorCache::size() {
  const MutexLock lock(mutex_);
  open_once();
  return places_.size() + pending_places_.size();
}

void VectorCache::write_pending() {
  if (pending_.empty()) return;
  const std::string entries = std::exchange(pending_, {});
  pending_places_.clear();
  if (!writable_) return;
  std::string keys;
  for (size_t at = 0; at < entries.size(); at += entry_bytes())
    append(keys, read_at<uint64_t>(entries, at + 16));
  write_file(keys, [&](WritableFile& file) { return file.append(entries); });
  keep_bound();
  merge_small();
}

// A full disk or a folder that may not be written: this process stops keeping vectors.
void VectorCache::write_file(const std::string& keys,
                             const std::function<Status(WritableFile&)>& write_entries) {
  const uint64_t count = keys.size() / sizeof(uint64_t);
  const std::string name = unique_name();
  const std::string unfinished = folder_ + "/tmp-" + name;
  const auto write = [&]() -> Status {
    HR_TRY(files_.make_folder(folder_));
    HR_ASSIGN(const auto file, files_.create(unfinished));
    std::string sum;
    append(sum, hash64(keys));
    HR_TRY(file->append(header(dimension_, space_hash_, count)));
    HR_TRY(file->append(keys));
    HR_TRY(file->append(sum));
    HR_TRY(write_entries(*file));
    // No sync: what a power cut takes is only computed again, and its checksum shows it.
    HR_TRY(file->close());
    return files_.rename(unfinished, folder_ + "/" + name + ".vectors");
  };
  if (const Status written = write(); !written) {
    (void)files_.remove(unfinished);
    give_up(written.error());
  } else if (!open_file(name + ".vectors")) {
    // Another process may have taken it away for the bound; else it cannot be read, and what is
    // not known here is not to be written again and again.
    give_up(Error(ErrorCode::io, fmt::format("{}/{}.vectors cannot be read", folder_, name)));
  }
}

// Many short runs leave many small files; one process at a time joins them.
void VectorCache::merge_small() {
  const auto path_of = [&](const File& file) { return folder_ + "/" + file.name; };
  std::vector<const File*> small;
  for (const auto& file : open_) {
    if (file->bytes->size() < kSmallFileBytes && files_.stat(path_of(*file)))
      small.push_back(file.get());
  }
  if (!writable_ || small.size() <= kSmallFilesMax) return;
  const auto lock = files_.lock(folder_ + "/lock");
  if (!lock) return;
  std::string keys;
  for (const File* file : small) {
    const auto part = file->bytes->read(kHeaderBytes, file->count * sizeof(uint64_t));
    if (!part || part->size() != file->count * sizeof(uint64_t)) return;
    keys += *part;
  }
  write_file(keys, [&](WritableFile& out) -> Status {
    for (const File* file : small) {
      const uint64_t start = kHeaderBytes + file->count * sizeof(uint64_t) + 8;
      const uint64_t end = file->bytes->size();
      for (uint64_t at = start; at < end; at += kCopyBytes) {
        HR_ASSIGN(const std::string part, file->bytes->read(at, std::min(kCopyBytes, end - at)));
        HR_TRY(out.append(part));
      }
    }
    return {};
  });
  if (!writable_) return;
  for (const File* file : small) (void)files_.remove(path_of(*file));
  open_.clear();
  places_.clear();
  open_files();
}

// The oldest files of any model go first. Whoever has one open goes on reading it.
void VectorCache::keep_bound() {
  struct Found {
    int64_t modified_ns;
    uint64_t bytes;
    std::string path;
  };
  std::vector<Found> all;
  uint64_t total = 0;
  const auto spaces = files_.list(root_);
  if (!spaces) return;
  for (const std::string& space : *spaces) {
    const auto names = files_.list(root_ + "/" + space);
    if (!names) continue;
    for (const std::string& name : *names) {
      if (!name.ends_with(".vectors")) continue;
      const std::string path = root_ + "/" + space + "/" + name;
      const auto stat = files_.stat(path);
      if (!stat) continue;
      all.push_back({stat->modified_ns, stat->size, path});
      total += stat->size;
    }
  }
  if (total <= bytes_max_) return;
  std::ranges::sort(all, {}, &Found::modified_ns);
  for (const Found& file : all) {
    if (total <= bytes_max_) break;
    if (files_.remove(file.path)) total -= file.bytes;
  }
}

std::string default_cache_folder() {
  const auto variable = [](const char* name) -> std::string {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
  };
  const std::string chosen = variable("HEADRACE_CACHE");
  if (chosen == "off") return {};
  if (!chosen.empty()) return chosen;
  const std::string xdg = variable("XDG_CACHE_HOME");
  if (xdg.starts_with('/')) return xdg + "/headrace/vectors";
  const std::string home = variable("HOME");
  return home.empty() ? std::string() : home + "/.cache/headrace/vectors";
}

}  // namespace headrace
