#include "index/history.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "index/column_reader.h"
#include "index/snapshot.h"
#include "index/store_state.h"

namespace headrace::index {

namespace {

PastState past_state(const Manifest& manifest) {
  PastState state{manifest.number, manifest.published_ms, 0};
  for (const ManifestSegment& segment : manifest.segments) state.bytes += segment.seal.size;
  return state;
}

// The whole states in the folder, newest first.
Result<std::vector<Manifest>> whole_states(FileSystem& files, const std::string& folder) {
  HR_ASSIGN(Manifest newest, load_newest_manifest(files, folder));
  std::vector<Manifest> states = kept_manifests(files, folder, newest);
  if (newest.is_whole) states.insert(states.begin(), std::move(newest));
  return states;
}

}  // namespace

std::vector<Manifest> kept_manifests(FileSystem& files, const std::string& folder,
                                     const Manifest& newest) {
  std::vector<Manifest> kept;
  const auto names = files.list(folder);
  if (!newest.history.any() || !names) return kept;
  std::vector<uint64_t> numbers;
  for (const std::string& name : *names) {
    const FileName parsed = parse_file_name(name);
    if (parsed.kind == FileKind::manifest && parsed.number < newest.number)
      numbers.push_back(parsed.number);
  }
  std::ranges::sort(numbers, std::greater<>());
  for (const uint64_t number : numbers) {
    auto manifest = load_manifest(files, folder, number);
    if (!manifest || !manifest->is_whole) continue;
    // Ages are counted between manifests, so that a clock that is wrong now removes nothing. One
    // that ran ahead when a manifest was written can only keep too much, as far as `count` goes.
    const int64_t age_ms = newest.published_ms - manifest->published_ms;
    const bool young = age_ms / 1000 < static_cast<int64_t>(newest.history.seconds);
    if (kept.size() >= newest.history.count && !(newest.history.seconds > 0 && young)) continue;
    kept.push_back(std::move(*manifest));
  }
  return kept;
}

void insert_file_names(const Manifest& manifest, std::set<std::string>& names) {
  for (const ManifestSegment& segment : manifest.segments) {
    names.insert(file_name(FileKind::segment, segment.file));
    for (const ManifestPatch& patch : segment.patches)
      names.insert(file_name(FileKind::vectors, patch.file));
  }
  if (manifest.deletes_file != 0) names.insert(file_name(FileKind::deletes, manifest.deletes_file));
}

Result<std::vector<PastState>> past_states(FileSystem& files, const std::string& path) {
  HR_ASSIGN(const std::vector<Manifest> states, whole_states(files, path));
  std::vector<PastState> found;
  for (const Manifest& manifest : states) found.push_back(past_state(manifest));
  return found;
}

Result<std::shared_ptr<const Snapshot>> snapshot_at(FileSystem& files, const std::string& path,
                                                    std::string_view at) {
  uint64_t number = 0;
  const auto [end, wrong] = std::from_chars(at.data(), at.data() + at.size(), number);
  const bool is_number = wrong == std::errc() && end == at.data() + at.size();
  const std::optional<double> time = is_number ? std::nullopt : parse_time(at);
  if (!is_number && !time) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("\"{}\" is neither a number nor a time", at),
                "give a number that `headrace history` shows, or a time such as "
                "2026-05-01T12:00:00Z");
  }
  HR_ASSIGN(const std::vector<Manifest> states, whole_states(files, path));
  const auto wanted = std::ranges::find_if(states, [&](const Manifest& manifest) {
    return is_number ? manifest.number == number
                     : static_cast<double>(manifest.published_ms) / 1000 <= *time;
  });
  if (wanted == states.end()) {
    return fail(ErrorCode::not_found, fmt::format("{} has kept no state of {}", path, at),
                "`headrace history` shows what is kept and says how much is");
  }
  HR_ASSIGN(const StoreState state, StoreState::open(files, path, *wanted));
  return state.view(folder_bytes(files, path), 0);
}

}  // namespace headrace::index
