// Query texts: parsed, planned, searched and highlighted in a small segment; nothing may be wrong
// in any of them.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "index/query.h"
#include "index/search.h"

using namespace headrace;

namespace {

struct Fixture {
  std::string bytes;
  std::unique_ptr<index::Postings> postings;
  index::SegmentView view;

  Fixture() {
    index::PostingsBuilder builder("en");
    builder.add(0, "A title", "exact phrases of words");
    builder.add(1, "", "東京都 max_connections don't");
    index::StringSink sink;
    HR_CHECK(builder.finish(sink).has_value(), "a string takes all");
    bytes = sink.take();
    auto opened = index::Postings::open(bytes);
    HR_CHECK(opened.has_value(), "what was built can be opened");
    postings = std::make_unique<index::Postings>(std::move(*opened));
    view.row_count = 2;
    view.postings = postings.get();
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Fixture fixture;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const index::Query query = index::parse_query(text);
  HR_CHECK(query.words.size() <= text.size() + query.clauses.size(), "words come from the text");
  index::query_meaning(text);
  index::SearchRequest request;
  request.mode = index::SearchMode::text;
  request.text = text;
  request.title_weight = 1;
  const auto found = index::search({&fixture.view, 1}, request);
  HR_CHECK(found.has_value(), "no query is wrong");
  uint32_t end = 0;
  for (const index::MatchRange& range :
       index::highlight("exact wor* max_connections", text, "en")) {
    HR_CHECK(range.begin >= end && range.end > range.begin && range.end <= text.size(),
             "ranges ascend within the text");
    end = range.end;
  }
  return 0;
}
