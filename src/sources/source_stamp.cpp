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

}  // namespace headrace
