#include "decode/html_text.h"

#include <algorithm>
#include <span>
#include <string>
#include <utility>

#include "base/utf8.h"
#include "decode/html_table_grid.h"
#include "decode/html_text_sink.h"

namespace headrace {
namespace {

// Cells longer than this on average are paragraphs laid out by a table, not data.
constexpr size_t kLongestCellBytes = 400;

// What spans rows is given again in each while it is no longer than this.
constexpr size_t kRepeatedCellBytes = 200;

// A table whose rows are worth writing as rows: at least two columns somewhere (or rows of one
// short cell), nothing in its cells that wants its own lines.
bool is_data_table(const HtmlTree& tree, uint32_t table, size_t& bytes) {
  const HtmlNode& node = tree.nodes[table];
  if ((node.flags & kNodeNestedTable) != 0) return false;
  size_t cells = 0, rows = 0, headings = 0;
  bytes = 0;
  for (uint32_t i = table + 1; i < node.end; ++i) {
    switch (tree.nodes[i].tag) {
      case HtmlTag::td:
      case HtmlTag::th:
        ++cells;
        break;
      case HtmlTag::tr:
        ++rows;
        break;
      case HtmlTag::pre:
      case HtmlTag::form:
      case HtmlTag::article:
      case HtmlTag::section:
        return false;
      case HtmlTag::text:
        bytes += tree.nodes[i].length;
        break;
      default:
        if (is_html_heading(tree.nodes[i].tag)) ++headings;
    }
  }
  if (cells < 2 || rows == 0 || headings > rows) return false;
  return bytes / cells <= kLongestCellBytes;
}

class HtmlWriter {
 public:
  HtmlWriter(const HtmlTree& tree, const std::vector<HtmlFate>& fates, bool keep_forms,
             HtmlText& out)
      : tree_(tree), fates_(fates), keep_forms_(keep_forms), out_(out), sink_(tree.source, out) {}

  void run();

 private:
  void enter(uint32_t index);
  void leave(uint32_t index);
  void enter_table(uint32_t index);
  void enter_table_part(uint32_t index);
  void enter_cell(uint32_t index);
  void leave_cell();
  void leave_row();
  void write_covering(std::span<const HtmlTableGrid::Covering> passed);
  void go_to_column(uint32_t column);
  void enter_link(uint32_t index);
  void leave_link(uint32_t index);
  void write_text(const HtmlNode& node);
  void write_markup(std::string_view raw);
  void update_kind();

