#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "env/file_system.h"

namespace headrace {

namespace {

// How often a lock that a dead process left is tried again, every 5 ms.
constexpr int kDeadHolderWaits = 400;

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

class RealWritableFile : public WritableFile {
 public:
  RealWritableFile(Descriptor file, std::string path, uint64_t size)
      : file_(std::move(file)), path_(std::move(path)), size_(size) {}

  Status append(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t written =
          ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(size_));
      if (written < 0) {
        if (errno == EINTR) continue;
        return os_fail(errno, fmt::format("write {}", path_));
      }
      size_ += static_cast<uint64_t>(written);
      bytes.remove_prefix(static_cast<size_t>(written));
    }
    return {};
  }

  Status sync() override {
    if (::fdatasync(file_.get()) != 0) return os_fail(errno, fmt::format("sync {}", path_));
    return {};
  }

  Status truncate(uint64_t size) override {
    if (::ftruncate(file_.get(), static_cast<off_t>(size)) != 0) {
      return os_fail(errno, fmt::format("truncate {}", path_));
    }
    size_ = size;
    return {};
  }

  uint64_t size() const override { return size_; }

  Status close() override {
    if (::close(file_.release()) != 0) return os_fail(errno, fmt::format("close {}", path_));
    return {};
  }

 private:
  Descriptor file_;
  const std::string path_;
  uint64_t size_;
};

class RealReadableFile : public ReadableFile {
 public:
  RealReadableFile(Descriptor file, std::string path, uint64_t size)
      : file_(std::move(file)), path_(std::move(path)), size_(size) {}

  uint64_t size() const override { return size_; }

  Result<std::string> read(uint64_t offset, uint64_t length) const override {
    std::string bytes(length, '\0');
    size_t filled = 0;
    while (filled < length) {
      const ssize_t got = ::pread(file_.get(), bytes.data() + filled, length - filled,
                                  static_cast<off_t>(offset + filled));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return os_fail(errno, fmt::format("read {}", path_));
      if (got == 0) break;
      filled += static_cast<size_t>(got);
    }
    bytes.resize(filled);
    return bytes;
  }

 private:
  const Descriptor file_;
  const std::string path_;
  const uint64_t size_;
};

class RealMappedFile : public MappedFile {
 public:
  RealMappedFile(void* address, size_t size) : address_(address), size_(size) {}
  ~RealMappedFile() override {
    if (size_ > 0) ::munmap(address_, size_);
  }

  std::string_view bytes() const override { return {static_cast<const char*>(address_), size_}; }

  void forget(uint64_t offset, uint64_t length) const override {
    constexpr uint64_t kPage = 4096;
    const uint64_t begin = (offset + kPage - 1) / kPage * kPage;
    const uint64_t end = std::min<uint64_t>(offset + length, size_) / kPage * kPage;
    // Pages of an unmodified private file mapping: dropped here, read again when needed.
    if (end > begin) ::madvise(static_cast<char*>(address_) + begin, end - begin, MADV_DONTNEED);
  }

 private:
  void* const address_;
  const size_t size_;
};

// flock() belongs to the open file, so two writers in one process exclude each other too.
class RealFileLock : public FileLock {
 public:
  RealFileLock(Descriptor file, std::string path)
      : file_(std::move(file)), path_(std::move(path)) {}
  ~RealFileLock() override {
    // The process id must not name a holder that is no longer there.
    if (::ftruncate(file_.get(), 0) != 0) return;
  }

  Status check() const override {
    struct stat held{};
    struct stat named{};
    if (::fstat(file_.get(), &held) == 0 && ::stat(path_.c_str(), &named) == 0 &&
        held.st_dev == named.st_dev && held.st_ino == named.st_ino) {
      return {};
    }
    return fail(ErrorCode::busy, fmt::format("{} was removed or replaced while it was held", path_),
                "open it again; leave that file alone");
  }

 private:
  const Descriptor file_;
  const std::string path_;
};

class RealFileSystem : public FileSystem {
 public:
  Result<std::unique_ptr<WritableFile>> create(const std::string& path) override {
    return open_for_writing(path, O_CREAT | O_TRUNC);
  }

  Result<std::unique_ptr<WritableFile>> append_to(const std::string& path) override {
    return open_for_writing(path, O_CREAT);
  }

