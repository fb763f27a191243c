// The two halves of parse_html: HtmlTokenizer cuts the page into tags and text and collects what
// the head says, HtmlTreeBuilder places elements into the tree.
//
// Owns: the stack of open elements. Threads: one each. Errors: none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "decode/html_tree.h"

namespace headrace {

// The attributes that matter, undecoded views into the page; data() is null where absent.
struct HtmlAttributes {
  std::string_view class_name, id, role, style, href, itemprop, aria_hidden, hidden;
  std::string_view name, property, content, lang, rel, type, datetime;
  std::string_view rowspan, colspan, xmlns;
};

class HtmlTreeBuilder {
 public:
  HtmlTreeBuilder(HtmlTree& tree, size_t max_nodes);

  // Both give false when no further node may be made.
  bool start_tag(HtmlTag tag, uint32_t name_hash, size_t offset, const HtmlAttributes& attributes);
  bool text(size_t begin, size_t end, uint8_t extra_flags = 0);
  void end_tag(HtmlTag tag, uint32_t name_hash, size_t offset);
  // The last text, beyond the limit: what is left of the page, tags included.
  void rest(size_t begin, size_t end);
  void finish();

  bool in(HtmlTag tag) const { return open_[static_cast<size_t>(tag)] > 0; }

 private:
  static constexpr size_t kMaxDepth = 512;

  const HtmlNode& at(size_t level) const { return tree_.nodes[stack_[level]]; }
  HtmlNode& add_node(HtmlTag tag, size_t offset);
  void push(uint32_t node);
  void pop();
  void pop_to_level(size_t level);  // level and everything above it goes
  void add_span(uint32_t node, const HtmlAttributes& attributes);
  void close_paragraph();
  void close_implied(HtmlTag tag);
  void close_item(HtmlTag first, HtmlTag second);
  void close_to_table_part(HtmlTag tag);
  void end_block(HtmlTag tag);
  void end_inline(HtmlTag tag, uint32_t name_hash);
  void end_table_part(HtmlTag tag);

  HtmlTree& tree_;
  size_t max_nodes_;
  std::vector<uint32_t> stack_;
  std::array<uint32_t, kHtmlTagCount> open_{};  // how many of each are on the stack
  size_t too_deep_ = 0;                         // open elements that were not pushed
  bool in_link_ = false;
  bool has_body_ = false;
  bool pending_space_ = false;
  uint32_t form_depth_ = 0;
};

}  // namespace headrace
