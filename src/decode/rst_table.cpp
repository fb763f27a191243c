#include "decode/rst_table.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "decode/text_builder.h"
#include "decode/text_columns.h"

namespace headrace {
namespace {

constexpr size_t kColumnsMax = 256;

// Columns [begin, end) of a line.
struct Extent {
  size_t begin = 0;
  size_t end = 0;
};

void append_line(std::string_view piece, std::string& cell) {
  piece = trimmed(piece);
  if (piece.empty()) return;
  if (!cell.empty()) cell.push_back(' ');
  cell += piece;
}

// The runs of `mark` in a line that has nothing but it and white space.
std::vector<Extent> runs_of(std::string_view line, char mark) {
  std::vector<Extent> runs;
  size_t column = 0;
  for (const char c : line) {
    const size_t after = c == '\t' ? (column / 8 + 1) * 8 : column + 1;
    if (c == mark) {
      if (!runs.empty() && runs.back().end == column) {
        runs.back().end = after;
      } else if (runs.size() < kColumnsMax) {
        runs.push_back({column, after});
      } else {
        break;
      }
    }
    column = after;
  }
  return runs;
}

bool is_white(char c) {
  return c == ' ' || c == '\t';
}

// A simple table: what stands from the beginning of a column to that of the next is its cell.
class SimpleTable {
 public:
  SimpleTable(std::span<const std::string_view> lines, const RstRowSink& row)
      : lines_(lines), row_(row), columns_(runs_of(lines[0], '=')) {}

  void read() {
    for (size_t i = 1; i < lines_.size(); ++i) {
      const std::string_view line = lines_[i];
      if (is_blank(line)) continue;
      if (line.find_first_not_of("= \t") == std::string_view::npos &&
          trimmed(line).size() == trimmed(lines_[0]).size()) {
        give(columns_);
      } else if (const std::vector<Extent> spans = spans_of(line); !spans.empty()) {
        give(spans);  // "-----  ---" says which columns the row above it spans
      } else {
        // Where the first column is empty the row goes on.
        if (!is_blank(line.substr(0, cut(line, 0, columns_)))) give(columns_);
        pending_.push_back(i);
      }
    }
    give(columns_);
  }

 private:
  // An underline that parts the columns; empty when it is text.
  std::vector<Extent> spans_of(std::string_view line) const {
    if (line.find_first_not_of("- \t") != std::string_view::npos) return {};
    std::vector<Extent> spans = runs_of(line, '-');
    for (const Extent& span : spans) {
      const bool begins = std::any_of(columns_.begin(), columns_.end(),
                                      [&](const Extent& c) { return c.begin == span.begin; });
      const bool ends = std::any_of(columns_.begin(), columns_.end(),
                                    [&](const Extent& c) { return c.end == span.end; });
      if (!begins || (!ends && span.end < columns_.back().end)) return {};
    }
    return spans;
  }

  // The byte where the cell behind span `c` begins. A word that reaches over the margin stays
  // whole, in the cell in which it begins.
  static size_t cut(std::string_view line, size_t c, const std::vector<Extent>& spans) {
    if (c + 1 >= spans.size()) return line.size();
    const size_t at = ColumnReader(line).byte_at(spans[c + 1].begin);
    return whole_word(line, at);
  }
  static size_t whole_word(std::string_view line, size_t at) {
    if (at == 0 || at >= line.size() || is_white(line[at - 1])) return at;
    return std::min(line.find_first_of(" \t", at), line.size());
  }

  void give(const std::vector<Extent>& spans) {
    if (pending_.empty()) return;
    cells_.assign(columns_.size(), std::string());
    for (const size_t i : pending_) {
      const std::string_view line = lines_[i];
      ColumnReader columns(line);
      size_t begin = 0;
      for (size_t c = 0, column = 0; c < spans.size() && begin < line.size(); ++c) {
        const size_t end = c + 1 < spans.size()
                               ? whole_word(line, columns.byte_at(spans[c + 1].begin))
                               : line.size();
        while (column + 1 < columns_.size() && columns_[column].begin < spans[c].begin) ++column;
        if (end > begin) append_line(line.substr(begin, end - begin), cells_[column]);
        begin = std::max(begin, end);
      }
    }
    row_(pending_.front(), cells_);
    pending_.clear();
  }

