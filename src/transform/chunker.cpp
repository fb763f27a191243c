#include "transform/chunker.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/unicode.h"
#include "base/utf8.h"
#include "batch/row_links.h"
#include "batch/source_lines.h"
#include "transform/chunk_cutter.h"
#include "transform/chunk_structure.h"
#include "transform/sentence.h"

namespace headrace {
namespace {

constexpr size_t kTextTokensMin = 16;
// A token seldom stands for more than 6 bytes; a row of more than 64 bytes a token holds things
// that a tokenizer swallows (white space, words it does not know) and is better cut.
constexpr size_t kBytesPerTokenMax = 64;

std::vector<int32_t> ids_of(const Tokenizer& tokenizer, std::string_view text) {
  Encoding encoding;
  tokenizer.encode(text, encoding);
  return encoding.ids;
}

// Whether the ids of a + separator + b are those of a and of b, for each pair of probes.
bool is_additive(const Tokenizer& tokenizer, std::string_view separator,
                 std::initializer_list<std::string_view> probes) {
  for (const std::string_view a : probes) {
    for (const std::string_view b : probes) {
      std::vector<int32_t> parts = ids_of(tokenizer, a);
      const std::vector<int32_t> second = ids_of(tokenizer, b);
      parts.insert(parts.end(), second.begin(), second.end());
      const std::string whole = std::string(a) + std::string(separator) + std::string(b);
      if (ids_of(tokenizer, whole) != parts) return false;
    }
  }
  return true;
}

bool is_ascii_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

// Counts code points from one place of a text to a later one.
class PlaceCounter {
 public:
  explicit PlaceCounter(std::string_view text) : text_(text) {}
  void advance(size_t position) {
    code_points_ += count_code_points(text_.substr(byte_, position - byte_));
    byte_ = position;
  }
  uint64_t code_points() const { return code_points_; }

 private:
  std::string_view text_;
  size_t byte_ = 0;
  uint64_t code_points_ = 0;
};

// The notes of the lines within a row, but for that of its begin.
void set_further_lines(const Document& document, CutRange range, Row& row) {
  const auto first = std::ranges::upper_bound(document.lines, range.begin, {}, &LineBegin::offset);
  for (auto it = first; it != document.lines.end() && it->offset < range.end; ++it)
    row.further_lines.push_back({static_cast<uint32_t>(it->offset - range.begin), it->line});
}

}  // namespace

Chunker::Chunker(std::shared_ptr<const Tokenizer> tokenizer, ChunkOptions options)
    : tokenizer_(std::move(tokenizer)), options_(options) {
  const Tokenizer& t = *tokenizer_;
  const std::initializer_list<std::string_view> words = {
      "Hello", "worlds", "a", "3.14", "naïve",           "don't",
      "(x)",   "##y",    "—", "中文", "\xF0\x9F\x98\x80"};
  cuts_at_space_ = is_additive(t, " ", words) && is_additive(t, "\n", words) &&
                   is_additive(t, "\n\n", words) && is_additive(t, "\t", words);
  cuts_at_ideographs_ = cuts_at_space_ && is_additive(t, "", {"中文", "国", "字。", "、语"}) &&
                        ids_of(t, "ab国ab") == ids_of(t, "ab 国 ab") &&
                        ids_of(t, "かな。ひら") == ids_of(t, "かな 。 ひら");
}

Result<Chunker> Chunker::create(std::shared_ptr<const Tokenizer> tokenizer, ChunkOptions options) {
  if (!tokenizer) return fail(ErrorCode::invalid_argument, "chunking needs a tokenizer");
  const size_t least = kTextTokensMin + tokenizer->special_count();
  if (options.tokens_max < least) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("chunks of {} tokens are too small", options.tokens_max),
                fmt::format("use at least {}", least));
  }
  if (options.tokens_max > 1'000'000) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("chunks of {} tokens are too large", options.tokens_max),
                "use at most 1000000");
  }
  if (uint64_t{options.overlap} * 2 >= options.tokens_max) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("an overlap of {} tokens is too large for chunks of {}",
                            options.overlap, options.tokens_max),
                "use less than half of the chunk size");
  }
  return Chunker(std::move(tokenizer), options);
}

// A title or heading path as it stands before a row's text: trimmed, at most a quarter of the
// tokens.
std::string Chunker::cut_to_quarter(const std::string& line) const {
  const size_t quarter = options_.tokens_max / 4;
  const size_t begin = skip_white_space(line, 0, line.size());
  std::string cut = line.substr(begin, trim_white_space(line, begin, line.size()) - begin);
  if (cut.size() > quarter * kBytesPerTokenMax) {
    cut.resize(code_point_floor(cut, quarter * kBytesPerTokenMax));
  }
  Encoding tokens;
  // A few rounds do: cutting inside a word may change its tokens, but the text gets shorter.
  while (!cut.empty()) {
    tokens.clear();
    tokenizer_->encode(cut, tokens);
    if (tokens.ids.size() <= quarter) break;
    const size_t end = tokens.begins[quarter];
    const size_t word = last_word_end(cut, end / 2, std::min(end, cut.size() - 1));
    cut.resize(code_point_floor(cut, std::min(word > 0 ? word : end, cut.size() - 1)));
  }
  return cut;
}

// Empty where it is not wanted.
std::string Chunker::embedded_title(const std::string& title) const {
  return options_.title_in_text && !title.empty() ? cut_to_quarter(title) : std::string();
}

