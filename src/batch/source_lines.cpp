#include "batch/source_lines.h"

#include <algorithm>

namespace headrace {

size_t count_line_breaks(std::string_view text) {
  // Sums that fit a byte let the compiler count as many characters at once as a register holds.
  constexpr size_t kStretch = 128;
  size_t count = 0;
  while (text.size() >= kStretch) {
    uint8_t some = 0;
    for (size_t i = 0; i < kStretch; ++i) some += static_cast<uint8_t>(text[i] == '\n');
    count += some;
    text.remove_prefix(kStretch);
  }
  for (const char c : text) count += c == '\n';
  return count;
}

void LineNotes::note(std::string_view text, size_t at, int32_t line) {
  if (!notes_.empty()) {
    line_ += static_cast<int32_t>(count_line_breaks(text.substr(at_, at - at_)));
    at_ = at;
    if (line_ == line) return;
    if (notes_.back().offset == at) notes_.pop_back();
  }
  at_ = at;
  line_ = line;
  notes_.push_back({static_cast<uint32_t>(at), line});
}

int32_t NotedLines::line_at(size_t offset) {
  for (; !notes_.empty() && notes_.front().offset <= offset; notes_ = notes_.subspan(1)) {
    at_ = notes_.front().offset;
    line_ = notes_.front().line;
  }
  if (line_ == 0) return 0;
  line_ += static_cast<int32_t>(count_line_breaks(text_.substr(at_, offset - at_)));
  at_ = offset;
  return line_;
}

}  // namespace headrace
