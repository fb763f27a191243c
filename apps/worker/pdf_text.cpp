#include "pdf_text.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "base/utf8.h"

namespace headrace::pdf {
namespace {

// What pdfium puts for a hyphen at the end of a line; it then leaves out the line break.
constexpr unsigned kLineEndHyphen = 2;
constexpr unsigned kLineEndHyphenOld = 0xFFFE;

struct Box {
  float left, right, bottom, top;
};

struct Face {
  float size_pt = 0;
  bool bold = false;
  bool fixed_pitch = false;
  bool downward = false;
};

bool contains_any(std::string_view text, std::initializer_list<std::string_view> parts) {
  return std::any_of(parts.begin(), parts.end(), [text](std::string_view part) {
    return text.find(part) != std::string_view::npos;
  });
}

class PageReader {
 public:
  PageReader(const Library& library, PageHandle page, TextPageHandle text)
      : library_(library), text_(text), rotation_(library.GetRotation(page)) {
    page_.width = library.GetPageWidthF(page);
    page_.height = library.GetPageHeightF(page);
  }

  PageText read() && {
    const int count = library_.CountChars(text_);
    for (int i = 0; i < count; ++i) take(i);
    end_line();
    return std::move(page_);
  }

 private:
  void take(int i) {
    unsigned c = library_.GetUnicode(text_, i);
    if (c == '\r' || c == '\n') {
      end_line();
      continues_ = false;
      return;
    }
    if (c == kLineEndHyphen || c == kLineEndHyphenOld) {
      // Whether it really ends a line shows when the next letter is seen.
      hyphen_pending_ = !line_.text.empty();
      return;
    }
    if (c == ' ' || c == 0xA0 || c == '\t') {
      space_pending_ = true;
      return;
    }
    if (c < 0x20 || c == 0xFFFF || (c >= 0x7F && c < 0xA0) || c == 0xAD) return;
    if (c >= 0xD800 && c < 0xDC00) {
      high_surrogate_ = c;
      return;
    }
    if (c >= 0xDC00 && c < 0xE000) {
      c = high_surrogate_ == 0 ? 0xFFFD
                               : 0x10000 + ((high_surrogate_ - 0xD800) << 10) + (c - 0xDC00);
    }
    high_surrogate_ = 0;
    take_letter(i, c);
  }

  void take_letter(int i, unsigned c) {
    const Box box = box_of(i);
    if (hyphen_pending_) end_hyphen(box);
    if (!line_.text.empty() && space_pending_ && box.left > line_.right + wide_gap()) {
      end_line();
      continues_ = true;
    }
    if (line_.text.empty()) {
      begin_line(box);
    } else {
      if (space_pending_) line_.text += ' ';
      line_.left = std::min(line_.left, box.left);
      line_.right = std::max(line_.right, box.right);
      line_.bottom = std::min(line_.bottom, box.bottom);
      line_.top = std::max(line_.top, box.top);
    }
    space_pending_ = false;
    append_code_point(c, line_.text);
    letters_.push_back(i);
  }

  // A pending hyphen, now that the next letter is known: at a line's end it only broke a word.
  void end_hyphen(const Box& next) {
    hyphen_pending_ = false;
    const float height = std::max(1.0f, line_.top - line_.bottom);
    const bool same_line =
        next.bottom < line_.top && next.top > line_.bottom && next.left > line_.right - height;
    if (same_line) {
      line_.text += '-';
      return;
    }
    line_.hyphenated = true;
    end_line();
    continues_ = false;
  }

  void begin_line(const Box& box) {
    line_.left = box.left;
    line_.right = box.right;
    line_.bottom = box.bottom;
    line_.top = box.top;
    line_.continues = continues_;
  }

  void end_line() {
    if (!letters_.empty()) {
      if (hyphen_pending_) line_.text += '-';
      measure_face();
      page_.lines.push_back(std::move(line_));
    }
    line_ = Line();
    letters_.clear();
    space_pending_ = hyphen_pending_ = false;
  }