std::string Chunker::embedded_heading(const std::string& heading) const {
  return options_.heading_in_text && !heading.empty() ? cut_to_quarter(heading) : std::string();
}

// Of the heading paths of a document, as they are embedded, that of the most tokens.
std::string Chunker::longest_heading(const Document& document) const {
  std::string longest;
  if (!options_.heading_in_text) return longest;
  ChunkStructure structure(document);
  std::string before;
  std::vector<int32_t> ids;
  size_t most = 0;
  for (size_t block = 0; block < structure.blocks().size(); ++block) {
    const std::string& path = structure.heading_path(block);
    if (path == before) continue;
    before = path;
    std::string heading = embedded_heading(path);
    ids.clear();
    const size_t tokens = tokenizer_->encode_ids(heading, 0, ids);
    if (tokens <= most) continue;
    most = tokens;
    longest = std::move(heading);
  }
  return longest;
}

std::string Chunker::embedded_text(const Row& row) const {
  std::string text;
  for (std::string line : {embedded_title(row.title), embedded_heading(row.heading)}) {
    if (line.empty() || row.text.starts_with(line)) continue;
    text += line;
    text.push_back('\n');
  }
  text += row.text;
  return text;
}

std::vector<Row> Chunker::chunk(const Document& document, const CancelToken* cancel) const {
  std::vector<Row> rows;
  const std::string_view text = document.text;
  if (skip_white_space(text, 0, text.size()) == text.size()) return rows;

  ChunkStructure structure(document);
  std::string before;
  for (std::string line : {embedded_title(document.title), longest_heading(document)}) {
    if (line.empty()) continue;
    before += line;
    before.push_back('\n');
  }
  std::vector<int32_t> ids;
  const size_t around = tokenizer_->encode_ids(before, 1, ids);
  CutLimits limits;
  limits.tokens =
      std::max<size_t>(1, options_.tokens_max - std::min<size_t>(around, options_.tokens_max));
  // Where title, heading and text meet.
  if (!cuts_at_space_ && limits.tokens > 8) limits.tokens -= options_.heading_in_text ? 2 : 1;
  limits.overlap = options_.overlap;
  limits.bytes = limits.tokens * kBytesPerTokenMax;

  // Whether a cut at `position` leaves the tokens on both sides as they are.
  const auto is_safe = [&](size_t position) {
    if (!cuts_at_space_) return false;
    if (position == 0 || position >= text.size()) return true;
    if (is_ascii_space(text[position]) || is_ascii_space(text[position - 1])) return true;
    if (!cuts_at_ideographs_) return false;
    const char32_t right = decode_code_point(text, position).value;
    const char32_t left = decode_code_point(text, code_point_floor(text, position - 1)).value;
    const auto splits = [](char32_t c) {
      return c >= 0x80 && (unicode::is_cjk_ideograph(c) || unicode::is_punctuation(c));
    };
    return splits(left) || splits(right);
  };
  std::string alone;
  const auto excess = [&](CutRange range) -> size_t {
    if (is_safe(range.begin) && is_safe(range.end)) return 0;
    alone = before;
    alone.append(text, range.begin, range.end - range.begin);
    ids.clear();
    const size_t count = tokenizer_->encode_ids(alone, 1, ids);
    return count > options_.tokens_max ? count - options_.tokens_max : 0;
  };

  PlaceCounter place(text);
  NotedLines lines(text, document.lines);
  size_t block = 0;
  const auto add = [&](CutRange range) {
    block = structure.block_at(range.begin, block);
    size_t content = block;
    const auto& blocks = structure.blocks();
    while (content + 1 < blocks.size() && structure.is_heading(content) &&
           blocks[content + 1].begin < range.end) {
      ++content;
    }
    place.advance(range.begin);
    Row& row = rows.emplace_back();
    row.source = document.source;
    row.position = static_cast<uint32_t>(rows.size() - 1);
    row.key = row_key(row.source, row.position);
    row.title = document.title;
    row.text.assign(text, range.begin, range.end - range.begin);
    row.heading = structure.heading_path(content);
    row.page = block < blocks.size() ? blocks[block].page : 0;
    for (size_t b = block + 1; b < blocks.size() && blocks[b].begin < range.end; ++b) {
      if (blocks[b].page != blocks[b - 1].page && blocks[b].page > 0)
        row.further_pages.push_back(
            {static_cast<uint32_t>(blocks[b].begin - range.begin), blocks[b].page});
    }
    row.line = lines.line_at(range.begin);
    set_further_lines(document, range, row);
    row.span_begin = place.code_points();
    row.span_end = row.span_begin + count_code_points(row.text);
    row.byte_begin = range.begin;
    row.metadata = document.metadata;
    set_row_links(document, range.begin, range.end, row.metadata);
  };
  // Most texts that are rows already need no look at their tokens.
  const size_t begin = skip_white_space(text, 0, text.size());
  const CutRange whole = {begin, trim_white_space(text, begin, text.size())};
  if (whole.end - whole.begin <= limits.bytes && structure.is_one_section() &&
      is_safe(whole.begin) && is_safe(whole.end) &&
      tokenizer_->surely_fits(text.substr(whole.begin, whole.end - whole.begin), limits.tokens)) {
    add(whole);
    return rows;
  }
  ChunkCutter cutter(*tokenizer_, text, structure, limits, excess);
  for (;;) {
    const CutRange range = cutter.next();
    if (range.empty() || (cancel != nullptr && cancel->requested())) break;
    add(range);
  }
  return rows;
}

}  // namespace headrace
