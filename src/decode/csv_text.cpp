// CSV and its kin (";", tab, "|") as table rows. With a header each row says what its values are:
// "name: Alice | city: Paris".
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "decode/text_builder.h"
#include "decode/text_formats.h"

namespace headrace {
namespace {

constexpr size_t kColumnsMax = 16384;
// Longer headers would drown the values; such tables keep them in their first row only.
constexpr size_t kHeaderBytesMax = 400;
constexpr size_t kSampleRows = 20;

class CsvReader {
 public:
  CsvReader(std::string_view text, char delimiter) : text_(text), delimiter_(delimiter) {}

  // The byte where the next record begins.
  size_t position() const { return at_; }
  // The cells of the next record, quotes resolved, line breaks inside as spaces.
  bool next(std::vector<std::string>& cells) {
    cells.clear();
    if (at_ >= text_.size()) return false;
    for (;;) {
      std::string& cell = cells.emplace_back();
      read_cell(cell);
      if (at_ >= text_.size()) return true;
      const char c = text_[at_++];
      if (c == '\n') return true;
      if (cells.size() >= kColumnsMax) {  // the rest of the line in the last cell
        const size_t end = std::min(text_.find('\n', at_), text_.size());
        cell += text_.substr(at_, end - at_);
        at_ = std::min(end + 1, text_.size());
        return true;
      }
    }
  }

 private:
  void read_cell(std::string& cell) {
    if (at_ < text_.size() && text_[at_] == '"' && read_quoted(cell)) return;
    const size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != delimiter_ && text_[at_] != '\n') ++at_;
    cell = trimmed(text_.substr(begin, at_ - begin));
  }

  // False when no quote closes the cell: then it is no quoted one.
  bool read_quoted(std::string& cell) {
    if (at_ >= no_closing_quote_) return false;
    size_t i = at_ + 1;
    for (;;) {
      const size_t quote = text_.find('"', i);
      if (quote == std::string_view::npos) {
        no_closing_quote_ = at_;
        cell.clear();
        return false;
      }
      cell += text_.substr(i, quote - i);
      i = quote + 1;
      if (i >= text_.size() || text_[i] != '"') break;
      cell.push_back('"');
      ++i;
    }
    while (i < text_.size() && text_[i] != delimiter_ && text_[i] != '\n')
      cell.push_back(text_[i++]);
    at_ = i;
    std::replace(cell.begin(), cell.end(), '\n', ' ');
    const std::string_view kept = trimmed(cell);
    cell = std::string(kept);
    return true;
  }

  std::string_view text_;
  char delimiter_;
  size_t at_ = 0;
  size_t no_closing_quote_ = std::string_view::npos;
};

// The delimiter under which the first rows have the same number of columns, at least two.
char find_delimiter(std::string_view text) {
  const std::string_view sample = text.substr(0, 64 << 10);
  char best = ',';
  size_t best_score = 0;
  for (const char delimiter : {',', ';', '\t', '|'}) {
    CsvReader reader(sample, delimiter);
    std::vector<std::string> cells;
    size_t columns = 0, same = 0, rows = 0;
    while (rows < kSampleRows && reader.next(cells)) {
      if (cells.size() == 1 && cells[0].empty()) continue;
      if (rows == 0) columns = cells.size();
      same += cells.size() == columns;
      ++rows;
    }
    const size_t score =
        columns < 2 ? 0 : same * 1000 / std::max<size_t>(rows, 1) + std::min<size_t>(columns, 50);
    if (score > best_score) {
      best = delimiter;
      best_score = score;
    }
  }
  return best;
}

bool is_number(std::string_view cell) {
  return !cell.empty() && cell.find_first_not_of("0123456789+-.,eE%$ :/") == std::string_view::npos;
}

// A first row of names: none empty, a number or long, no two alike.
bool is_header(const std::vector<std::string>& cells) {
  if (cells.size() < 2 || cells.size() > 512) return false;
  std::vector<std::string> names = cells;
  for (const std::string& name : names) {
    if (name.empty() || name.size() > 64 || is_number(name)) return false;
  }
  std::sort(names.begin(), names.end());
  return std::adjacent_find(names.begin(), names.end()) == names.end();
}

}  // namespace

Document decode_csv(std::string_view utf8) {
  TextBuilder out(utf8.size());
  CsvReader reader(utf8, find_delimiter(utf8));
  std::vector<std::string> cells;
  std::vector<std::string> header;
  LineCounter lines(utf8);
  bool first = true;
  for (size_t at = 0; reader.next(cells); at = reader.position()) {
    if (first && is_header(cells)) {
      size_t bytes = 0;
      for (const std::string& name : cells) bytes += name.size() + 2;
      if (bytes <= kHeaderBytesMax) header = cells;
    }
    out.at_line(lines.line_at(at));
    out.begin(BlockKind::table_row);
    bool written = false;
    for (size_t i = 0; i < cells.size(); ++i) {
      if (cells[i].empty() && (!header.empty() || cells.size() > 16)) continue;
      if (written) out.write(" | ");
      written = true;
      const bool room = out.document().text.size() < 8 * utf8.size() + kHeaderBytesMax;
      if (!first && i < header.size() && room) {
        out.write(header[i]);
        out.write(": ");
      }
      out.write(cells[i]);
    }
    out.end();
    out.line_break();
    first = false;
  }
  return out.take();
}

}  // namespace headrace