  // A space this wide may be the gutter between two columns.
  float wide_gap() const { return std::max(8.0f, 0.9f * (line_.top - line_.bottom)); }

  // Looks at a few letters, not all: asking pdfium about each costs more than it tells.
  void measure_face() {
    const std::array<size_t, 3> samples = {0, letters_.size() / 2, letters_.size() - 1};
    line_.bold = line_.fixed_pitch = line_.downward = true;
    std::array<float, 3> sizes{};
    for (size_t k = 0; k < samples.size(); ++k) {
      const Face face = face_of(letters_[samples[k]]);
      sizes[k] = face.size_pt;
      line_.bold = line_.bold && face.bold;
      line_.fixed_pitch = line_.fixed_pitch && face.fixed_pitch;
      line_.downward = line_.downward && face.downward;
    }
    std::sort(sizes.begin(), sizes.end());
    line_.size_pt = sizes[1];
  }

  Face face_of(int i) {
    Face face;
    Matrix matrix = {1, 0, 0, 1, 0, 0};
    library_.GetMatrix(text_, i, &matrix);
    face.downward = runs_downward(matrix);
    const float scale = std::hypot(matrix.c, matrix.d);
    const auto size = static_cast<float>(library_.GetFontSize(text_, i));
    face.size_pt = std::isfinite(scale) && scale > 0 ? size * scale : size;
    if (!std::isfinite(face.size_pt) || face.size_pt < 0) face.size_pt = 0;
    constexpr int kFixedPitchFlag = 1, kForceBoldFlag = 1 << 18;
    std::array<char, 128> name{};
    int flags = 0;
    const unsigned long length = library_.GetFontInfo(text_, i, name.data(), name.size(), &flags);
    const std::string_view view =
        length > 1 && length <= name.size() ? std::string_view(name.data(), length - 1) : "";
    face.fixed_pitch = (flags & kFixedPitchFlag) != 0 ||
                       contains_any(view, {"Mono", "Courier", "Typewriter", "CMTT", "SFTT",
                                           "Consolas", "Menlo", "Inconsolata", "LMMono"});
    face.bold = (flags & kForceBoldFlag) != 0 ||
                contains_any(view, {"Bold", "bold", "Black", "Heavy", "CMBX", "SFBX", "Semibold"});
    return face;
  }

  // As the page is shown.
  bool runs_downward(const Matrix& matrix) const {
    float x = matrix.a, y = matrix.b;
    for (int turn = 0; turn < rotation_; ++turn) {
      const float before = x;
      x = y;
      y = -before;
    }
    return y < 0 && -y > 2 * std::abs(x);
  }

  Box box_of(int i) const {
    double left = 0, right = 0, bottom = 0, top = 0;
    library_.GetCharBox(text_, i, &left, &right, &bottom, &top);
    const auto clean = [](double v) {
      return std::isfinite(v) ? static_cast<float>(std::clamp(v, -1e6, 1e6)) : 0.0f;
    };
    const Box box = {clean(left), clean(right), clean(bottom), clean(top)};
    const float w = page_.width, h = page_.height;
    switch (rotation_) {  // clockwise quarter turns; width and height are those of the shown page
      case 1:
        return {box.bottom, box.top, h - box.right, h - box.left};
      case 2:
        return {w - box.right, w - box.left, h - box.top, h - box.bottom};
      case 3:
        return {w - box.top, w - box.bottom, box.left, box.right};
      default:
        return box;
    }
  }

  const Library& library_;
  TextPageHandle text_;
  int rotation_;
  PageText page_;
  Line line_;
  std::vector<int> letters_;  // of the line
  bool continues_ = false;
  bool space_pending_ = false;
  bool hyphen_pending_ = false;
  unsigned high_surrogate_ = 0;
};

}  // namespace

PageText read_page_text(const Library& library, PageHandle page, TextPageHandle text) {
  return PageReader(library, page, text).read();
}

}  // namespace headrace::pdf
