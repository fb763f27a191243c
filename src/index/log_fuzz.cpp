// Any bytes in the place of a log: what is accepted is read to the end, salvaged without reading
// past the end, and never grows memory beyond what the bytes can hold.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "env/simulated_file_system.h"
#include "index/log.h"
#include "index/store_state.h"

using namespace headrace;
using namespace headrace::index;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  SimulatedFileSystem files;
  files.overwrite("/log", bytes);
  const auto log = LogReader::open(files, "/log", 1);
  if (log && (*log)->scan(size)) {
    HR_CHECK((*log)->end() <= size, "a log ends in its file");
    std::vector<Change> changes;
    static_cast<void>(
        (*log)->replay(0, [&](const LogFrame& frame) { return read_change(frame, changes); }));
  }
  static_cast<void>(salvage_log(files, "/log", [](std::vector<LogFrame>& frames) -> Status {
    std::vector<Change> changes;
    for (const LogFrame& frame : frames) static_cast<void>(read_change(frame, changes));
    return {};
  }));
  // And as the payload of a frame whose checksum is right.
  if (size > 0) {
    std::vector<Change> changes;
    const LogFrame frame{static_cast<LogFrameType>(1 + data[0] % 7), 1,
                         std::string_view(bytes).substr(1)};
    static_cast<void>(read_change(frame, changes));
  }
  return 0;
}
