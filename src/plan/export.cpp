#include "plan/export.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <memory>

#include "batch/arrow_file.h"
#include "batch/row_batch.h"
#include "plan/render.h"
#include "plan/settings.h"

namespace headrace {

namespace {

constexpr size_t kRowsPerBatch = 8192;

using File = std::unique_ptr<FILE, int (*)(FILE*)>;

Status write_all(FILE* file, std::string_view bytes, const std::string& target) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file) != bytes.size()) {
    return os_fail(errno, fmt::format("write {}", target));
  }
  return {};
}

Result<uint64_t> write_jsonl(const index::Snapshot& snapshot, FILE* file, const std::string& target,
                             const CancelToken& cancel) {
  uint64_t rows = 0;
  HR_ASSIGN(const Settings settings, Settings::from_json(std::string(snapshot.settings())));
  HR_TRY(snapshot.for_each_row([&](const index::ScoredRow&, const Row& kept) -> Status {
    HR_TRY(cancel.check());
    Row row = kept;
    complete_own_row(row, settings);
    ++rows;
    return write_all(file, export_row_json(row) + "\n", target);
  }));
  return rows;
}

Result<uint64_t> write_arrow(const index::Snapshot& snapshot, FILE* file, const std::string& target,
                             const CancelToken& cancel) {
  const index::Info info = snapshot.info();
  std::vector<VectorColumn> spaces;
  for (const index::SpaceInfo& known : info.spaces)
    spaces.push_back({known.space.name, known.space.dimension});
  ArrowFileWriter writer(row_schema(spaces),
                         [&](std::string_view bytes) { return write_all(file, bytes, target); });
  HR_TRY(writer.begin());
  RowBatchBuilder batch(spaces);
  uint64_t rows = 0;
  const auto flush = [&]() -> Status {
    if (batch.size() == 0) return {};
    return writer.write(batch.finish());
  };
  std::vector<float> vector;
  HR_ASSIGN(const Settings settings, Settings::from_json(info.settings));
  HR_TRY(snapshot.for_each_row([&](const index::ScoredRow& at, const Row& kept) -> Status {
    HR_TRY(cancel.check());
    Row row = kept;
    complete_own_row(row, settings);
    batch.add(row, metadata_json(row.metadata));
    for (size_t s = 0; s < spaces.size(); ++s) {
      vector.resize(spaces[s].dimension);
      batch.add_vector(s, snapshot.vector(at, spaces[s].name, vector)
                              ? std::span<const float>(vector)
                              : std::span<const float>());
    }
    ++rows;
    return batch.size() >= kRowsPerBatch ? flush() : Status{};
  }));
  HR_TRY(flush());
  HR_TRY(writer.end());
  return rows;
}

}  // namespace

Result<uint64_t> export_rows(const index::Snapshot& snapshot, const std::string& target,
                             const CancelToken& cancel) {
  if (target == "-") return write_jsonl(snapshot, stdout, "standard output", cancel);
  const bool arrow = target.ends_with(".arrow") || target.ends_with(".feather");
  if (!arrow && !target.ends_with(".jsonl") && !target.ends_with(".ndjson")) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} ends neither in .jsonl nor in .arrow", target),
                "name the file F.jsonl or F.arrow");
  }
  // Written beside the target and renamed, so that a failed export leaves what was there.
  const std::string temporary = target + ".part";
  File file(std::fopen(temporary.c_str(), "wb"), std::fclose);
  if (!file && errno == ENOENT) {
    return fail(ErrorCode::not_found, fmt::format("write {}: its folder is not there", target),
                "make the folder, or name another");
  }
  if (!file) return os_fail(errno, fmt::format("write {}", target));
  Result<uint64_t> rows = arrow ? write_arrow(snapshot, file.get(), target, cancel)
                                : write_jsonl(snapshot, file.get(), target, cancel);
  if (rows && std::fclose(file.release()) != 0)
    rows = os_fail(errno, fmt::format("write {}", target));
  if (rows && std::rename(temporary.c_str(), target.c_str()) != 0)
    rows = os_fail(errno, fmt::format("write {}", target));
  if (!rows) std::remove(temporary.c_str());
  return rows;
}

}  // namespace headrace
