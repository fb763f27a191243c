#include "sources/source_stamp.h"

#include <algorithm>

namespace headrace {
namespace {

int64_t nanoseconds(const timespec& time) {
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

}  // namespace

SourceStamp stamp_of(const struct stat& info) {
  return {static_cast<uint64_t>(info.st_size),
          std::max(nanoseconds(info.st_mtim), nanoseconds(info.st_ctim)), info.st_ino};
}

std::optional<SourceStamp> stamp_at(const std::string& path) {
  struct stat info{};
  if (stat(path.c_str(), &info) != 0) return std::nullopt;
  return stamp_of(info);
}

}  // namespace headrace
