// A text with blocks at hostile places is cut into rows that keep the Chunker's promises. The first
// bytes say where blocks are and how large rows may be.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"
#include "transform/chunker.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace headrace;
  if (size < 20) return 0;
  Document document;
  document.source = "f";
  document.text =
      to_valid_utf8(std::string_view(reinterpret_cast<const char*>(data) + 20, size - 20));
  std::erase(document.text, '\0');
  if (data[0] & 1)
    document.title =
        document.text.substr(0, code_point_floor(document.text, document.text.size() / 2));
  for (size_t i = 2; i + 2 < 20; i += 3) {
    Block block;
    block.begin = static_cast<uint32_t>(data[i] * (document.text.size() + 8) / 256);
    block.end = static_cast<uint32_t>(data[i + 1] * (document.text.size() + 8) / 256);
    block.kind = static_cast<BlockKind>(data[i + 2] % 7);
    block.level = data[i + 2] / 7;
    document.blocks.push_back(block);
  }
  ChunkOptions options;
  options.tokens_max = 18 + data[1] % 64;
  options.overlap = data[0] % (options.tokens_max / 2);
  options.heading_in_text = data[2] % 2 != 0;
  const auto tokenizer = Tokenizer::without_model();
  const auto chunker = Chunker::create(tokenizer, options);
  HR_CHECK(chunker.has_value(), "the options are in range");
  std::vector<int32_t> ids;
  uint64_t before = 0;
  for (const Row& row : chunker->chunk(document)) {
    HR_CHECK(is_valid_utf8(row.text) && !row.text.empty(), "rows are text");
    HR_CHECK(row.span_end > row.span_begin && row.span_begin >= before, "rows are in order");
    before = row.span_begin;
    size_t begin = 0;
    for (uint64_t n = 0; n < row.span_begin; ++n)
      begin += decode_code_point(document.text, begin).length;
    HR_CHECK(document.text.compare(begin, row.text.size(), row.text) == 0, "a row is a slice");
    ids.clear();
    HR_CHECK(tokenizer->encode_ids(chunker->embedded_text(row), 0, ids) <= options.tokens_max,
             "a row fits");
  }
  return 0;
}
