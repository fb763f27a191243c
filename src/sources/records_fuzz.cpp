// JSONL and CSV records: every line is a record or a problem, never both.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"
#include "sources/records.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace headrace;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  size_t seen = 0;
  const RecordHandlers handlers = {
      [&](RawDocument&& record) -> Status {
        ++seen;
        HR_CHECK(record.source.starts_with("f"), "a source is FILE#ID");
        HR_CHECK(is_valid_utf8(record.source), "sources are UTF-8");
        return {};
      },
      [&](DocumentError problem) -> Status {
        ++seen;
        HR_CHECK(!problem.error.message().empty(), "a problem says what it is");
        return {};
      }};
  HR_CHECK(read_jsonl("f", bytes, {}, handlers).has_value(), "bad lines end nothing");
  RecordColumns columns;
  columns.text = "text";
  HR_CHECK(read_csv_records("f", bytes, columns, handlers).has_value(), "bad rows end nothing");
  HR_CHECK(seen <= 2 * bytes.size() + 2, "no more records than lines");
  return 0;
}
