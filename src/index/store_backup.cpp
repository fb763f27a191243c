// backup: a consistent copy beside a working writer. The manifest names the files, the log is
// copied up to its last commit, and the manifest is written last: without it there is no backup.
#include <fmt/format.h>

#include <set>

#include "index/knowledge_base.h"
#include "index/log.h"
#include "index/manifest.h"

namespace headrace::index {

namespace {

constexpr int kAttemptsMax = 50;
constexpr uint64_t kCopyBytes = 4 << 20;

class Copier {
 public:
  Copier(FileSystem& files, const std::string& path, const std::string& target, bool link)
      : files_(files), path_(path), target_(target), link_(link) {}

  Result<BackupReport> run() {
    for (int attempt = 0;; ++attempt) {
      report_ = {};
      HR_ASSIGN(const Manifest manifest, load_newest_manifest(files_, path_));
      HR_TRY(clear_target());
      const Status copied = copy_all(manifest);
      if (copied) return report_;
      // The writer has replaced what was being copied: begin again with what it says now.
      const auto newer = load_newest_manifest(files_, path_);
      const bool replaced = copied.error().code() == ErrorCode::not_found && newer &&
                            newer->number != manifest.number && attempt < kAttemptsMax;
      if (!replaced) return std::unexpected(copied.error());
    }
  }

 private:
  Status clear_target() {
    HR_TRY(files_.make_folder(target_));
    HR_ASSIGN(const auto names, files_.list(target_));
    for (const std::string& name : names) {
      const FileKind kind = parse_file_name(name).kind;
      if (kind == FileKind::manifest || (kind == FileKind::other && name != "LOCK")) {
        return fail(ErrorCode::invalid_argument,
                    fmt::format("{} holds {} already", target_,
                                kind == FileKind::manifest ? "a knowledge base" : name),
                    "name an empty or a new folder");
      }
    }
    for (const std::string& name : names) HR_TRY(files_.remove(target_ + "/" + name));
    return {};
  }

  Status copy_all(const Manifest& manifest) {
    for (const ManifestSegment& segment : manifest.segments) {
      HR_TRY(take(FileKind::segment, segment.file, segment.seal.size));
      for (const ManifestPatch& patch : segment.patches)
        HR_TRY(take(FileKind::vectors, patch.file, patch.seal.size));
    }
    if (manifest.deletes_file != 0)
      HR_TRY(take(FileKind::deletes, manifest.deletes_file, manifest.deletes_seal.size));
    for (uint64_t id = manifest.first_log; id <= manifest.last_log; ++id) HR_TRY(copy_log(id));
    HR_ASSIGN(auto lock, files_.create(target_ + "/LOCK"));
    HR_TRY(lock->close());
    HR_TRY(files_.sync_folder(target_));
    bool visible = false;
    HR_TRY(publish_manifest(files_, target_, manifest, visible));
    report_.manifest = manifest.number;
    ++report_.files;
    report_.bytes += manifest.encode().size();
    return {};
  }

  Status take(FileKind kind, uint64_t number, uint64_t size) {
    const std::string from = file_path(path_, kind, number);
    const std::string to = file_path(target_, kind, number);
    HR_ASSIGN(const FileStat known, files_.stat(from));
    if (known.size != size) {
      return fail(
          ErrorCode::damaged,
          fmt::format("{} has {} bytes, not the {} it was sealed with", from, known.size, size),
          "run headrace verify; a damaged knowledge base is not backed up");
    }
    ++report_.files;
    report_.bytes += size;
    if (link_) {
      const Status linked = files_.link(from, to);
      if (linked) {
        ++report_.linked;
        return {};
      }
      if (linked.error().code() != ErrorCode::unsupported) return linked;
    }
    return copy(from, to, size);
  }

  Status copy_log(uint64_t id) {
    const std::string from = file_path(path_, FileKind::log, id);
    HR_ASSIGN(const auto log, LogReader::open(files_, from, id));
    HR_ASSIGN(const FileStat known, files_.stat(from));
    HR_TRY(log->scan(known.size));
    ++report_.files;
    report_.bytes += log->end();
    return copy(from, file_path(target_, FileKind::log, id), log->end());
  }

  Status copy(const std::string& from, const std::string& to, uint64_t size) {
    HR_ASSIGN(const auto source, files_.open(from));
    HR_ASSIGN(auto file, files_.create(to));
    for (uint64_t at = 0; at < size;) {
      HR_ASSIGN(const std::string bytes, source->read(at, std::min(kCopyBytes, size - at)));
      if (bytes.empty()) return fail(ErrorCode::damaged, from + " became shorter");
      HR_TRY(file->append(bytes));
      at += bytes.size();
    }
    HR_TRY(file->sync());
    return file->close();
  }

  FileSystem& files_;
  const std::string& path_;
  const std::string& target_;
  const bool link_;
  BackupReport report_;
};

}  // namespace

Result<BackupReport> backup(FileSystem& files, const std::string& path, const std::string& target,
                            bool link) {
  return Copier(files, path, target, link).run();
}

}  // namespace headrace::index
