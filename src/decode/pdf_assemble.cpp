// One Document from all pages of a PDF: see pdf_decoder.h.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <unordered_map>

#include "base/unicode.h"
#include "base/utf8.h"
#include "decode/pdf_decoder.h"

namespace headrace {
namespace {

// Sizes are compared in steps of half a point.
int size_step(float size_pt) {
  return static_cast<int>(std::lround(size_pt * 2));
}

size_t count_letters(std::string_view text) {
  size_t letters = 0;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = decode_code_point(text, at);
    letters += unicode::is_letter(c.value);
    at += c.length;
  }
  return letters;
}

// --- headings --------------------------------------------------------------------------------

class Headings {
 public:
  explicit Headings(const PdfPages& pages) {
    std::map<int, size_t> letters_of;
    size_t bold_letters = 0, letters = 0;
    for (const PdfPage& page : pages.pages) {
      for (const PdfBlock& block : page.blocks) {
        letters += block.text.size();
        if (block.bold) bold_letters += block.text.size();
        if (block.kind != PdfBlockKind::code)
          letters_of[size_step(block.size_pt)] += block.text.size();
      }
    }
    size_t most = 0;
    for (const auto& [step, count] : letters_of) {
      if (count < most) continue;
      most = count;
      body_ = step;
    }
    // Where much is bold, bold says nothing.
    bold_counts_ = bold_letters * 5 < letters;
    std::set<int, std::greater<>> sizes;
    for (const PdfPage& page : pages.pages)
      for (const PdfBlock& block : page.blocks)
        if (is_larger(block)) sizes.insert(size_step(block.size_pt));
    int level = 0, last = 0;
    for (const int step : sizes) {
      // Sizes less than 6 % apart are one level.
      if (level == 0 || static_cast<float>(step) < 0.94f * static_cast<float>(last)) {
        ++level;
        last = step;
      }
      level_of_[step] = std::min(level, 6);
    }
    levels_ = level;
  }

  // 1 to 6, or 0 for what is no heading.
  uint8_t level(const PdfBlock& block) const {
    if (const auto found = level_of_.find(size_step(block.size_pt));
        found != level_of_.end() && is_larger(block))
      return static_cast<uint8_t>(found->second);
    if (bold_counts_ && block.bold && block.lines <= 2 && block.kind == PdfBlockKind::paragraph &&
        size_step(block.size_pt) >= body_ && is_heading_text(block.text))
      return static_cast<uint8_t>(std::min(levels_ + 1, 6));
    return 0;
  }

 private:
  bool is_larger(const PdfBlock& block) const {
    return block.kind != PdfBlockKind::code && block.lines <= 3 &&
           static_cast<float>(size_step(block.size_pt)) >= 1.1f * static_cast<float>(body_) &&
           is_heading_text(block.text);
  }
  // Not a sentence, and no line of a table of contents.
  static bool is_heading_text(std::string_view text) {
    return text.size() <= 240 && !text.ends_with(".") && !text.ends_with(",") &&
           text.find(". . .") == std::string_view::npos &&
           text.find(".....") == std::string_view::npos && count_letters(text) >= 2;
  }

  int body_ = 0;
  int levels_ = 0;
  bool bold_counts_ = false;
  std::map<int, int> level_of_;
};

// --- running headers and footers -------------------------------------------------------------

// What a line at the edge of a page looks like on every page: digits may differ.
std::string edge_key(const PdfBlock& block, bool top) {
  std::string key(top ? "t" : "b");
  key += std::to_string(std::lround((top ? block.top : block.bottom) * 100));
  key += ' ';
  bool digits = false;
  for (const char c : block.text) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit) key += c;
    if (digit && !digits) key += '#';
    digits = digit;
  }
  return key;
}

constexpr float kTopEdge = 0.09f, kBottomEdge = 0.92f;

// Blocks that stand at the same place of more than half of the pages with the same words.
std::set<const PdfBlock*> running_lines(const PdfPages& pages) {
  constexpr size_t kPagesMin = 4;
  std::set<const PdfBlock*> running;
  if (pages.pages.size() < kPagesMin) return running;
  std::unordered_map<std::string, std::vector<const PdfBlock*>> seen;
  for (const PdfPage& page : pages.pages) {
    if (page.blocks.size() < 2) continue;  // its only text is no furniture
    for (const PdfBlock& block : page.blocks) {
      if (block.lines > 2 || block.text.size() > 200) continue;
      if (block.bottom <= kTopEdge) seen[edge_key(block, true)].push_back(&block);
      if (block.top >= kBottomEdge) seen[edge_key(block, false)].push_back(&block);
    }
  }
  for (const auto& [key, blocks] : seen)
    if (blocks.size() * 2 > pages.pages.size()) running.insert(blocks.begin(), blocks.end());
  // A page on which nothing else stands keeps them: they are its text.
  for (const PdfPage& page : pages.pages) {
    const auto runs = [&](const PdfBlock& block) { return running.contains(&block); };
    if (std::all_of(page.blocks.begin(), page.blocks.end(), runs))
      for (const PdfBlock& block : page.blocks) running.erase(&block);
  }
  return running;
}

