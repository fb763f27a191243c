// Filter expressions: parsed, and evaluated on a small segment with every type of column.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/check.h"
#include "index/columns.h"
#include "index/filter.h"

using namespace headrace;

namespace {

struct Fixture {
  std::string bytes;
  std::unique_ptr<index::Columns> columns;

  Fixture() {
    index::ColumnsBuilder builder;
    for (uint32_t i = 0; i < 70; ++i) {
      Row row;
      row.source = "doc" + std::to_string(i);
      row.position = i;
      if (i % 2 == 0) row.metadata["year"] = int64_t{2000} + i;
      if (i % 3 == 0) row.metadata["lang"] = std::string("de");
      if (i % 5 == 0) row.metadata["tags"] = std::vector<std::string>{"a", "b"};
      if (i % 7 == 0) row.metadata["rating"] = 0.5 * i;
      if (i % 4 == 0) row.metadata["open"] = i % 8 == 0;
      if (i % 2 == 1) row.metadata["date"] = std::string("2024-05-01T10:00:00Z");
      builder.add(i, row);
    }
    index::StringSink sink;
    HR_CHECK(builder.finish(sink).has_value(), "a string takes all");
    bytes = sink.take();
    auto opened = index::Columns::open(bytes);
    HR_CHECK(opened.has_value(), "what was built can be opened");
    columns = std::make_unique<index::Columns>(std::move(*opened));
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Fixture fixture;
  const auto filter = index::Filter::parse({reinterpret_cast<const char*>(data), size});
  if (!filter) {
    HR_CHECK(!filter.error().message().empty() && !filter.error().hint().empty(),
             "an error says what and what to do");
    return 0;
  }
  const auto rows = filter->evaluate(*fixture.columns);
  if (rows) HR_CHECK(rows->count() <= 70, "only rows that exist");
  return 0;
}
