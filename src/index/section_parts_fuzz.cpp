// The parts of a segment by themselves, without checksums in front of them: the first byte says
// which. What opens can be checked; what the check accepts can be used.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "index/columns.h"
#include "index/document_table.h"
#include "index/filter.h"
#include "index/postings.h"
#include "index/row_codec.h"
#include "index/row_store.h"
#include "index/search.h"
#include "index/segment.h"
#include "index/vectors.h"

using namespace headrace;
using namespace headrace::index;

namespace {

void try_vectors(std::string_view bytes) {
  const auto set = VectorSet::open(bytes);
  if (!set || !set->check()) return;
  std::vector<float> vector(set->dimension());
  for (uint32_t i = 0; i < set->count(); ++i) {
    const uint32_t row = set->row_at(i);
    HR_CHECK(set->covers(row) && set->vector(row, vector), "a checked vector is there");
  }
}

void try_postings(std::string_view bytes) {
  const auto postings = Postings::open(bytes);
  if (!postings || !postings->check()) return;
  SegmentView view;
  view.row_count = 1 << 16;
  view.postings = &*postings;
  SearchRequest request;
  request.mode = SearchMode::text;
  request.text = "alpha row version even";
  static_cast<void>(search({&view, 1}, request));
}

void try_columns(std::string_view bytes) {
  const auto columns = Columns::open(bytes);
  if (!columns || !columns->check() || columns->row_count() > 1 << 16) return;
  for (const char* text : {"parity = 'even'", "page > 3 or source like 'a%'", "n is null",
                           "tag in ('a', 'b') and not flag = true"}) {
    const auto filter = Filter::parse(text);
    HR_CHECK(filter, "a filter of our own");
    static_cast<void>(filter->evaluate(*columns));
  }
}

// Four lengths in front say where one section ends and the next begins.
void try_rows(std::string_view bytes) {
  if (bytes.size() < 4) return;
  std::string_view parts[4];
  std::string_view rest = bytes.substr(4);
  for (size_t i = 0; i < 4; ++i) {
    const size_t length = std::min<size_t>(static_cast<uint8_t>(bytes[i]) * 8, rest.size());
    parts[i] = rest.substr(0, length);
    rest.remove_prefix(length);
  }
  for (const bool packed : {false, true}) {
    const auto store = RowStore::open(parts[0], parts[1], parts[2], parts[3], packed);
    if (store) {
      BlockCache cache;
      const bool good = store->check(100).has_value();
      for (uint32_t row = 0; row < store->count(); ++row)
        HR_CHECK(store->blob(row, cache) || !good, "a checked row is there");
    }
    const auto table = DocumentTable::open(parts[0], parts[1], 50, packed);
    if (table && table->check()) {
      for (uint32_t document = 0; document < table->count(); ++document)
        static_cast<void>(table->state(document));
    }
  }
  Row row;
  static_cast<void>(decode_row_blob(bytes, row));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  ImageSink aligned;
  HR_CHECK(aligned.append({reinterpret_cast<const char*>(data) + 1, size - 1}), "memory");
  switch (data[0] % 4) {
    case 0:
      try_vectors(aligned.bytes());
      break;
    case 1:
      try_postings(aligned.bytes());
      break;
    case 2:
      try_columns(aligned.bytes());
      break;
    default:
      try_rows(aligned.bytes());
  }
  return 0;
}