// --- title -----------------------------------------------------------------------------------

// Programs leave their own names where the title belongs.
bool is_title(std::string_view title) {
  const std::string lower = unicode::to_lower(title);
  for (const char* ending :
       {".doc", ".docx", ".dvi", ".tex", ".ps", ".indd", ".qxd", ".pdf", ".ppt", ".pptx"})
    if (lower.ends_with(ending)) return false;
  return count_letters(title) >= 2 && lower != "untitled" && !lower.starts_with("untitled ") &&
         !lower.starts_with("microsoft word -") && !lower.starts_with("microsoft powerpoint -") &&
         lower != "title" && lower != "document";
}

std::string without_edges(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return std::string(text);
}

// The largest text of the first page that has any.
std::string title_of_page(const PdfPages& pages) {
  for (const PdfPage& page : pages.pages) {
    int largest = 0;
    for (const PdfBlock& block : page.blocks)
      if (block.lines <= 4 && block.text.size() <= 300 && count_letters(block.text) >= 3)
        largest = std::max(largest, size_step(block.size_pt));
    if (largest == 0) {
      if (page.blocks.empty()) continue;
      return {};
    }
    std::string title;
    for (const PdfBlock& block : page.blocks) {
      if (size_step(block.size_pt) == largest && block.lines <= 4) {
        if (!title.empty()) title += ' ';
        title += block.text;
        if (title.size() > 200) break;
      } else if (!title.empty()) {
        break;
      }
    }
    return title;
  }
  return {};
}

void add_block(Document& document, const PdfBlock& block, BlockKind kind, uint8_t level,
               uint32_t page) {
  if (!document.text.empty()) document.text += "\n\n";
  Block out;
  out.begin = static_cast<uint32_t>(document.text.size());
  document.text += block.text;
  out.end = static_cast<uint32_t>(document.text.size());
  out.kind = kind;
  out.level = level;
  out.page = static_cast<int32_t>(page);
  document.blocks.push_back(out);
}

}  // namespace

Document assemble_pdf(const PdfPages& pages) {
  Document document;
  document.media_type = "application/pdf";
  const Headings headings(pages);
  const std::set<const PdfBlock*> running = running_lines(pages);
  for (const PdfPage& page : pages.pages) {
    for (const PdfBlock& block : page.blocks) {
      if (block.text.empty() || running.contains(&block)) continue;
      if (const uint8_t level = headings.level(block); level > 0) {
        add_block(document, block, BlockKind::heading, level, page.number);
      } else if (block.kind == PdfBlockKind::code) {
        add_block(document, block, BlockKind::code, 0, page.number);
      } else if (block.kind == PdfBlockKind::list_item) {
        add_block(document, block, BlockKind::list_item, 1, page.number);
      } else {
        add_block(document, block, BlockKind::paragraph, 0, page.number);
      }
    }
  }
  document.title = without_edges(is_title(pages.title) ? pages.title : title_of_page(pages));
  if (const std::string author = without_edges(pages.author); !author.empty())
    document.metadata["author"] = author;
  if (!pages.created.empty()) document.metadata["date"] = pdf_date_to_iso(pages.created);
  document.metadata["pages"] = static_cast<int64_t>(pages.page_count);
  return document;
}

std::string pdf_date_to_iso(std::string_view date) {
  std::string_view digits = date;
  if (digits.starts_with("D:")) digits.remove_prefix(2);
  size_t count = 0;
  while (count < digits.size() && count < 14 && digits[count] >= '0' && digits[count] <= '9')
    ++count;
  if (count < 4) return std::string(date);
  const auto part = [&](size_t at, const char* otherwise) {
    return count >= at + 2 ? std::string(digits.substr(at, 2)) : std::string(otherwise);
  };
  std::string iso(digits.substr(0, 4));
  iso += '-' + part(4, "01") + '-' + part(6, "01");
  if (count < 10) return iso;
  iso += 'T' + part(8, "00") + ':' + part(10, "00") + ':' + part(12, "00");
  const std::string_view zone = digits.substr(count);
  const auto two = [&](size_t at) {
    return zone.size() >= at + 2 && zone[at] >= '0' && zone[at] <= '9' && zone[at + 1] >= '0' &&
           zone[at + 1] <= '9';
  };
  if (zone.starts_with("Z")) return iso + 'Z';
  if ((zone.starts_with("+") || zone.starts_with("-")) && two(1))
    iso += zone[0] + std::string(zone.substr(1, 2)) + ':' +
           (two(4) ? std::string(zone.substr(4, 2)) : "00");
  return iso;
}

}  // namespace headrace
