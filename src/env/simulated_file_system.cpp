#include "env/simulated_file_system.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/mutex.h"
#include "env/simulated_disk.h"

namespace headrace {

namespace {

int errno_of(SimulatedFault fault) {
  switch (fault) {
    case SimulatedFault::io:
    case SimulatedFault::lost_sync:
      return EIO;
    case SimulatedFault::no_space:
    case SimulatedFault::short_write:
      return ENOSPC;
    case SimulatedFault::read_only:
      return EROFS;
  }
  return EIO;
}

// Real mappings begin at a page; formats count on 64 bytes.
class CopiedFile : public MappedFile {
 public:
  explicit CopiedFile(const std::string& content)
      : lines_((content.size() + sizeof(Line) - 1) / sizeof(Line)), size_(content.size()) {
    if (size_ > 0) std::memcpy(lines_.data(), content.data(), size_);
  }
  std::string_view bytes() const override {
    return {reinterpret_cast<const char*>(lines_.data()), size_};
  }
  void forget(uint64_t, uint64_t) const override {}

 private:
  struct alignas(64) Line {
    std::array<char, 64> bytes;
  };
  std::vector<Line> lines_;
  const size_t size_;
};

}  // namespace

struct SimulatedFileSystem::State {
  explicit State(uint64_t seed_given) : seed(seed_given) {}

  mutable Mutex mutex;
  const uint64_t seed;
  SimulatedDisk disk HR_GUARDED_BY(mutex);
  uint64_t changes HR_GUARDED_BY(mutex) = 0;
  uint64_t looks HR_GUARDED_BY(mutex) = 0;
  std::map<uint64_t, SimulatedFault> change_faults HR_GUARDED_BY(mutex);
  std::set<uint64_t> look_faults HR_GUARDED_BY(mutex);
  std::optional<SimulatedFault> every_change HR_GUARDED_BY(mutex);
  uint64_t power_cut_at HR_GUARDED_BY(mutex) = UINT64_MAX;
  bool off HR_GUARDED_BY(mutex) = false;
  uint64_t capacity HR_GUARDED_BY(mutex) = UINT64_MAX;
  bool links HR_GUARDED_BY(mutex) = true;
  int64_t now_ns HR_GUARDED_BY(mutex) = 1'800'000'000'000'000'000;
  std::map<std::string, SimulatedDisk::File> locks HR_GUARDED_BY(mutex);
  std::function<void(uint64_t)> hook HR_GUARDED_BY(mutex);

  // Ahead of a change, with no lock held: the test's chance to take the disk.
  void announce() {
    std::function<void(uint64_t)> call;
    uint64_t number = 0;
    {
      MutexLock guard(mutex);
      if (off) return;
      call = hook;
      number = changes;
    }
    if (call) call(number);
  }

  // Counts a change and tells which fault hits it, if any.
  Result<std::optional<SimulatedFault>> change(const std::string& what) HR_REQUIRES(mutex) {
    const uint64_t number = changes++;
    if (off || number >= power_cut_at) {
      off = true;
      return os_fail(EIO, fmt::format("{} (the power is off)", what));
    }
    if (every_change) return every_change;
    const auto fault = change_faults.find(number);
    if (fault == change_faults.end()) return std::optional<SimulatedFault>();
    return std::optional<SimulatedFault>(fault->second);
  }

  // A change for which every fault means that nothing is done.
  Status plain_change(const std::string& what) HR_REQUIRES(mutex) {
    HR_ASSIGN(const auto fault, change(what));
    if (fault) return os_fail(errno_of(*fault), what);
    return {};
  }

  Status look(const std::string& what) HR_REQUIRES(mutex) {
    const uint64_t number = looks++;
    if (off) return os_fail(EIO, fmt::format("{} (the power is off)", what));
    if (look_faults.contains(number)) return os_fail(EIO, what);
    return {};
  }