  Result<std::unique_ptr<ReadableFile>> open(const std::string& path) override {
    Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() < 0) return os_fail(errno, fmt::format("open {}", path));
    struct stat info{};
    if (::fstat(file.get(), &info) != 0) return os_fail(errno, fmt::format("stat {}", path));
    return std::make_unique<RealReadableFile>(std::move(file), path,
                                              static_cast<uint64_t>(info.st_size));
  }

  Result<std::unique_ptr<MappedFile>> map(const std::string& path) override {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() < 0) return os_fail(errno, fmt::format("open {}", path));
    struct stat info{};
    if (::fstat(file.get(), &info) != 0) return os_fail(errno, fmt::format("stat {}", path));
    const auto size = static_cast<size_t>(info.st_size);
    if (size == 0) return std::make_unique<RealMappedFile>(nullptr, 0);
    void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
    if (address == MAP_FAILED) return os_fail(errno, fmt::format("map {}", path));
    return std::make_unique<RealMappedFile>(address, size);
  }

  Result<FileStat> stat(const std::string& path) override {
    struct stat info{};
    if (::stat(path.c_str(), &info) != 0) return os_fail(errno, fmt::format("stat {}", path));
    return FileStat{static_cast<uint64_t>(info.st_size),
                    info.st_mtim.tv_sec * 1'000'000'000LL + info.st_mtim.tv_nsec};
  }

  Result<std::vector<std::string>> list(const std::string& folder) override {
    const std::unique_ptr<DIR, int (*)(DIR*)> handle(::opendir(folder.c_str()), ::closedir);
    if (!handle) return os_fail(errno, fmt::format("open folder {}", folder));
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(handle.get())) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  Status make_folder(const std::string& path) override {
    for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
      const std::string part = path.substr(0, slash);
      if (::mkdir(part.c_str(), 0777) == 0) {
        // A folder whose name is lost in a power cut takes everything in it along.
        const size_t parent = part.find_last_of('/', part.find_last_not_of('/'));
        HR_TRY(sync_folder(parent == std::string::npos ? "." : part.substr(0, parent + 1)));
      } else if (const int error = errno; error != EEXIST && !is_folder(part)) {
        if (error == ENOENT) {  // /proc and its like
          return fail(ErrorCode::not_found, fmt::format("no folder can be made at {}", part),
                      "name a place on a disk");
        }
        return os_fail(error, fmt::format("make folder {}", part));
      }
      if (slash == std::string::npos) break;
    }
    if (!is_folder(path)) {
      return fail(ErrorCode::invalid_argument, fmt::format("{} is a file, not a folder", path),
                  "name another folder");
    }
    return {};
  }

  Status rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) {
      return os_fail(errno, fmt::format("rename {} to {}", from, to));
    }
    return {};
  }

  Status remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return os_fail(errno, fmt::format("remove {}", path));
    return {};
  }

  Status link(const std::string& from, const std::string& to) override {
    if (::link(from.c_str(), to.c_str()) == 0) return {};
    switch (errno) {
      case EXDEV:
      case EPERM:
      case EMLINK:
      case ENOSYS:
      case EOPNOTSUPP:
        return fail(ErrorCode::unsupported, fmt::format("{} cannot be linked to {}", from, to),
                    "copy it");
      default:
        return os_fail(errno, fmt::format("link {} to {}", from, to));
    }
  }

  int64_t now_ns() override {
    struct timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
  }

  Status sync_folder(const std::string& path) override {
    const Descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder.get() < 0) return os_fail(errno, fmt::format("open folder {}", path));
    if (::fsync(folder.get()) != 0) return os_fail(errno, fmt::format("sync folder {}", path));
    return {};
  }

  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (file.get() < 0) return os_fail(errno, fmt::format("open {}", path));
    for (int waits = 0; ::flock(file.get(), LOCK_EX | LOCK_NB) != 0; ++waits) {
      if (errno != EWOULDBLOCK) return os_fail(errno, fmt::format("lock {}", path));
      char holder[32] = {};
      const ssize_t got = ::pread(file.get(), holder, sizeof(holder) - 1, 0);
      // A process that it was starting as it died holds what it held until that has begun.
      const auto pid = static_cast<pid_t>(std::atol(holder));
      const bool is_dead = pid > 0 && ::kill(pid, 0) != 0 && errno == ESRCH;
      if (is_dead && waits < kDeadHolderWaits) {
        constexpr timespec kPause{0, 5'000'000};
        ::nanosleep(&kPause, nullptr);
        continue;
      }
      if (std::to_string(::getpid()) == holder) {
        return fail(ErrorCode::busy, fmt::format("{} is held by this process ({})", path, holder),
                    "it was opened for writing before and is still open: close that, or write "
                    "through it");
      }
      return fail(ErrorCode::busy,
                  fmt::format("{} is held by process {}", path, got > 0 ? holder : "(unknown)"),
                  "wait until that process ends, or stop it");
    }
    // On a full disk the lock still holds; only its label is missing.
    const std::string pid = std::to_string(::getpid());
    const bool labelled =
        ::ftruncate(file.get(), 0) == 0 && ::pwrite(file.get(), pid.data(), pid.size(), 0) >= 0;
    static_cast<void>(labelled);
    return std::make_unique<RealFileLock>(std::move(file), path);
  }

 private:
  static bool is_folder(const std::string& path) {
    struct stat info{};
    return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
  }

  static Result<std::unique_ptr<WritableFile>> open_for_writing(const std::string& path,
                                                                int flags) {
    Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC | flags, 0666));
    if (file.get() < 0) return os_fail(errno, fmt::format("write {}", path));
    struct stat info{};
    if (::fstat(file.get(), &info) != 0) return os_fail(errno, fmt::format("stat {}", path));
    return std::make_unique<RealWritableFile>(std::move(file), path,
                                              static_cast<uint64_t>(info.st_size));
  }
};

}  // namespace

FileSystem& FileSystem::real() {
  static RealFileSystem files;
  return files;
}

}  // namespace headrace
