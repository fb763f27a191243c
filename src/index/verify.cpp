// verify: every byte of every file against its checksums, every structure, every cross reference.
#include <fmt/format.h>

#include <set>

#include "index/history.h"
#include "index/log_follower.h"
#include "index/snapshot.h"
#include "index/store_state.h"

namespace headrace::index {

namespace {

constexpr int kAttemptsMax = 50;

class Verifier {
 public:
  Verifier(FileSystem& files, const std::string& path, VerifyReport& report,
           const CancelToken* cancel)
      : files_(files), path_(path), report_(report), cancel_(cancel) {}

  Status run() {
    for (int attempt = 0;; ++attempt) {
      report_ = {};
      checked_.clear();
      auto manifest = load_newest_manifest(files_, path_);
      if (!manifest) {
        if (manifest.error().code() == ErrorCode::not_found && !any_file()) {
          return fail(ErrorCode::not_found, fmt::format("{} is no knowledge base", path_),
                      "check the path");
        }
        problem(manifest.error());
        return {};
      }
      check_state(*manifest);
      if (cancel_ != nullptr) HR_TRY(cancel_->check());
      if (report_.problems.empty()) return {};
      // The writer has replaced what was being checked: begin again with what it says now.
      const auto newer = load_newest_manifest(files_, path_);
      const bool replaced = newer && newer->number != manifest->number && attempt < kAttemptsMax;
      if (!replaced) return {};
    }
  }

 private:
  void check_state(const Manifest& manifest) {
    count(path_of(FileKind::manifest, manifest.number));
    check_files(manifest);
    for (const Manifest& kept : kept_manifests(files_, path_, manifest)) {
      count(path_of(FileKind::manifest, kept.number));
      check_files(kept);
    }
    if (is_cancelled()) return;
    check_log(manifest);
    if (!files_.stat(path_ + "/LOCK")) problem(path_ + "/LOCK is missing");
    if (!report_.problems.empty()) return;
    // Everything on its own is right: does it fit together?
    if (auto state = StoreState::open(files_, path_, manifest); !state) problem(state.error());
  }

  bool is_cancelled() const { return cancel_ != nullptr && cancel_->requested(); }
  std::string path_of(FileKind kind, uint64_t number) const {
    return file_path(path_, kind, number);
  }
  void problem(const Error& error) { problem(error.message()); }
  void problem(std::string text) { report_.problems.push_back(std::move(text)); }
  void count(const std::string& path) {
    if (const auto known = files_.stat(path)) report_.checked_bytes += known->size;
  }

  bool any_file() {
    const auto names = files_.list(path_);
    if (!names) return false;
    for (const std::string& name : *names) {
      if (parse_file_name(name).kind != FileKind::other) return true;
    }
    return false;
  }

  void check_section_file(FileKind kind, SectionFileType type, uint64_t number,
                          const SectionFileSeal& seal) {
    const std::string path = path_of(kind, number);
    const auto mapped = files_.map(path);
    if (!mapped) return problem(mapped.error());
    count(path);
    const auto file = SectionFile::open((*mapped)->bytes(), path, type, 0);
    if (!file) return problem(file.error());
    if (file->seal() != seal) return problem(path + " is not the file the manifest names");
    if (const Status whole = file->check_all(cancel_); !whole) problem(whole.error());
  }

  void check_files(const Manifest& manifest) {
    for (const ManifestSegment& entry : manifest.segments) check_segment(entry);
    if (manifest.deletes_file != 0 && first_time(FileKind::deletes, manifest.deletes_file))
      check_section_file(FileKind::deletes, SectionFileType::deletes, manifest.deletes_file,
                         manifest.deletes_seal);
  }

  // Manifests share files.
  bool first_time(FileKind kind, uint64_t number) {
    return checked_.insert(file_name(kind, number)).second;
  }

  void check_segment(const ManifestSegment& entry) {
    for (const ManifestPatch& patch : entry.patches) {
      if (first_time(FileKind::vectors, patch.file))
        check_section_file(FileKind::vectors, SectionFileType::vectors, patch.file, patch.seal);
    }
    if (is_cancelled() || !first_time(FileKind::segment, entry.file)) return;
    const size_t before = report_.problems.size();
    check_section_file(FileKind::segment, SectionFileType::segment, entry.file, entry.seal);
    if (report_.problems.size() != before) return;
    const std::string path = path_of(FileKind::segment, entry.file);
    const auto segment = Segment::open_file(files_, path, path, kCheckAtOpenBytesMax);
    if (!segment) return problem(segment.error());
    if (const Status right = (*segment)->check(cancel_); !right)
      problem(Error(right.error()).with_context(path));
    if ((*segment)->row_count() != entry.row_count ||
        (*segment)->document_count() != entry.document_count)
      problem(path + " has other rows than the manifest says");
    (*segment)->forget();
  }

  void check_log(const Manifest& manifest) {
    for (uint64_t id = manifest.first_log; id <= manifest.last_log; ++id)
      count(path_of(FileKind::log, id));
    std::vector<Change> changes;
    LogFollower logs(files_, path_, manifest);
    const Status replayed = logs.read([&](const LogFrame& frame) -> Status {
      if (cancel_ != nullptr) HR_TRY(cancel_->check());
      changes.clear();
      return read_change(frame, changes);
    });
    if (!replayed) problem(replayed.error());
  }

  FileSystem& files_;
  const std::string& path_;
  VerifyReport& report_;
  const CancelToken* const cancel_;
  std::set<std::string> checked_;
};

}  // namespace

Result<VerifyReport> verify(FileSystem& files, const std::string& path, const CancelToken* cancel) {
  VerifyReport report;
  HR_TRY(Verifier(files, path, report, cancel).run());
  return report;
}

}  // namespace headrace::index
