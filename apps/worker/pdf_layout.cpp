#include "pdf_layout.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string_view>

#include "base/unicode.h"
#include "base/utf8.h"

namespace headrace::pdf {
namespace {

bool ends_sentence(std::string_view text) {
  while (!text.empty() && std::strchr("\"')]", text.back()) != nullptr) text.remove_suffix(1);
  return !text.empty() && std::strchr(".!?:", text.back()) != nullptr;
}

// The length of a list marker at the front ("•", "-", "12.", "(a)"), or 0.
size_t list_marker(std::string_view text) {
  for (const std::string_view bullet : {"•", "◦", "▪", "‣", "●", "○", "■", "–", "—", "-", "*", "·"})
    if (text.starts_with(bullet) && text.substr(bullet.size()).starts_with(" "))
      return bullet.size() + 1;
  size_t at = text.starts_with("(") ? 1 : 0;
  const size_t begin = at;
  while (at < text.size() && at - begin < 3 && text[at] >= '0' && text[at] <= '9') ++at;
  if (at == begin && at < text.size() && text[at] >= 'a' && text[at] <= 'z') ++at;
  if (at == begin || at + 1 >= text.size()) return 0;
  const bool closed = begin == 1 ? text[at] == ')' : text[at] == '.' || text[at] == ')';
  return closed && text[at + 1] == ' ' ? at + 2 : 0;
}

bool last_is_lower(std::string_view text) {
  if (text.empty()) return false;
  const size_t at = code_point_floor(text, text.size() - 1);
  const char32_t c = decode_code_point(text, at).value;
  return unicode::is_letter(c) && unicode::to_lower(c) == c;
}
bool first_is_lower(std::string_view text) {
  if (text.empty()) return false;
  const char32_t c = decode_code_point(text, 0).value;
  return unicode::is_letter(c) && unicode::to_lower(c) == c;
}

// The usual distance from line to line, for one page: the median over lines of similar size that
// follow each other downwards.
float usual_pitch(const std::vector<Line>& lines) {
  std::vector<float> steps;
  for (size_t i = 1; i < lines.size(); ++i) {
    const float step = lines[i - 1].bottom - lines[i].bottom;
    const float size = std::max(lines[i].size_pt, 4.0f);
    if (step > 0.5f * size && step < 3 * size) steps.push_back(step);
  }
  if (steps.empty()) return 0;
  const auto middle = steps.begin() + static_cast<ptrdiff_t>(steps.size() / 2);
  std::nth_element(steps.begin(), middle, steps.end());
  return *middle;
}

class BlockMaker {
 public:
  BlockMaker(const std::vector<Line>& lines, float page_height)
      : lines_(lines), page_height_(std::max(1.0f, page_height)), pitch_(usual_pitch(lines)) {}

  std::vector<PdfBlock> make() && {
    for (size_t i = 0; i < lines_.size(); ++i) {
      if (first_ == i || begins_block(i)) {
        finish(i);
        first_ = i;
      }
    }
    finish(lines_.size());
    return std::move(blocks_);
  }

 private:
  bool begins_block(size_t i) const {
    const Line& line = lines_[i];
    const Line& before = lines_[i - 1];
    if (before.hyphenated) return false;
    if (line.fixed_pitch != before.fixed_pitch) return true;
    const float size = std::max({line.size_pt, before.size_pt, 1.0f});
    if (std::abs(line.size_pt - before.size_pt) > 0.08f * size) return true;
    if (line.bold != before.bold) return true;
    const float step = before.bottom - line.bottom;
    const float pitch = pitch_ > 0 ? pitch_ : 1.4f * size;
    if (step < -0.3f * size)  // up: the top of the next column
      return line.fixed_pitch || ends_sentence(before.text) || list_marker(line.text) > 0 ||
             !first_is_lower(line.text);
    if (step > std::max(1.35f * pitch, 1.6f * size)) return true;
    if (line.fixed_pitch) return false;
    if (list_marker(line.text) > 0 &&
        (ends_sentence(before.text) || list_marker(lines_[first_].text) > 0))
      return true;
    return is_indented(i) || (ends_sentence(before.text) && is_short(i - 1));
  }

  // A first line set in, after a block whose lines stood further left.
  bool is_indented(size_t i) const {
    const Line& line = lines_[i];
    const Line& before = lines_[i - 1];
    const float indent = line.left - before.left;
    if (indent < 0.8f * line.size_pt || indent > 6 * line.size_pt) return false;
    // A list item hangs: its second line is set in, and belongs to it.
    if (i - 1 == first_ && list_marker(before.text) > 0) return false;
    return ends_sentence(before.text);
  }

  // Ends clearly before the right edge of the lines around it.
  bool is_short(size_t i) const {
    float right = lines_[i].right;
    const size_t from = i >= 3 ? i - 3 : 0, to = std::min(lines_.size(), i + 4);
    for (size_t k = from; k < to; ++k)
      if (std::abs(lines_[k].left - lines_[i].left) < 4 * std::max(lines_[i].size_pt, 1.0f))
        right = std::max(right, lines_[k].right);
    return lines_[i].right < right - 3 * std::max(lines_[i].size_pt, 1.0f);
  }

  void finish(size_t end) {
    if (end <= first_) return;
    PdfBlock block;
    const Line& head = lines_[first_];
    block.kind = head.fixed_pitch             ? PdfBlockKind::code
                 : list_marker(head.text) > 0 ? PdfBlockKind::list_item
                                              : PdfBlockKind::paragraph;
    block.bold = head.bold;
    block.size_pt = head.size_pt;
    block.lines = static_cast<uint16_t>(std::min<size_t>(end - first_, 0xFFFF));
    block.top = 1 - head.top / page_height_;
    block.bottom = 1 - lines_[end - 1].bottom / page_height_;
    if (block.kind == PdfBlockKind::code) {
      join_code(end, block.text);
    } else {
      join_text(end, block.text);
    }
    blocks_.push_back(std::move(block));
  }

  // Lines keep their breaks, and their indentation in units of the letters' width.
  void join_code(size_t end, std::string& out) const {
    float left = lines_[first_].left;
    for (size_t i = first_; i < end; ++i) left = std::min(left, lines_[i].left);
    for (size_t i = first_; i < end; ++i) {
      const Line& line = lines_[i];
      if (i > first_) out += '\n';
      const size_t letters = std::max<size_t>(1, count_code_points(line.text));
      const float letter_width = std::max(1.0f, line.width() / static_cast<float>(letters));
      const float indent = std::min(40.0f, std::round((line.left - left) / letter_width));
      out.append(static_cast<size_t>(indent), ' ');
      out += line.text;
      if (line.hyphenated) out += '-';
    }
  }

  void join_text(size_t end, std::string& out) const {
    for (size_t i = first_; i < end; ++i) {
      const Line& line = lines_[i];
      out += line.text;
      if (i + 1 == end) {
        if (line.hyphenated) out += '-';
      } else if (line.hyphenated) {
        // "exam-" + "ple" is one word; "non-" + "English" keeps its hyphen.
        if (!last_is_lower(line.text) || !first_is_lower(lines_[i + 1].text)) out += '-';
      } else {
        out += ' ';
      }
    }
  }

  const std::vector<Line>& lines_;
  const float page_height_;
  const float pitch_;
  size_t first_ = 0;
  std::vector<PdfBlock> blocks_;
};

}  // namespace

std::vector<PdfBlock> make_blocks(const std::vector<Line>& lines, float page_height) {
  return BlockMaker(lines, page_height).make();
}

}  // namespace headrace::pdf