  std::span<const std::string_view> lines_;
  const RstRowSink& row_;
  std::vector<Extent> columns_;
  std::vector<size_t> pending_;  // the lines of the row in hand
  std::vector<std::string> cells_;
};

// A grid. Its columns are the corners "+" of all borders; a row ends where a border crosses the
// whole grid, or, for the columns that it crosses, at a border of some of them.
class GridTable {
 public:
  GridTable(std::span<const std::string_view> lines, const RstRowSink& row)
      : lines_(lines), row_(row) {
    for (const std::string_view line : lines) budget_ += line.size();
    find_corners();
  }

  void read() {
    if (corners_.size() < 2) return;
    begin_group(1);
    for (size_t i = 1; i < lines_.size(); ++i) read_line(i);
    give_group();
  }

 private:
  size_t columns() const { return corners_.size() - 1; }

  void find_corners() {
    for (const std::string_view line : lines_) {
      if (line.find("-+") == std::string_view::npos && line.find("=+") == std::string_view::npos)
        continue;
      ColumnReader reader(line);
      size_t open = std::string_view::npos;  // a "+" with nothing but its border behind it
      for (size_t column = 0, byte; (byte = reader.byte_at(column)) < line.size();
           column = reader.column() + 1) {
        const char c = line[byte];
        if (c == '+') {
          if (open != std::string_view::npos && open + 1 < reader.column()) {
            add_corner(open);
            add_corner(reader.column());
          }
          open = reader.column();
        } else if (c != '-' && c != '=') {
          open = std::string_view::npos;
        }
      }
    }
    // Only the upper border says where the grid begins and ends.
    const std::string_view first = lines_[0];
    const size_t left = column_count(first.substr(0, first.find('+')));
    const size_t right = column_count(first.substr(0, first.rfind('+')));
    std::erase_if(corners_, [&](size_t c) { return c < left || c > right; });
    if (corners_.size() > kColumnsMax) corners_.resize(kColumnsMax);
  }
  void add_corner(size_t column) {
    // Ever the same columns: the answer mostly lies where the last one did.
    const auto at = std::lower_bound(corners_.begin(), corners_.end(), column);
    if (at != corners_.end() && *at == column) return;
    if (corners_.size() < 2 * kColumnsMax) corners_.insert(at, column);
  }

  void begin_group(size_t line) {
    texts_.clear();
    rows_.clear();
    rows_.push_back({line, {}});
    for (size_t k = 0; k < columns(); ++k) rows_[0].cells.push_back(new_text());
  }
  uint32_t new_text() {
    texts_.emplace_back();
    return static_cast<uint32_t>(texts_.size() - 1);
  }

  void read_line(size_t i) {
    const std::string_view line = lines_[i];
    // Where the corners stand in this line, and what stands there.
    bytes_.clear();
    marks_.clear();
    ColumnReader reader(line);
    for (const size_t corner : corners_) {
      const size_t byte = reader.byte_at(corner);
      bytes_.push_back(byte);
      marks_.push_back(byte < line.size() && reader.column() == corner ? line[byte] : '\0');
      if (byte >= line.size()) break;
    }
    const auto is_edge = [](char c) { return c == '|' || c == '+'; };
    const bool straight = bytes_.size() == corners_.size() && is_edge(marks_.front()) &&
                          is_edge(marks_.back()) && is_blank(line.substr(0, bytes_.front())) &&
                          is_blank(line.substr(bytes_.back() + 1));
    if (!straight) return read_askew(i);
    const size_t borders = find_borders(line);
    if (borders == columns()) {
      give_group();
      return begin_group(i + 1);
    }
    std::vector<uint32_t>& cells = rows_.back().cells;
    for (size_t k = 0; k < columns(); ++k) {
      if (border_[k]) continue;
      size_t next = k + 1;
      while (next < columns() && !border_[next] && marks_[next] != '|') ++next;
      const size_t begin = bytes_[k] + (is_edge(marks_[k]) ? 1 : 0);
      append_line(line.substr(begin, std::max(bytes_[next], begin) - begin), texts_[cells[k]]);
      k = next - 1;
    }
    if (borders == 0) return;
    Row next{i + 1, cells};
    for (size_t k = 0; k < columns(); ++k)
      if (border_[k]) next.cells[k] = new_text();
    rows_.push_back(std::move(next));
  }

  // Which columns a border crosses in this line: "+---+" from corner to corner.
  size_t find_borders(std::string_view line) {
    border_.assign(columns(), false);
    const auto is_border = [](char c) { return c == '-' || c == '='; };
    size_t found = 0;
    for (size_t k = 0; k < columns();) {
      size_t end = k;
      while (end < columns() && (marks_[end] == '+' || (end > k && is_border(marks_[end])))) {
        const size_t begin = bytes_[end] + 1;
        const std::string_view between = line.substr(begin, bytes_[end + 1] - begin);
        if (!std::all_of(between.begin(), between.end(), is_border)) break;
        ++end;
      }
      while (end > k && marks_[end] != '+') --end;
      for (size_t m = k; m < end; ++m) border_[m] = true;
      found += end - k;
      k = std::max(end, k + 1);
    }
    return found;
  }