  Result<SimulatedDisk::File> existing(const std::string& path, const std::string& what)
      HR_REQUIRES(mutex) {
    SimulatedDisk::File file = disk.find(path);
    if (!file) return os_fail(disk.is_folder(path) ? EISDIR : ENOENT, what);
    return file;
  }

  uint64_t room() const HR_REQUIRES(mutex) {
    if (capacity == UINT64_MAX) return UINT64_MAX;
    return capacity - std::min(capacity, disk.used_bytes());
  }

  SeededDraws draws(std::string_view name) const HR_REQUIRES(mutex) {
    return SeededDraws(seed + changes, name);
  }
};

class SimulatedFileSystem::OpenForWriting : public WritableFile {
 public:
  OpenForWriting(std::shared_ptr<State> state, std::string path, SimulatedDisk::File file)
      : state_(std::move(state)), path_(std::move(path)), file_(std::move(file)) {
    size_ = file_->content().size();
  }

  Status append(std::string_view bytes) override {
    state_->announce();
    MutexLock guard(state_->mutex);
    const std::string what = fmt::format("write {}", path_);
    HR_ASSIGN(const auto fault, state_->change(what));
    uint64_t length = bytes.size();
    int error = 0;
    if (fault) {
      error = errno_of(*fault);
      length = *fault == SimulatedFault::short_write ? state_->draws(path_).below(length) : 0;
    }
    if (const uint64_t room = state_->room(); length > room) {
      length = room;
      error = ENOSPC;
    }
    file_->write(size_, bytes.substr(0, length));
    file_->set_modified_ns(state_->now_ns);
    size_ += length;
    if (error != 0) return os_fail(error, what);
    return {};
  }

  Status sync() override {
    state_->announce();
    MutexLock guard(state_->mutex);
    const std::string what = fmt::format("sync {}", path_);
    HR_ASSIGN(const auto fault, state_->change(what));
    if (!fault) {
      file_->sync();
      return {};
    }
    if (*fault == SimulatedFault::lost_sync) {
      SeededDraws draws = state_->draws(path_);
      file_->fail_sync(draws);
    }
    return os_fail(errno_of(*fault), what);
  }

  Status truncate(uint64_t size) override {
    state_->announce();
    MutexLock guard(state_->mutex);
    HR_TRY(state_->plain_change(fmt::format("truncate {}", path_)));
    file_->truncate(size);
    size_ = size;
    return {};
  }

  uint64_t size() const override { return size_; }

  Status close() override {
    MutexLock guard(state_->mutex);
    return state_->plain_change(fmt::format("close {}", path_));
  }

 private:
  const std::shared_ptr<State> state_;
  const std::string path_;
  const SimulatedDisk::File file_;
  uint64_t size_ = 0;
};

class SimulatedFileSystem::OpenForReading : public ReadableFile {
 public:
  OpenForReading(std::shared_ptr<State> state, std::string path, SimulatedDisk::File file)
      : state_(std::move(state)),
        path_(std::move(path)),
        file_(std::move(file)),
        size_(file_->content().size()) {}

  uint64_t size() const override { return size_; }

  Result<std::string> read(uint64_t offset, uint64_t length) const override {
    MutexLock guard(state_->mutex);
    HR_TRY(state_->look(fmt::format("read {}", path_)));
    const std::string& content = file_->content();
    if (offset >= content.size()) return std::string();
    return content.substr(offset, length);
  }

 private:
  const std::shared_ptr<State> state_;
  const std::string path_;
  const SimulatedDisk::File file_;
  const uint64_t size_;
};

class SimulatedFileSystem::Held : public FileLock {
 public:
  Held(std::shared_ptr<State> state, std::string path, SimulatedDisk::File file)
      : state_(std::move(state)), path_(std::move(path)), file_(std::move(file)) {}
  ~Held() override {
    MutexLock guard(state_->mutex);
    const auto found = state_->locks.find(path_);
    if (found != state_->locks.end() && found->second == file_) state_->locks.erase(found);
  }
  Status check() const override {
    MutexLock guard(state_->mutex);
    if (state_->disk.find(path_) == file_) return {};
    return fail(ErrorCode::busy, fmt::format("{} was removed or replaced while it was held", path_),
                "open it again; leave that file alone");
  }

