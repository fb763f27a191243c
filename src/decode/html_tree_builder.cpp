#include <algorithm>

#include "decode/html_hints.h"
#include "decode/html_parser.h"
#include "decode/html_table_grid.h"

namespace headrace {
namespace {

bool is_white(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

// "display:none" or "visibility:hidden" anywhere in a style attribute, spaces allowed.
bool style_hides(std::string_view style) {
  const auto declares = [&](std::string_view property, std::string_view value) {
    for (size_t pos = 0; pos + property.size() < style.size(); ++pos) {
      if (!equals_ignoring_case(style.substr(pos, property.size()), property)) continue;
      size_t next = pos + property.size();
      while (next < style.size() && is_white(style[next])) ++next;
      if (next >= style.size() || style[next] != ':') continue;
      ++next;
      while (next < style.size() && is_white(style[next])) ++next;
      if (equals_ignoring_case(style.substr(next, value.size()), value)) return true;
    }
    return false;
  };
  return declares("display", "none") || declares("visibility", "hidden");
}

uint8_t element_flags(HtmlTag tag, const HtmlAttributes& attributes) {
  uint8_t flags = 0;
  if (has_property(tag, kTagInvisible)) flags |= kNodeInvisible;
  if (attributes.hidden.data() != nullptr &&
      !equals_ignoring_case(attributes.hidden, "until-found")) {
    flags |= kNodeHidden;
  }
  if (!attributes.style.empty() && style_hides(attributes.style)) flags |= kNodeHidden;
  if (equals_ignoring_case(attributes.aria_hidden, "true")) flags |= kNodeAriaHidden;
  return flags;
}

bool is_table_part(HtmlTag tag) {
  switch (tag) {
    case HtmlTag::caption:
    case HtmlTag::colgroup:
    case HtmlTag::col:
    case HtmlTag::tbody:
    case HtmlTag::thead:
    case HtmlTag::tfoot:
    case HtmlTag::tr:
    case HtmlTag::td:
    case HtmlTag::th:
      return true;
    default:
      return false;
  }
}

// As the standard reads non-negative numbers: white space, then digits, then anything. What is no
// number is 1.
uint16_t span_of(std::string_view value, uint32_t most) {
  size_t at = 0;
  while (at < value.size() && is_white(value[at])) ++at;
  if (at < value.size() && value[at] == '+') ++at;
  if (at >= value.size() || value[at] < '0' || value[at] > '9') return 1;
  uint32_t number = 0;
  for (; at < value.size() && value[at] >= '0' && value[at] <= '9'; ++at)
    number = std::min(number * 10 + static_cast<uint32_t>(value[at] - '0'), most);
  return static_cast<uint16_t>(number);
}

bool is_row_group(HtmlTag tag) {
  return tag == HtmlTag::tbody || tag == HtmlTag::thead || tag == HtmlTag::tfoot;
}

}  // namespace

HtmlTreeBuilder::HtmlTreeBuilder(HtmlTree& tree, size_t max_nodes)
    : tree_(tree), max_nodes_(max_nodes) {
  tree_.nodes.emplace_back().tag = HtmlTag::html;
  stack_.reserve(kMaxDepth);
  push(0);
}

HtmlNode& HtmlTreeBuilder::add_node(HtmlTag tag, size_t offset) {
  HtmlNode& node = tree_.nodes.emplace_back();
  node.parent = stack_.back();
  node.end = static_cast<uint32_t>(tree_.nodes.size());
  node.begin = static_cast<uint32_t>(offset);
  node.tag = tag;
  node.depth = static_cast<uint16_t>(stack_.size());
  if (pending_space_) node.flags |= kNodeSpaceBefore;
  pending_space_ = false;
  return node;
}

void HtmlTreeBuilder::push(uint32_t node) {
  stack_.push_back(node);
  ++open_[static_cast<size_t>(tree_.nodes[node].tag)];
  if (has_property(tree_.nodes[node].tag, kTagForm)) ++form_depth_;
}

void HtmlTreeBuilder::pop() {
  HtmlNode& node = tree_.nodes[stack_.back()];
  node.end = static_cast<uint32_t>(tree_.nodes.size());
  --open_[static_cast<size_t>(node.tag)];
  if (has_property(node.tag, kTagForm)) --form_depth_;
  // A cell is a world of its own: links do not run out of it.
  if (node.tag == HtmlTag::td || node.tag == HtmlTag::th) in_link_ = false;
  stack_.pop_back();
}

void HtmlTreeBuilder::pop_to_level(size_t level) {
  while (stack_.size() > level) pop();
}

void HtmlTreeBuilder::finish() {
  pop_to_level(0);
}

bool HtmlTreeBuilder::text(size_t begin, size_t end, uint8_t extra_flags) {
  const char* data = tree_.source.data();
  if (!in(HtmlTag::pre) && !in(HtmlTag::listing)) {
    size_t first = begin;
    while (first < end && is_white(data[first])) ++first;
    if (first == end) {
      pending_space_ = pending_space_ || end > begin;
      return true;
    }
  }
  if (tree_.nodes.size() >= max_nodes_) return false;
  HtmlNode& node = add_node(HtmlTag::text, begin);
  node.length = static_cast<uint32_t>(end - begin);
  node.flags |= extra_flags;
  if (in_link_) node.flags |= kNodeInLink;
  if (form_depth_ > 0) node.flags |= kNodeInForm;
  return true;
}

void HtmlTreeBuilder::rest(size_t begin, size_t end) {
  HtmlNode& node = add_node(HtmlTag::text, begin);
  node.length = static_cast<uint32_t>(end - begin);
  node.flags = kNodeMarkup | kNodeSpaceBefore;
}

// Ends an open <p> unless a button, cell or the like lies between.
void HtmlTreeBuilder::close_paragraph() {
  if (!in(HtmlTag::p)) return;
  for (size_t level = stack_.size(); level-- > 1;) {
    const HtmlTag tag = at(level).tag;
    if (tag == HtmlTag::p) return pop_to_level(level);
    if (has_property(tag, kTagScope)) return;
  }
}

// <li> ends an open <li>, <dt> and <dd> end one another; a list or section between protects it.
void HtmlTreeBuilder::close_item(HtmlTag first, HtmlTag second) {
  if (!in(first) && !in(second)) return;
  for (size_t level = stack_.size(); level-- > 1;) {
    const HtmlTag tag = at(level).tag;
    if (tag == first || tag == second) return pop_to_level(level);
    if (has_property(tag, kTagScope)) return;
    if (has_property(tag, kTagBlock) && tag != HtmlTag::div && tag != HtmlTag::p &&
        tag != HtmlTag::address) {
      return;
    }
  }
}

// Makes the stack ready for a part of the nearest open table.
void HtmlTreeBuilder::close_to_table_part(HtmlTag tag) {
  if (!in(HtmlTag::table)) return;
  const bool is_cell = tag == HtmlTag::td || tag == HtmlTag::th;
  for (size_t level = stack_.size(); level-- > 0;) {
    const HtmlTag open = at(level).tag;
    const bool fits = open == HtmlTag::table || open == HtmlTag::template_ ||
                      (is_row_group(open) && (is_cell || tag == HtmlTag::tr)) ||
                      (open == HtmlTag::tr && is_cell) ||
                      (open == HtmlTag::colgroup && tag == HtmlTag::col);
    if (fits) return pop_to_level(level + 1);
  }
}

void HtmlTreeBuilder::close_implied(HtmlTag tag) {
  if (has_property(tag, kTagClosesP)) close_paragraph();
  switch (tag) {
    case HtmlTag::li:
      return close_item(HtmlTag::li, HtmlTag::li);
    case HtmlTag::dt:
    case HtmlTag::dd:
      return close_item(HtmlTag::dt, HtmlTag::dd);
    case HtmlTag::option:
    case HtmlTag::optgroup:
      if (at(stack_.size() - 1).tag == HtmlTag::option) pop();
      if (tag == HtmlTag::optgroup && at(stack_.size() - 1).tag == HtmlTag::optgroup) pop();
      return;
    case HtmlTag::a:
      in_link_ = false;
      if (in(HtmlTag::a)) end_inline(HtmlTag::a, 0);
      return;
    case HtmlTag::button:
      if (in(HtmlTag::button)) end_block(HtmlTag::button);
      return;
    default:
      break;
  }
  if (is_html_heading(tag) && is_html_heading(at(stack_.size() - 1).tag)) return pop();
  if (is_table_part(tag)) close_to_table_part(tag);
}

bool HtmlTreeBuilder::start_tag(HtmlTag tag, uint32_t name_hash, size_t offset,
                                const HtmlAttributes& attributes) {
  if (tag == HtmlTag::html || tag == HtmlTag::head) return true;
  if (tag == HtmlTag::body) {
    if (has_body_) return true;
    has_body_ = true;
  }
  if (tag == HtmlTag::form && in(HtmlTag::form)) return true;
  if (tree_.nodes.size() >= max_nodes_) return false;
  close_implied(tag);
  HtmlNode& node = add_node(tag, offset);
  node.length = name_hash;
  node.flags |= element_flags(tag, attributes);
  node.hints = html_hints(tag, attributes);
  // In code, classes are those of syntax highlighting ("comment", "title"); line numbers go.
  if (in(HtmlTag::pre)) node.hints &= kHintTool;
  const auto index = static_cast<uint32_t>(tree_.nodes.size() - 1);
  if (tag == HtmlTag::a && attributes.href.data() != nullptr) {
    in_link_ = true;
    tree_.links.push_back({index, attributes.href});
  }
  if (tag == HtmlTag::table && in(HtmlTag::table)) {
    for (size_t level = stack_.size(); level-- > 0;) {
      if (at(level).tag != HtmlTag::table) continue;
      tree_.nodes[stack_[level]].flags |= kNodeNestedTable;
      break;
    }
  }
  if (!attributes.rowspan.empty() || !attributes.colspan.empty()) add_span(index, attributes);
  if (has_property(tag, kTagVoid)) return true;
  if (stack_.size() < kMaxDepth) {
    push(index);
  } else if (!has_property(tag, kTagEndOptional)) {
    ++too_deep_;
  }
  return true;
}

void HtmlTreeBuilder::add_span(uint32_t node, const HtmlAttributes& attributes) {
  const HtmlTag tag = tree_.nodes[node].tag;
  if (tag != HtmlTag::td && tag != HtmlTag::th) return;
  HtmlCellSpan span;
  span.node = node;
  span.columns = std::max<uint16_t>(span_of(attributes.colspan, kHtmlColumnSpanMax), 1);
  span.rows = span_of(attributes.rowspan, kHtmlRowSpanMax);
  if (span.columns != 1 || span.rows != 1) tree_.spans.push_back(span);
}

void HtmlTreeBuilder::end_block(HtmlTag tag) {
  for (size_t level = stack_.size(); level-- > 1;) {
    const HtmlTag open = at(level).tag;
    if (open == tag || (is_html_heading(tag) && is_html_heading(open))) return pop_to_level(level);
    if (has_property(open, kTagScope)) return;
    const bool is_item = tag == HtmlTag::li || tag == HtmlTag::dt || tag == HtmlTag::dd;
    if (is_item && (open == HtmlTag::ul || open == HtmlTag::ol || open == HtmlTag::dl)) return;
  }
}

// Elements of the text (b, a, span): a block that was opened within them stays open, and then so
// do they.
void HtmlTreeBuilder::end_inline(HtmlTag tag, uint32_t name_hash) {
  for (size_t level = stack_.size(); level-- > 1;) {
    const HtmlNode& open = at(level);
    if (open.tag == tag && (tag != HtmlTag::unknown || open.length == name_hash)) {
      return pop_to_level(level);
    }
    if (has_property(open.tag, kTagBlock | kTagScope)) return;
  }
}

void HtmlTreeBuilder::end_table_part(HtmlTag tag) {
  for (size_t level = stack_.size(); level-- > 1;) {
    const HtmlTag open = at(level).tag;
    if (open == tag) return pop_to_level(level);
    if (open == HtmlTag::table || open == HtmlTag::template_) return;
  }
}

void HtmlTreeBuilder::end_tag(HtmlTag tag, uint32_t name_hash, size_t offset) {
  if (tag == HtmlTag::a) in_link_ = false;
  if (tag == HtmlTag::html || tag == HtmlTag::head || tag == HtmlTag::body) return;
  if (too_deep_ > 0) {
    if (!has_property(tag, kTagVoid | kTagEndOptional)) --too_deep_;
    return;
  }
  const bool is_open =
      in(tag) || (is_html_heading(tag) && is_html_heading(at(stack_.size() - 1).tag));
  if (!is_open) {
    // A stray </p> is an empty paragraph, </br> a <br>: both break the line.
    if ((tag == HtmlTag::p || tag == HtmlTag::br) && tree_.nodes.size() < max_nodes_) {
      add_node(tag, offset);
    }
    return;
  }
  if (tag == HtmlTag::p) return close_paragraph();
  if (is_table_part(tag)) return end_table_part(tag);
  if (tag == HtmlTag::form) {
    // Its content may be interleaved with others': it ends where they do.
    if (at(stack_.size() - 1).tag == HtmlTag::form) pop();
    return;
  }
  const bool is_inline = !has_property(tag, kTagBlock | kTagScope | kTagForm | kTagInvisible);
  if (is_inline) return end_inline(tag, name_hash);
  if (tag == HtmlTag::table || tag == HtmlTag::template_) return end_table_part(tag);
  end_block(tag);
}

}  // namespace headrace