  // A line whose bars do not stand under the corners: its bars part it nevertheless.
  void read_askew(size_t i) {
    std::string_view line = trimmed(lines_[i]);
    if (is_rst_grid_border(line)) {
      give_group();
      return begin_group(i + 1);
    }
    if (line.starts_with('|')) line.remove_prefix(1);
    if (line.ends_with('|')) line.remove_suffix(1);
    const std::vector<uint32_t>& cells = rows_.back().cells;
    for (size_t k = 0; !line.empty(); ++k) {
      const size_t bar = k + 1 < columns() ? line.find('|') : std::string_view::npos;
      append_line(line.substr(0, bar), texts_[cells[k]]);
      line.remove_prefix(bar == std::string_view::npos ? line.size() : bar + 1);
    }
  }

  void give_group() {
    for (size_t r = 0; r < rows_.size(); ++r) {
      cells_.assign(columns(), std::string());
      bool any = false;
      for (size_t k = 0; k < columns(); ++k) {
        const uint32_t text = rows_[r].cells[k];
        const bool again = r > 0 && rows_[r - 1].cells[k] == text;
        if (again) {
          if (texts_[text].size() > budget_) continue;
          budget_ -= texts_[text].size();
        }
        cells_[k] = texts_[text];
        any = any || !cells_[k].empty();
      }
      if (any) row_(rows_[r].line, cells_);
    }
  }

  struct Row {
    size_t line;
    std::vector<uint32_t> cells;  // a text for each column; one that spans rows stands in each
  };

  std::span<const std::string_view> lines_;
  const RstRowSink& row_;
  std::vector<size_t> corners_;  // columns, ascending
  size_t budget_ = 0;
  std::vector<std::string> texts_;  // of the group in hand
  std::vector<Row> rows_;
  // Of the line in hand.
  std::vector<size_t> bytes_;
  std::vector<char> marks_;
  std::vector<bool> border_;
  std::vector<std::string> cells_;
};

bool is_bullet(std::string_view text) {
  return !text.empty() && (text[0] == '*' || text[0] == '-' || text[0] == '+') &&
         (text.size() == 1 || is_white(text[1]));
}

}  // namespace

bool is_rst_grid_border(std::string_view line) {
  line = trimmed(line);
  return line.size() >= 3 && line[0] == '+' && line.back() == '+' &&
         line.find_first_not_of("+-=") == std::string_view::npos &&
         line.find_first_of("-=") != std::string_view::npos;
}

bool is_rst_simple_border(std::string_view line) {
  line = trimmed(line);
  return line.size() >= 3 && line[0] == '=' && line.find(' ') != std::string_view::npos &&
         line.find_first_not_of("= ") == std::string_view::npos;
}

void read_rst_grid_table(std::span<const std::string_view> lines, const RstRowSink& row) {
  if (!lines.empty()) GridTable(lines, row).read();
}

void read_rst_simple_table(std::span<const std::string_view> lines, const RstRowSink& row) {
  if (!lines.empty()) SimpleTable(lines, row).read();
}

void read_rst_list_table(std::span<const std::string_view> lines, const RstRowSink& row) {
  std::vector<std::string> cells;
  size_t row_line = 0, row_indent = SIZE_MAX, cell_indent = SIZE_MAX;
  const auto give = [&] {
    if (!cells.empty()) row(row_line, cells);
    cells.clear();
  };
  for (size_t i = 0; i < lines.size(); ++i) {
    if (is_blank(lines[i])) continue;
    const size_t indent = indentation(lines[i]);
    std::string_view text = trimmed(lines[i]);
    if (row_indent == SIZE_MAX) row_indent = indent;
    if (indent == row_indent && is_bullet(text)) {
      give();
      row_line = i;
      const std::string_view rest = trimmed(text.substr(1));
      cell_indent = indent + static_cast<size_t>(rest.data() - text.data());
      if (rest.empty()) continue;
      text = rest;
      if (is_bullet(text)) text.remove_prefix(1);
      cells.emplace_back();
    } else if (indent == cell_indent && is_bullet(text) && cells.size() < kColumnsMax) {
      text.remove_prefix(1);
      cells.emplace_back();
    }
    if (cells.empty()) cells.emplace_back();
    append_line(text, cells.back());
  }
  give();
}

}  // namespace headrace
