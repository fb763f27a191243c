#include "embed/static_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "base/hash.h"
#include "embed/pooling.h"

namespace headrace::embed {
namespace {

constexpr std::string_view kMagic = "HRSTATIC";
constexpr uint32_t kVersion = 1;
constexpr size_t kHeadBytes = 8 + 4 * 4 + 16 + 8;
constexpr size_t kStep = 16;  // rows are padded to whole steps of the widest kernel

struct Head {
  uint32_t version = kVersion;
  uint32_t dimension = 0;
  uint32_t rows = 0;
  uint32_t normalize = 0;
};

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

std::string table_name(const std::string& identity) {
  return fmt::format("static-{}", hash128(identity).hex());
}

}  // namespace

std::string StaticTable::encode(std::string_view identity) const {
  const Head head{kVersion, dimension, rows, normalize ? 1U : 0U};
  const Hash128 of = hash128(identity);
  const uint64_t size = kHeadBytes + values.size() * sizeof(Half) + used.size() + 8;
  std::string out;
  out.reserve(size);
  const auto put = [&](const void* from, size_t bytes) {
    out.append(static_cast<const char*>(from), bytes);
  };
  out += kMagic;
  put(&head, sizeof(head));
  put(&of.high, 8);
  put(&of.low, 8);
  put(&size, 8);
  put(values.data(), values.size() * sizeof(Half));
  put(used.data(), used.size());
  const uint64_t checksum = hash64(std::string_view(out));
  put(&checksum, 8);
  return out;
}

Result<StaticTable> StaticTable::decode(std::string_view bytes, std::string_view identity,
                                        std::string_view path) {
  const auto damaged = [&](std::string_view what) {
    return fail(ErrorCode::damaged, fmt::format("{}: {}", path, what),
                "remove the file: it is made again");
  };
  if (bytes.size() < kHeadBytes + 8 || !bytes.starts_with(kMagic))
    return damaged("this is no table of a static model");
  Head head;
  Hash128 of;
  uint64_t size = 0;
  uint64_t checksum = 0;
  std::memcpy(&head, bytes.data() + 8, sizeof(head));
  std::memcpy(&of.high, bytes.data() + 24, 8);
  std::memcpy(&of.low, bytes.data() + 32, 8);
  std::memcpy(&size, bytes.data() + 40, 8);
  std::memcpy(&checksum, bytes.data() + bytes.size() - 8, 8);
  if (head.version != kVersion) {
    return fail(ErrorCode::unsupported,
                fmt::format("{}: version {} of the format is not read", path, head.version),
                "remove the file: it is made again");
  }
  const std::string_view body = bytes.substr(0, bytes.size() - 8);
  if (size != bytes.size() || checksum != hash64(body))
    return damaged("it is cut short or does not match its checksum");
  if (of != hash128(identity)) return damaged("it belongs to another model");
  const uint64_t numbers = uint64_t{head.dimension} * head.rows;
  if (head.dimension == 0 || head.dimension > 4096 ||
      size != kHeadBytes + numbers * sizeof(Half) + head.rows + 8)
    return damaged("its sizes do not agree");
  StaticTable table{head.dimension, head.rows, head.normalize != 0, {}, {}};
  table.values.resize(numbers);
  std::memcpy(table.values.data(), bytes.data() + kHeadBytes, numbers * sizeof(Half));
  const auto* used = body.data() + kHeadBytes + numbers * sizeof(Half);
  table.used.assign(used, used + head.rows);
  return table;
}

std::string cache_folder() {
  if (std::string own = variable("HEADRACE_CACHE"); !own.empty()) return own == "off" ? "" : own;
  if (const std::string cache = variable("XDG_CACHE_HOME"); !cache.empty())
    return cache + "/headrace";
  if (const std::string home = variable("HOME"); !home.empty()) return home + "/.cache/headrace";
  return {};
}

Result<StaticTable> load_static_table(FileSystem& files, const std::string& folder,
                                      const std::string& identity) {
  const std::string path = folder + "/" + table_name(identity);
  HR_ASSIGN(const auto file, files.open(path));
  HR_ASSIGN(const std::string bytes, file->read(0, file->size()));
  return StaticTable::decode(bytes, identity, path);
}

Status save_static_table(FileSystem& files, const std::string& folder, const std::string& identity,
                         const StaticTable& table) {
  HR_TRY(files.make_folder(folder));
  const std::string bytes = table.encode(identity);
  const std::string path = folder + "/" + table_name(identity);
  // Of several processes that write at once each has a name of its own; the last rename counts,
  // and all of them hold the same.
  const std::string temporary =
      fmt::format("{}.{:x}.tmp", path,
                  hash64(fmt::format("{}", static_cast<const void*>(&table))) ^
                      static_cast<uint64_t>(files.now_ns()));
  const auto write = [&]() -> Status {
    HR_ASSIGN(auto file, files.create(temporary));
    HR_TRY(file->append(bytes));
    HR_TRY(file->sync());
    HR_TRY(file->close());
    return files.rename(temporary, path);
  };
  Status written = write();
  if (!written) static_cast<void>(files.remove(temporary));
  return written;
}

StaticModel::StaticModel(StaticTable table)
    : dimension_(table.dimension),
      rows_(table.rows),
      normalize_(table.normalize),
      stride_(round_up(table.dimension, kStep)),
      used_(std::move(table.used)),
      kernels_(kernels()) {
  if (stride_ == dimension_) {
    values_ = std::move(table.values);
    return;
  }
  values_.resize(size_t{rows_} * stride_);
  for (size_t row = 0; row < rows_; ++row) {
    std::copy_n(table.values.begin() + static_cast<std::ptrdiff_t>(row * dimension_), dimension_,
                values_.begin() + static_cast<std::ptrdiff_t>(row * stride_));
  }
}

void StaticModel::embed(std::span<const int32_t> ids, std::span<float> out) const {
  std::ranges::fill(out, 0.0f);
  uint32_t counted = 0;
  for (const int32_t id : ids) {
    const auto row = static_cast<uint32_t>(id);
    if (row >= rows_ || used_[row] == 0) continue;
    kernels_.widen_add(values_.data() + size_t{row} * stride_, out.data(), out.data(), dimension_);
    ++counted;
  }
  float largest = 0;
  for (const float value : out) largest = std::max(largest, std::abs(value));
  // Also when everything cancels: what is left has no direction.
  if (largest < 1e-12f) {
    std::ranges::fill(out, 0.0f);
    out.back() = 1;
    return;
  }
  if (normalize_) {
    normalize(out);
  } else {
    const float scale = 1.0f / static_cast<float>(counted);
    for (float& value : out) value *= scale;
  }
}

}  // namespace headrace::embed
