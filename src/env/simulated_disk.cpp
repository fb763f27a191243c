#include "env/simulated_disk.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/check.h"
#include "base/hash.h"

namespace headrace {
namespace {

constexpr uint64_t kSectorBytes = 512;

uint64_t sector_end(uint64_t offset) {
  return (offset / kSectorBytes + 1) * kSectorBytes;
}

// Copies bytes [begin, end) of one content over another, which grows with zeros where needed.
void copy_range(const std::string& from, uint64_t begin, uint64_t end, std::string& to) {
  if (begin >= end) return;
  if (to.size() < end) to.resize(end, '\0');
  std::copy(from.data() + begin, from.data() + end, to.data() + begin);
}

}  // namespace

SeededDraws::SeededDraws(uint64_t seed, std::string_view name) : state_(seed ^ hash64(name)) {}

// splitmix64: full period, and good from the first value on whatever the seed.
uint64_t SeededDraws::next() {
  state_ += 0x9E3779B97F4A7C15ULL;
  uint64_t mixed = state_;
  mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9ULL;
  mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBULL;
  return mixed ^ (mixed >> 31);
}

uint64_t SeededDraws::below(uint64_t bound) {
  return bound == 0 ? 0 : next() % bound;
}

SimulatedFile::SimulatedFile(std::string content, int64_t modified_ns)
    : cached_(content),
      durable_(std::move(content)),
      unsynced_from_(cached_.size()),
      modified_ns_(modified_ns) {}

void SimulatedFile::write(uint64_t offset, std::string_view bytes) {
  if (bytes.empty()) return;
  unsynced_from_ = std::min({unsynced_from_, offset, static_cast<uint64_t>(cached_.size())});
  if (cached_.size() < offset + bytes.size()) cached_.resize(offset + bytes.size(), '\0');
  std::copy(bytes.begin(), bytes.end(), cached_.data() + offset);
}

void SimulatedFile::truncate(uint64_t size) {
  unsynced_from_ = std::min({unsynced_from_, size, static_cast<uint64_t>(cached_.size())});
  cached_.resize(size, '\0');
}

void SimulatedFile::sync() {
  durable_.resize(cached_.size(), '\0');
  copy_range(cached_, unsynced_from_, cached_.size(), durable_);
  unsynced_from_ = cached_.size();
}

void SimulatedFile::fail_sync(SeededDraws& draws) {
  const uint64_t size = cached_.size();
  for (uint64_t begin = unsynced_from_; begin < size; begin = sector_end(begin)) {
    if (draws.coin()) copy_range(cached_, begin, std::min(sector_end(begin), size), durable_);
  }
  if (draws.coin()) durable_.resize(size, '\0');
  unsynced_from_ = size;
}

bool SimulatedFile::has_unsynced() const {
  return unsynced_from_ < cached_.size() || durable_.size() != cached_.size();
}

std::string SimulatedFile::after_power_cut(SeededDraws& draws) const {
  if (!has_unsynced()) return durable_;
  const uint64_t size = cached_.size();
  const uint64_t torn_end = unsynced_from_ + draws.below(size - unsynced_from_ + 1);
  switch (draws.below(5)) {
    case 0:
      return durable_;
    case 1:
      return keep_until(size);
    case 2:
      return keep_until(torn_end);
    case 3:
      return keep_until(std::max(unsynced_from_, torn_end / kSectorBytes * kSectorBytes));
    default:
      return keep_some_sectors(draws);
  }
}

std::string SimulatedFile::keep_until(uint64_t end) const {
  std::string content = durable_;
  content.resize(end, '\0');
  copy_range(cached_, unsynced_from_, end, content);
  return content;
}

// The size arrived; which of the sectors did is open.
std::string SimulatedFile::keep_some_sectors(SeededDraws& draws) const {
  const uint64_t size = cached_.size();
  std::string content = durable_;
  content.resize(size, '\0');
  for (uint64_t begin = unsynced_from_; begin < size; begin = sector_end(begin)) {
    const uint64_t end = std::min(sector_end(begin), size);
    const uint64_t fate = draws.below(4);
    if (fate <= 1) {
      copy_range(cached_, begin, end, content);
    } else if (fate == 2) {
      for (uint64_t i = begin; i < end; ++i) content[i] = static_cast<char>(draws.next());
    }  // else: what the disk had there before, or zeros
  }
  return content;
}

void SimulatedFile::flip_bit(uint64_t bit) {
  const char mask = static_cast<char>(1U << (bit % 8));
  for (std::string* content : {&cached_, &durable_}) {
    if (bit / 8 < content->size()) (*content)[bit / 8] ^= mask;
  }
}

void SimulatedFile::cut(uint64_t size) {
  for (std::string* content : {&cached_, &durable_}) {
    if (size < content->size()) content->resize(size);
  }
  unsynced_from_ = std::min<uint64_t>(unsynced_from_, cached_.size());
}

std::string SimulatedDisk::normal(const std::string& path) {
  std::string text = std::filesystem::path(path).lexically_normal().string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

std::string SimulatedDisk::folder_of(const std::string& normal_path) {
  const size_t slash = normal_path.rfind('/');
  if (slash == std::string::npos) return normal_path.empty() ? "" : ".";
  return slash == 0 ? "/" : normal_path.substr(0, slash);
}

SimulatedDisk::SimulatedDisk() : folders_{"/", "."} {}

SimulatedDisk::File SimulatedDisk::find(const std::string& path) const {
  const auto found = cached_.find(path);
  return found == cached_.end() ? nullptr : found->second;
}

uint64_t SimulatedDisk::used_bytes() const {
  uint64_t used = 0;
  for (const auto& [path, file] : cached_) used += file->content().size();
  return used;
}

std::vector<std::string> SimulatedDisk::files() const {
  std::vector<std::string> paths;
  for (const auto& [path, file] : cached_) paths.push_back(path);
  return paths;
}

std::vector<std::string> SimulatedDisk::list(const std::string& folder) const {
  std::vector<std::string> names;
  const auto add = [&](const std::string& path) {
    if (path == "/" || path == "." || folder_of(path) != folder) return;
    names.push_back(path.substr(path.rfind('/') + 1));  // npos + 1 is 0: the whole path
  };
  for (const auto& [path, file] : cached_) add(path);
  for (const std::string& path : folders_) add(path);
  std::sort(names.begin(), names.end());
  return names;
}

SimulatedDisk::File SimulatedDisk::create(const std::string& path) {
  waiting_.push_back({path, std::make_shared<SimulatedFile>()});
  apply(waiting_.back(), cached_);
  return waiting_.back().file;
}

void SimulatedDisk::rename(const std::string& from, const std::string& to) {
  if (from == to) return;
  const File file = find(from);
  HR_CHECK(file != nullptr, "the caller has looked for the file");
  waiting_.push_back({to, file, true});
  apply(waiting_.back(), cached_);
}

void SimulatedDisk::remove(const std::string& path) {
  waiting_.push_back({path, nullptr});
  apply(waiting_.back(), cached_);
}

void SimulatedDisk::link(const std::string& from, const std::string& to) {
  const File file = find(from);
  HR_CHECK(file != nullptr, "the caller has looked for the file");
  waiting_.push_back({to, std::make_shared<SimulatedFile>(*file)});
  apply(waiting_.back(), cached_);
}

SimulatedDisk SimulatedDisk::copy() const {
  std::map<File, File> copies;
  const auto copy_of = [&](const File& file) -> File {
    if (!file) return nullptr;
    File& twin = copies[file];
    if (!twin) twin = std::make_shared<SimulatedFile>(*file);
    return twin;
  };
  SimulatedDisk twin;
  twin.folders_ = folders_;
  for (const auto& [path, file] : cached_) twin.cached_[path] = copy_of(file);
  for (const auto& [path, file] : durable_) twin.durable_[path] = copy_of(file);
  for (const Change& change : waiting_) {
    twin.waiting_.push_back({change.path, copy_of(change.file), change.renamed});
  }
  return twin;
}

void SimulatedDisk::make_folder(const std::string& path) {
  for (std::string folder = path; folders_.insert(folder).second;) folder = folder_of(folder);
}

void SimulatedDisk::sync_folder(const std::string& folder) {
  for (size_t i = 0; i < waiting_.size();) {
    if (folder_of(waiting_[i].path) == folder) {
      make_durable(i);
      i = 0;  // earlier ones may have gone with it
    } else {
      ++i;
    }
  }
}

void SimulatedDisk::fail_sync_folder(const std::string& folder, SeededDraws& draws) {
  std::vector<Change> left;
  std::vector<Change> all = std::exchange(waiting_, {});
  for (Change& change : all) {
    if (folder_of(change.path) == folder && draws.coin()) {
      apply(change, durable_);
      if (!change.renamed) continue;
      // The disk knows the new name: an older change must not bring back an older name later.
      std::erase_if(left, [&](const Change& older) { return older.file == change.file; });
    } else {
      left.push_back(std::move(change));
    }
  }
  waiting_ = std::move(left);
}

void SimulatedDisk::make_durable(size_t at) {
  const Change change = waiting_[at];
  apply(change, durable_);
  waiting_.erase(waiting_.begin() + static_cast<ptrdiff_t>(at));
  if (!change.renamed) return;
  const auto end = waiting_.begin() + static_cast<ptrdiff_t>(at);
  waiting_.erase(std::remove_if(waiting_.begin(), end,
                                [&](const Change& older) { return older.file == change.file; }),
                 end);
}

void SimulatedDisk::remove_durably(const std::string& path) {
  cached_.erase(path);
  durable_.erase(path);
  std::erase_if(waiting_, [&](const Change& change) { return change.path == path; });
}

void SimulatedDisk::apply(const Change& change, Names& names) {
  if (!change.file) {
    names.erase(change.path);
    return;
  }
  if (change.renamed) {
    std::erase_if(names, [&](const auto& entry) { return entry.second == change.file; });
  }
  names[change.path] = change.file;
}

SimulatedDisk SimulatedDisk::after_power_cut(uint64_t seed) const {
  SeededDraws draws(seed, "names");
  Names names = durable_;
  // None, all, the first few (as a journal keeps them) or any of them.
  const uint64_t fate = draws.below(4);
  const size_t kept = fate == 0   ? 0
                      : fate == 1 ? waiting_.size()
                                  : draws.below(waiting_.size() + 1);
  for (size_t i = 0; i < waiting_.size(); ++i) {
    if (fate == 3 ? draws.coin() : i < kept) apply(waiting_[i], names);
  }
  SimulatedDisk found;
  found.folders_ = folders_;
  for (const auto& [path, file] : names) {
    SeededDraws file_draws(seed, path);
    found.durable_[path] =
        std::make_shared<SimulatedFile>(file->after_power_cut(file_draws), file->modified_ns());
  }
  found.cached_ = found.durable_;
  return found;
}

}  // namespace headrace
