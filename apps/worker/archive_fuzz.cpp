// The first byte picks the kind; the rest is an archive.
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "archive_output.h"
#include "archive_streams.h"
#include "archive_tar.h"
#include "archive_zip.h"
#include "base/check.h"
#include "decode/wire.h"

namespace headrace {
namespace {

// Checks what it is sent, and forgets it.
class CheckedCall : public WorkerCall {
 public:
  std::string_view params() const override { return {}; }
  std::string_view input() const override { return {}; }
  Status emit(uint32_t kind, std::string_view bytes) override {
    if (kind == static_cast<uint32_t>(WireFrame::member)) {
      HR_CHECK(unpack_member(bytes).has_value(), "a member is well-formed");
    } else {
      HR_CHECK(unpack_problem(bytes).has_value(), "a problem is well-formed");
    }
    return {};
  }
};

}  // namespace
}  // namespace headrace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace headrace;
  using namespace headrace::archive;
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  constexpr uint64_t kMost = 4 << 20;
  const ExpansionGuard guard(kMost);
  ArchiveRequest request;
  request.member_bytes_max = 1 << 20;
  request.total_bytes_max = kMost;
  CheckedCall call;
  MemberOutput output(call, request);
  static constexpr std::array<std::string_view, 7> kKinds = {"zip",  "zip-front", "tar", "gzip",
                                                             "zstd", "bzip2",     "xz"};
  const std::string_view kind = kKinds[data[0] % kKinds.size()];
  if (kind == "zip") {
    (void)read_zip(bytes, guard, output);
  } else if (kind == "zip-front") {
    (void)read_zip_from_front(bytes, guard, output);
  } else {
    const auto stream = open_stream(kind, bytes, guard);
    if (stream) (void)read_tar({}, **stream, output);
  }
  return 0;
}