  const HtmlTree& tree_;
  const std::vector<HtmlFate>& fates_;
  bool keep_forms_;
  HtmlText& out_;
  HtmlTextSink sink_;
  std::vector<uint32_t> open_;  // elements whose end is still to come
  uint32_t lists_ = 0, items_ = 0, definitions_ = 0, quotes_ = 0, captions_ = 0, pres_ = 0;
  uint32_t definition_texts_ = 0;
  uint8_t heading_ = 0;
  uint32_t data_table_ = 0;  // the table being written as rows; 0: none
  // A link that is open, and where the text stood when it began.
  struct OpenLink {
    uint32_t node = 0;
    uint32_t link = 0;
    size_t before = 0;
  };
  std::vector<OpenLink> open_links_;
  size_t next_link_ = 0;  // in tree_.links
  HtmlTableGrid grid_{0};
  std::vector<std::string> spanning_;  // texts of cells that span rows
  size_t repeated_budget_ = 0;         // bytes
  uint32_t column_ = 0;                // of the row, where the writing stands
  uint32_t row_begin_ = 0;             // byte of the page
  bool in_spanning_cell_ = false;
  bool repeats_ = false;  // the row has text of its own
};

void HtmlWriter::update_kind() {
  const auto capped = [](uint32_t level) {
    return static_cast<uint8_t>(std::clamp(level, 1u, 32u));
  };
  if (pres_ > 0) return sink_.set_kind(BlockKind::code, 0);
  if (heading_ > 0) return sink_.set_kind(BlockKind::heading, heading_);
  if (captions_ > 0) return sink_.set_kind(BlockKind::caption, 0);
  if (items_ > 0 || definitions_ > 0) {
    return sink_.set_kind(BlockKind::list_item, capped(lists_ + definition_texts_));
  }
  if (quotes_ > 0) return sink_.set_kind(BlockKind::quote, 0);
  sink_.set_kind(BlockKind::paragraph, 0);
}

void HtmlWriter::run() {
  const auto count = static_cast<uint32_t>(tree_.nodes.size());
  uint32_t i = 0;
  while (i < count) {
    while (!open_.empty() && tree_.nodes[open_.back()].end <= i) {
      const uint32_t last = open_.back();
      open_.pop_back();
      leave(last);
    }
    const HtmlNode& node = tree_.nodes[i];
    if ((node.flags & kNodeSpaceBefore) != 0) sink_.add_space();
    const bool is_control = has_property(node.tag, kTagForm) && !keep_forms_;
    if ((node.flags & kNodeInvisible) != 0 || is_control ||
        (!fates_.empty() && fates_[i] == HtmlFate::drop)) {
      if (has_property(node.tag, kTagBlock) && data_table_ == 0) sink_.end_block();
      i = node.end;
      continue;
    }
    if (node.tag == HtmlTag::text) {
      write_text(node);
    } else {
      enter(i);
      if (node.end > i + 1) {
        open_.push_back(i);
      } else {
        leave(i);
      }
    }
    ++i;
  }
  while (!open_.empty()) {
    const uint32_t last = open_.back();
    open_.pop_back();
    leave(last);
  }
  sink_.end_block();
  // A link around another ends after it.
  const auto before = [](const HtmlTextLink& a, const HtmlTextLink& b) { return a.at < b.at; };
  if (!std::is_sorted(out_.links.begin(), out_.links.end(), before))
    std::stable_sort(out_.links.begin(), out_.links.end(), before);
}

void HtmlWriter::write_text(const HtmlNode& node) {
  const std::string_view raw = tree_.text_of(node);
  if ((node.flags & kNodeMarkup) != 0) return write_markup(raw);
  if (pres_ > 0 && data_table_ == 0) return sink_.add_verbatim(raw);
  sink_.add_collapsed(raw);
}

// The rest of a page with too many elements: text between tags, each tag a line break.
void HtmlWriter::write_markup(std::string_view raw) {
  while (!raw.empty()) {
    const size_t tag = raw.find('<');
    sink_.add_collapsed(raw.substr(0, tag));
    if (tag == std::string_view::npos) return;
    const size_t close = raw.find('>', tag);
    if (close == std::string_view::npos) return;
    sink_.add_line_break();
    raw.remove_prefix(close + 1);
  }
}

void HtmlWriter::enter(uint32_t index) {
  const HtmlTag tag = tree_.nodes[index].tag;
  if (tag == HtmlTag::a) return enter_link(index);
  if (tag == HtmlTag::br) return pres_ > 0 ? sink_.add_verbatim_break() : sink_.add_line_break();
  if (!has_property(tag, kTagBlock)) return;
  if (data_table_ != 0) return enter_table_part(index);
  sink_.end_block();
  if (is_html_heading(tag)) {
    heading_ = static_cast<uint8_t>(static_cast<int>(tag) - static_cast<int>(HtmlTag::h1) + 1);
  }
  switch (tag) {
    case HtmlTag::ul:
    case HtmlTag::ol:
    case HtmlTag::dl:
    case HtmlTag::dir:
    case HtmlTag::menu:
      ++lists_;
      break;
    case HtmlTag::li:
      ++items_;
      break;
    case HtmlTag::dt:
      ++definitions_;
      break;
    case HtmlTag::dd:
      ++definitions_;
      ++definition_texts_;
      break;
    case HtmlTag::blockquote:
      ++quotes_;
      break;
    case HtmlTag::figcaption:
    case HtmlTag::caption:
      ++captions_;
      break;
    case HtmlTag::pre:
    case HtmlTag::listing:
    case HtmlTag::xmp:
      ++pres_;
      break;
    case HtmlTag::table:
      return enter_table(index);
    default:
      break;
  }
  update_kind();
}

void HtmlWriter::enter_table(uint32_t index) {
  size_t bytes = 0;
  if (!is_data_table(tree_, index, bytes)) return;
  data_table_ = index;
  sink_.set_kind(BlockKind::table_row, 0);
  sink_.set_single_line(true);
  // A hostile page gets no more places out of spans than twice its elements.
  grid_ = HtmlTableGrid(2 * size_t{tree_.nodes[index].end - index} + 4096);
  grid_.begin_row();
  spanning_.clear();
  repeated_budget_ = 2 * bytes + 4096;
  column_ = 0;
}

void HtmlWriter::enter_table_part(uint32_t index) {
  switch (tree_.nodes[index].tag) {
    case HtmlTag::thead:
    case HtmlTag::tbody:
    case HtmlTag::tfoot:
      grid_.begin_group();
      return sink_.add_space();
    case HtmlTag::tr: {
      sink_.end_block();
      sink_.set_kind(BlockKind::table_row, 0);
      sink_.set_single_line(true);
      grid_.begin_row();
      column_ = 0;
      row_begin_ = tree_.nodes[index].begin;
      const auto begin = tree_.nodes.begin() + index;
      const auto end = tree_.nodes.begin() + tree_.nodes[index].end;
      repeats_ = grid_.is_covered() && std::any_of(begin, end, [](const HtmlNode& node) {
                   return node.tag == HtmlTag::text;
                 });
      return;
    }
    case HtmlTag::td:
    case HtmlTag::th:
      return enter_cell(index);
    case HtmlTag::caption:
      sink_.end_block();
      return sink_.set_kind(BlockKind::caption, 0);
    default:
      return sink_.add_space();
  }
}

void HtmlWriter::enter_cell(uint32_t index) {
  HtmlCellSpan span;
  const auto found = std::lower_bound(tree_.spans.begin(), tree_.spans.end(), index,
                                      [](const HtmlCellSpan& s, uint32_t i) { return s.node < i; });
  if (found != tree_.spans.end() && found->node == index) span = *found;
  in_spanning_cell_ = span.rows != 1;
  const HtmlTableGrid::Place place =
      grid_.place(span.columns, span.rows, static_cast<uint32_t>(spanning_.size()));
  write_covering(place.passed);
  go_to_column(place.column);
  if (in_spanning_cell_) {
    spanning_.emplace_back();
    sink_.mark_text();
  }
}

void HtmlWriter::leave_cell() {
  if (in_spanning_cell_) {
    const std::string_view text = sink_.marked_text();
    if (text.size() <= kRepeatedCellBytes) spanning_.back() = text;
  }
  in_spanning_cell_ = false;
  sink_.add_space();
}

void HtmlWriter::leave_row() {
  write_covering(grid_.end_row());
}

// Cells from above, once more: each row says what it is about.
void HtmlWriter::write_covering(std::span<const HtmlTableGrid::Covering> passed) {
  if (!repeats_) return;
  for (const HtmlTableGrid::Covering& covering : passed) {
    const std::string& text = spanning_[covering.cell];
    if (text.empty() || text.size() > repeated_budget_) continue;
    repeated_budget_ -= text.size();
    go_to_column(covering.column);
    sink_.add_plain(text, row_begin_);
  }
}

// Places without a text are empty cells, so that those behind them stand under their headers.
void HtmlWriter::go_to_column(uint32_t column) {
  for (; column_ < column; ++column_) sink_.add_cell_separator();
}

void HtmlWriter::enter_link(uint32_t index) {
  const auto& links = tree_.links;
  while (next_link_ < links.size() && links[next_link_].node < index) ++next_link_;
  if (next_link_ == links.size() || links[next_link_].node != index) return;
  open_links_.push_back({index, static_cast<uint32_t>(next_link_), out_.text.size()});
}

// A link without text (a picture's) has no place.
void HtmlWriter::leave_link(uint32_t index) {
  if (open_links_.empty() || open_links_.back().node != index) return;
  const OpenLink open = open_links_.back();
  open_links_.pop_back();
  const std::string_view text = out_.text;
  size_t at = code_point_floor(text, std::min(open.before, text.size()));
  // What separates it from the text before it was not yet written when it began.
  const auto is_separator = [&](char c) {
    return c == ' ' || c == '\n' || (c == '|' && data_table_ != 0);
  };
  while (at < text.size() && is_separator(text[at])) ++at;
  if (at < text.size()) out_.links.push_back({static_cast<uint32_t>(at), open.link});
}

void HtmlWriter::leave(uint32_t index) {
  const HtmlTag tag = tree_.nodes[index].tag;
  if (tag == HtmlTag::a) return leave_link(index);
  if (!has_property(tag, kTagBlock)) return;
  if (data_table_ != 0 && index != data_table_) {
    if (tag == HtmlTag::td || tag == HtmlTag::th) {
      leave_cell();
    } else if (tag == HtmlTag::tr || tag == HtmlTag::caption) {
      if (tag == HtmlTag::tr) leave_row();
      sink_.end_block();
      sink_.set_kind(BlockKind::table_row, 0);
    } else {
      sink_.add_space();
    }
    return;
  }
  sink_.end_block();
  if (is_html_heading(tag)) heading_ = 0;
  switch (tag) {
    case HtmlTag::ul:
    case HtmlTag::ol:
    case HtmlTag::dl:
    case HtmlTag::dir:
    case HtmlTag::menu:
      --lists_;
      break;
    case HtmlTag::li:
      --items_;
      break;
    case HtmlTag::dt:
      --definitions_;
      break;
    case HtmlTag::dd:
      --definitions_;
      --definition_texts_;
      break;
    case HtmlTag::blockquote:
      --quotes_;
      break;
    case HtmlTag::figcaption:
    case HtmlTag::caption:
      --captions_;
      break;
    case HtmlTag::pre:
    case HtmlTag::listing:
    case HtmlTag::xmp:
      --pres_;
      break;
    case HtmlTag::table:
      if (data_table_ == index) {
        data_table_ = 0;
        sink_.set_single_line(false);
      }
      break;
    default:
      break;
  }
  update_kind();
}

}  // namespace

HtmlText write_html_text(const HtmlTree& tree, const std::vector<HtmlFate>& fates,
                         bool keep_forms) {
  HtmlText out;
  HtmlWriter(tree, fates, keep_forms, out).run();
  return out;
}

}  // namespace headrace