 private:
  const std::shared_ptr<State> state_;
  const std::string path_;
  const SimulatedDisk::File file_;
};

SimulatedFileSystem::SimulatedFileSystem(uint64_t seed) : state_(std::make_shared<State>(seed)) {}
SimulatedFileSystem::SimulatedFileSystem(std::shared_ptr<State> state) : state_(std::move(state)) {}
SimulatedFileSystem::~SimulatedFileSystem() = default;

uint64_t SimulatedFileSystem::changes() const {
  MutexLock guard(state_->mutex);
  return state_->changes;
}

uint64_t SimulatedFileSystem::looks() const {
  MutexLock guard(state_->mutex);
  return state_->looks;
}

void SimulatedFileSystem::fail_change(uint64_t number, SimulatedFault fault) {
  MutexLock guard(state_->mutex);
  state_->change_faults[number] = fault;
}

void SimulatedFileSystem::fail_look(uint64_t number) {
  MutexLock guard(state_->mutex);
  state_->look_faults.insert(number);
}

void SimulatedFileSystem::fail_all_changes(SimulatedFault fault) {
  MutexLock guard(state_->mutex);
  state_->every_change = fault;
}

void SimulatedFileSystem::cut_power_at_change(uint64_t number) {
  MutexLock guard(state_->mutex);
  state_->power_cut_at = number;
}

void SimulatedFileSystem::heal() {
  MutexLock guard(state_->mutex);
  state_->change_faults.clear();
  state_->look_faults.clear();
  state_->every_change.reset();
}

void SimulatedFileSystem::before_change(std::function<void(uint64_t)> hook) {
  MutexLock guard(state_->mutex);
  state_->hook = std::move(hook);
}

void SimulatedFileSystem::set_capacity(uint64_t bytes) {
  MutexLock guard(state_->mutex);
  state_->capacity = bytes;
}

uint64_t SimulatedFileSystem::used_bytes() const {
  MutexLock guard(state_->mutex);
  return state_->disk.used_bytes();
}

void SimulatedFileSystem::set_links(bool supported) {
  MutexLock guard(state_->mutex);
  state_->links = supported;
}

void SimulatedFileSystem::set_now_ns(int64_t now_ns) {
  MutexLock guard(state_->mutex);
  state_->now_ns = now_ns;
}

std::unique_ptr<SimulatedFileSystem> SimulatedFileSystem::after_power_cut(uint64_t seed) const {
  auto found = std::make_shared<State>(seed);
  MutexLock guard(state_->mutex);
  MutexLock found_guard(found->mutex);
  found->disk = state_->disk.after_power_cut(seed);
  found->now_ns = state_->now_ns;
  return std::unique_ptr<SimulatedFileSystem>(new SimulatedFileSystem(found));
}

std::unique_ptr<SimulatedFileSystem> SimulatedFileSystem::after_kill() const {
  auto left = std::make_shared<State>(state_->seed);
  MutexLock guard(state_->mutex);
  MutexLock left_guard(left->mutex);
  left->disk = state_->disk.copy();
  left->now_ns = state_->now_ns;
  return std::unique_ptr<SimulatedFileSystem>(new SimulatedFileSystem(left));
}

std::vector<std::string> SimulatedFileSystem::all_files() const {
  MutexLock guard(state_->mutex);
  return state_->disk.files();
}

std::string SimulatedFileSystem::content(const std::string& path) const {
  MutexLock guard(state_->mutex);
  const auto file = state_->disk.find(SimulatedDisk::normal(path));
  HR_CHECK(file != nullptr, "a test reads a file that is not there");
  return file->content();
}

void SimulatedFileSystem::flip_bit(const std::string& path, uint64_t bit) {
  MutexLock guard(state_->mutex);
  const auto file = state_->disk.find(SimulatedDisk::normal(path));
  HR_CHECK(file != nullptr, "a test damages a file that is not there");
  file->flip_bit(bit);
}

void SimulatedFileSystem::cut(const std::string& path, uint64_t size) {
  MutexLock guard(state_->mutex);
  const auto file = state_->disk.find(SimulatedDisk::normal(path));
  HR_CHECK(file != nullptr, "a test cuts a file that is not there");
  file->cut(size);
}

void SimulatedFileSystem::lose(const std::string& path) {
  MutexLock guard(state_->mutex);
  state_->disk.remove_durably(SimulatedDisk::normal(path));
}

void SimulatedFileSystem::overwrite(const std::string& path, const std::string& content) {
  MutexLock guard(state_->mutex);
  const std::string normal = SimulatedDisk::normal(path);
  auto file = state_->disk.find(normal);
  if (!file) {
    file = state_->disk.create(normal);
    state_->disk.sync_folder(SimulatedDisk::folder_of(normal));
  }
  file->truncate(0);
  file->write(0, content);
  file->sync();
}

Result<std::unique_ptr<WritableFile>> SimulatedFileSystem::create(const std::string& path) {
  state_->announce();
  MutexLock guard(state_->mutex);
  const std::string normal = SimulatedDisk::normal(path);
  const std::string what = fmt::format("write {}", path);
  HR_TRY(state_->plain_change(what));
  if (!state_->disk.is_folder(SimulatedDisk::folder_of(normal))) return os_fail(ENOENT, what);
  auto file = state_->disk.find(normal);
  if (file) {
    file->truncate(0);  // the same file, as O_TRUNC has it: what was in it may be gone
  } else {
    file = state_->disk.create(normal);
  }
  file->set_modified_ns(state_->now_ns);
  return std::make_unique<OpenForWriting>(state_, path, std::move(file));
}

Result<std::unique_ptr<WritableFile>> SimulatedFileSystem::append_to(const std::string& path) {
  state_->announce();
  MutexLock guard(state_->mutex);
  const std::string normal = SimulatedDisk::normal(path);
  const std::string what = fmt::format("write {}", path);
  HR_TRY(state_->plain_change(what));
  if (!state_->disk.is_folder(SimulatedDisk::folder_of(normal))) return os_fail(ENOENT, what);
  auto file = state_->disk.find(normal);
  if (!file) file = state_->disk.create(normal);
  return std::make_unique<OpenForWriting>(state_, path, std::move(file));
}

Result<std::unique_ptr<ReadableFile>> SimulatedFileSystem::open(const std::string& path) {
  MutexLock guard(state_->mutex);
  const std::string what = fmt::format("open {}", path);
  HR_TRY(state_->look(what));
  HR_ASSIGN(auto file, state_->existing(SimulatedDisk::normal(path), what));
  return std::make_unique<OpenForReading>(state_, path, std::move(file));
}

Result<std::unique_ptr<MappedFile>> SimulatedFileSystem::map(const std::string& path) {
  MutexLock guard(state_->mutex);
  const std::string what = fmt::format("open {}", path);
  HR_TRY(state_->look(what));
  HR_ASSIGN(const auto file, state_->existing(SimulatedDisk::normal(path), what));
  return std::make_unique<CopiedFile>(file->content());
}

Result<FileStat> SimulatedFileSystem::stat(const std::string& path) {
  MutexLock guard(state_->mutex);
  const std::string what = fmt::format("stat {}", path);
  HR_TRY(state_->look(what));
  const std::string normal = SimulatedDisk::normal(path);
  if (state_->disk.is_folder(normal)) return FileStat{};
  HR_ASSIGN(const auto file, state_->existing(normal, what));
  return FileStat{file->content().size(), file->modified_ns()};
}

Result<std::vector<std::string>> SimulatedFileSystem::list(const std::string& folder) {
  MutexLock guard(state_->mutex);
  const std::string what = fmt::format("open folder {}", folder);
  HR_TRY(state_->look(what));
  const std::string normal = SimulatedDisk::normal(folder);
  if (!state_->disk.is_folder(normal)) return os_fail(ENOENT, what);
  return state_->disk.list(normal);
}

Status SimulatedFileSystem::make_folder(const std::string& path) {
  state_->announce();
  MutexLock guard(state_->mutex);
  HR_TRY(state_->plain_change(fmt::format("make folder {}", path)));
  const std::string normal = SimulatedDisk::normal(path);
  if (state_->disk.find(normal)) {
    return fail(ErrorCode::invalid_argument, fmt::format("{} is a file, not a folder", path),
                "name another folder");
  }
  state_->disk.make_folder(normal);
  return {};
}

Status SimulatedFileSystem::rename(const std::string& from, const std::string& to) {
  state_->announce();
  MutexLock guard(state_->mutex);
  const std::string what = fmt::format("rename {} to {}", from, to);
  HR_TRY(state_->plain_change(what));
  const std::string normal = SimulatedDisk::normal(from);
  HR_TRY(state_->existing(normal, what));
  state_->disk.rename(normal, SimulatedDisk::normal(to));
  return {};
}

Status SimulatedFileSystem::remove(const std::string& path) {
  state_->announce();
  MutexLock guard(state_->mutex);
  const std::string what = fmt::format("remove {}", path);
  HR_TRY(state_->plain_change(what));
  const std::string normal = SimulatedDisk::normal(path);
  HR_TRY(state_->existing(normal, what));
  state_->disk.remove(normal);
  return {};
}

Status SimulatedFileSystem::link(const std::string& from, const std::string& to) {
  state_->announce();
  MutexLock guard(state_->mutex);
  const std::string what = fmt::format("link {} to {}", from, to);
  HR_TRY(state_->plain_change(what));
  if (!state_->links) return fail(ErrorCode::unsupported, what, "copy it");
  const std::string normal = SimulatedDisk::normal(from);
  HR_TRY(state_->existing(normal, what));
  if (state_->disk.find(SimulatedDisk::normal(to))) return os_fail(EEXIST, what);
  state_->disk.link(normal, SimulatedDisk::normal(to));
  return {};
}

Status SimulatedFileSystem::sync_folder(const std::string& path) {
  state_->announce();
  MutexLock guard(state_->mutex);
  const std::string what = fmt::format("sync folder {}", path);
  HR_ASSIGN(const auto fault, state_->change(what));
  const std::string normal = SimulatedDisk::normal(path);
  if (!state_->disk.is_folder(normal)) return os_fail(ENOENT, what);
  if (!fault) {
    state_->disk.sync_folder(normal);
    return {};
  }
  if (*fault == SimulatedFault::lost_sync) {
    SeededDraws draws = state_->draws(normal);
    state_->disk.fail_sync_folder(normal, draws);
  }
  return os_fail(errno_of(*fault), what);
}

Result<std::unique_ptr<FileLock>> SimulatedFileSystem::lock(const std::string& path) {
  state_->announce();
  MutexLock guard(state_->mutex);
  const std::string normal = SimulatedDisk::normal(path);
  const std::string what = fmt::format("lock {}", path);
  auto file = state_->disk.find(normal);
  const auto held = state_->locks.find(normal);
  if (held != state_->locks.end() && held->second == file) {
    return fail(ErrorCode::busy, fmt::format("{} is held by process 1", path),
                "wait until that process ends, or stop it");
  }
  HR_TRY(state_->plain_change(what));
  if (!state_->disk.is_folder(SimulatedDisk::folder_of(normal))) return os_fail(ENOENT, what);
  if (!file) file = state_->disk.create(normal);
  state_->locks[normal] = file;
  return std::make_unique<Held>(state_, normal, std::move(file));
}

int64_t SimulatedFileSystem::now_ns() {
  MutexLock guard(state_->mutex);
  return state_->now_ns;
}

}  // namespace headrace
