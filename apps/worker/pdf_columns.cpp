// Reading order: see pdf_layout.h.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "pdf_layout.h"

namespace headrace::pdf {
namespace {

// A page with more pieces than this is a drawing or a hostile file, not columns of text.
constexpr size_t kPiecesMax = 5000;
constexpr size_t kColumnLinesMin = 6;
constexpr int kDepthMax = 3;  // up to 8 columns

struct Gutter {
  float x = 0;
  size_t crossing = 0;
};

struct Side {
  size_t lines = 0, letters = 0;
  float width = 0, left = 1e9f, right = -1e9f, top = -1e9f, bottom = 1e9f;

  void add(const Line& line) {
    ++lines;
    letters += line.text.size();
    width += line.width();
    left = std::min(left, line.left);
    right = std::max(right, line.right);
    top = std::max(top, line.top);
    bottom = std::min(bottom, line.bottom);
  }
  // Running text fills its column; the cells of a table do not.
  bool is_text() const {
    if (lines < kColumnLinesMin) return false;
    const auto n = static_cast<float>(lines);
    return static_cast<float>(letters) / n >= 18 && width / n >= 0.55f * (right - left);
  }
};

// Where a vertical strip is free of text over most lines, with running text on both sides.
bool find_gutter(const std::vector<Line>& lines, const std::vector<uint32_t>& of, Gutter& best) {
  float left = 1e9f, right = -1e9f;
  for (const uint32_t i : of) {
    left = std::min(left, lines[i].left);
    right = std::max(right, lines[i].right);
  }
  const float width = right - left;
  if (of.size() < 2 * kColumnLinesMin || !(width > 100)) return false;
  constexpr int kSteps = 128;
  constexpr float kHalfGutter = 3;
  bool found = false;
  for (int step = kSteps / 5; step <= kSteps * 4 / 5; ++step) {
    const float x = left + width * static_cast<float>(step) / kSteps;
    Side before, after;
    size_t crossing = 0;
    for (const uint32_t i : of) {
      const Line& line = lines[i];
      if (line.right <= x - kHalfGutter) {
        before.add(line);
      } else if (line.left >= x + kHalfGutter) {
        after.add(line);
      } else {
        ++crossing;
      }
    }
    if (crossing * 3 > of.size() || !before.is_text() || !after.is_text()) continue;
    // Side by side, not one above the other.
    const float shared = std::min(before.top, after.top) - std::max(before.bottom, after.bottom);
    const float lower = std::min(before.top - before.bottom, after.top - after.bottom);
    if (shared < 0.4f * lower) continue;
    if (!found || crossing < best.crossing) {
      best = {x, crossing};
      found = true;
    }
  }
  return found;
}

// Lines of one column: from top to bottom, unless they are so already.
void sort_column(const std::vector<Line>& lines, std::vector<uint32_t>& of) {
  const auto above = [&lines](uint32_t a, uint32_t b) {
    const float slack =
        0.5f * std::min(lines[a].top - lines[a].bottom, lines[b].top - lines[b].bottom);
    return lines[a].bottom > lines[b].bottom + slack;
  };
  bool sorted = true;
  for (size_t k = 1; k < of.size() && sorted; ++k) sorted = !above(of[k], of[k - 1]);
  if (sorted) return;
  // By exact numbers: `above` has slack and is no ordering that a sort could use.
  std::stable_sort(of.begin(), of.end(), [&lines](uint32_t a, uint32_t b) {
    const int row_a = static_cast<int>(-lines[a].bottom / 2),
              row_b = static_cast<int>(-lines[b].bottom / 2);
    return row_a != row_b ? row_a < row_b : lines[a].left < lines[b].left;
  });
}

void order_region(const std::vector<Line>& lines, std::vector<uint32_t> of, int depth,
                  std::vector<uint32_t>& out) {
  Gutter gutter;
  if (depth >= kDepthMax || !find_gutter(lines, of, gutter)) {
    if (depth > 0) sort_column(lines, of);
    out.insert(out.end(), of.begin(), of.end());
    return;
  }
  // Lines across the gutter (titles, wide figures) cut the region into bands; within a band the
  // left column is read before the right one.
  std::vector<uint32_t> across, left, right;
  for (const uint32_t i : of) {
    auto& side = lines[i].right <= gutter.x ? left : lines[i].left >= gutter.x ? right : across;
    side.push_back(i);
  }
  std::stable_sort(across.begin(), across.end(),
                   [&](uint32_t a, uint32_t b) { return lines[a].bottom > lines[b].bottom; });
  const auto take_above = [&](std::vector<uint32_t>& from, float y) {
    std::vector<uint32_t> taken;
    std::erase_if(from, [&](uint32_t i) {
      const bool above = (lines[i].bottom + lines[i].top) / 2 > y;
      if (above) taken.push_back(i);
      return above;
    });
    return taken;
  };
  for (size_t k = 0; k <= across.size(); ++k) {
    const float y =
        k == across.size() ? -1e9f : (lines[across[k]].bottom + lines[across[k]].top) / 2;
    for (auto* side : {&left, &right}) {
      std::vector<uint32_t> band = take_above(*side, y);
      if (!band.empty()) order_region(lines, std::move(band), depth + 1, out);
    }
    if (k < across.size()) out.push_back(across[k]);
  }
}

// pdfium puts pieces that begin at the same height from left to right, as if they were of one line.
// Lines that run down the page all begin at one height, and follow each other from right to left.
void order_downward(std::vector<Line>& lines) {
  const auto is_run = [](const Line& before, const Line& line) {
    const float slack = 0.5f * std::max({before.size_pt, line.size_pt, 4.0f});
    return line.downward && std::abs(line.top - before.top) < slack;
  };
  for (auto begin = lines.begin(); begin != lines.end();) {
    auto end = begin + 1;
    while (begin->downward && end != lines.end() && is_run(*(end - 1), *end)) ++end;
    std::stable_sort(begin, end, [](const Line& a, const Line& b) { return a.left > b.left; });
    begin = end;
  }
}

}  // namespace

std::vector<Line> order_lines(PageText page) {
  std::vector<Line>& lines = page.lines;
  order_downward(lines);
  std::vector<uint32_t> order(lines.size());
  std::iota(order.begin(), order.end(), 0u);
  if (lines.size() <= kPiecesMax) {
    std::vector<uint32_t> ordered;
    ordered.reserve(order.size());
    order_region(lines, order, 0, ordered);
    order = std::move(ordered);
  }
  std::vector<Line> result;
  result.reserve(lines.size());
  for (size_t k = 0; k < order.size(); ++k) {
    Line& line = lines[order[k]];
    // Pieces of one line that still follow each other were not parted by a gutter.
    if (k > 0 && line.continues && order[k] == order[k - 1] + 1) {
      Line& whole = result.back();
      whole.text += ' ';
      whole.text += line.text;
      whole.right = std::max(whole.right, line.right);
      whole.left = std::min(whole.left, line.left);
      whole.bottom = std::min(whole.bottom, line.bottom);
      whole.top = std::max(whole.top, line.top);
      whole.bold = whole.bold && line.bold;
      whole.fixed_pitch = whole.fixed_pitch && line.fixed_pitch;
      whole.hyphenated = line.hyphenated;
    } else {
      result.push_back(std::move(line));
    }
  }
  return result;
}

}  // namespace headrace::pdf
