#include <algorithm>
#include <cstring>

#include "decode/html_parser.h"

namespace headrace {
namespace {

constexpr size_t kMaxMetas = 512;
constexpr size_t kMaxJsonScripts = 16;
constexpr size_t kMaxJsonBytes = size_t{1} << 20;

// Classes of bytes inside a tag.
enum : uint8_t { kWhite = 1, kNameEnd = 2, kLetter = 4 };

constexpr std::array<uint8_t, 256> kByte = [] {
  std::array<uint8_t, 256> table{};
  for (char c : {' ', '\t', '\n', '\r', '\f'}) table[static_cast<uint8_t>(c)] = kWhite | kNameEnd;
  for (char c : {'/', '>', '='}) table[static_cast<uint8_t>(c)] |= kNameEnd;
  for (int c = 'a'; c <= 'z'; ++c) table[static_cast<size_t>(c)] |= kLetter;
  for (int c = 'A'; c <= 'Z'; ++c) table[static_cast<size_t>(c)] |= kLetter;
  return table;
}();

bool is(char c, uint8_t byte_class) {
  return (kByte[static_cast<uint8_t>(c)] & byte_class) != 0;
}

// memchr runs at the width of the machine's vectors; every long scan below is one.
const char* find_byte(const char* from, const char* end, char c) {
  return from >= end
             ? nullptr
             : static_cast<const char*>(std::memchr(from, c, static_cast<size_t>(end - from)));
}

bool has_xml_declaration(std::string_view page) {
  if (page.starts_with("\xEF\xBB\xBF")) page.remove_prefix(3);
  while (!page.empty() && is(page[0], kWhite)) page.remove_prefix(1);
  return page.starts_with("<?xml") && page.size() > 5 && is(page[5], kWhite);
}

class HtmlTokenizer {
 public:
  HtmlTokenizer(HtmlTree& tree, std::string_view page, bool is_xhtml)
      : tree_(tree),
        is_xhtml_(is_xhtml || has_xml_declaration(page)),
        builder_(tree, node_limit(page.size())),
        begin_(page.data()),
        end_(page.data() + page.size()) {}

  void run();

 private:
  size_t offset(const char* p) const { return static_cast<size_t>(p - begin_); }
  // Each gives the place after what it read, or null when the page is used up.
  const char* read_start_tag(const char* tag);
  const char* read_end_tag(const char* tag);
  const char* read_declaration(const char* tag);
  const char* read_attributes(const char* p, HtmlAttributes& attributes, bool& self_closing);
  const char* read_value(const char* p, std::string_view& value);
  const char* read_raw(const char* content, HtmlTag tag, std::string_view name,
                       const HtmlAttributes& attributes);
  const char* find_raw_end(const char* content, std::string_view name, bool is_script);
  const char* find_page_part(const char* p);
  void read_head_element(HtmlTag tag, const HtmlAttributes& attributes);
  bool add_text(const char* from, const char* to);
  void add_literal(const char* from, const char* to);

  HtmlTree& tree_;
  bool is_xhtml_;  // "<x/>" is an empty element, CDATA is text
  HtmlTreeBuilder builder_;
  const char* begin_;
  const char* end_;
  HtmlAttributes attributes_;
  // A quote, comment end or raw end tag that was once not found ahead is not looked for again:
  // that keeps the whole linear on hostile pages.
  bool no_double_quote_ = false;
  bool no_single_quote_ = false;
  bool no_comment_end_ = false;
  bool no_cdata_end_ = false;
  bool no_script_escapes_ = false;
  std::array<bool, kHtmlTagCount> no_raw_end_{};
  const char* page_part_ = nullptr;  // what find_page_part() found last
  bool full_ = false;
};

bool HtmlTokenizer::add_text(const char* from, const char* to) {
  if (from >= to) return true;
  if (builder_.text(offset(from), offset(to))) return true;
  full_ = true;
  return false;
}

// Characters that are no source: an "&" stands for itself, alone in its text it begins no
// reference.
void HtmlTokenizer::add_literal(const char* from, const char* to) {
  while (from < to) {
    const char* mark = find_byte(from, to, '&');
    if (!add_text(from, mark == nullptr ? to : mark) || mark == nullptr) return;
    if (!add_text(mark, mark + 1)) return;
    from = mark + 1;
  }
}

void HtmlTokenizer::run() {
  const char* text = begin_;  // start of the text not yet added
  const char* p = begin_;
  if (offset(end_) >= 3 && std::memcmp(begin_, "\xEF\xBB\xBF", 3) == 0) p = text = begin_ + 3;
  while (p < end_) {
    const char* tag = find_byte(p, end_, '<');
    if (tag == nullptr || tag + 1 >= end_) break;
    const char next = tag[1];
    if (!is(next, kLetter) && next != '/' && next != '!' && next != '?') {
      p = tag + 1;
      continue;
    }
    if (!add_text(text, tag)) break;
    const char* after = is(next, kLetter) ? read_start_tag(tag)
                        : next == '/'     ? read_end_tag(tag)
                                          : read_declaration(tag);
    if (full_) {
      text = tag;
      break;
    }
    if (after == nullptr) {
      text = end_;  // a tag that never ends: browsers drop it too
      break;
    }
    p = text = after;
  }
  if (full_) {
    builder_.rest(offset(text), offset(end_));
  } else {
    add_text(text, end_);
  }
  builder_.finish();
}

const char* HtmlTokenizer::read_value(const char* p, std::string_view& value) {
  if (*p == '"' || *p == '\'') {
    bool& none = *p == '"' ? no_double_quote_ : no_single_quote_;
    const char* close = none ? nullptr : find_byte(p + 1, end_, *p);
    if (close != nullptr) {
      value = {p + 1, static_cast<size_t>(close - p - 1)};
      return close + 1;
    }
    none = true;  // the rest of the tag is the value
    close = find_byte(p + 1, end_, '>');
    if (close == nullptr) return end_;
    value = {p + 1, static_cast<size_t>(close - p - 1)};
    return close;
  }
  const char* from = p;
  while (p < end_ && !is(*p, kWhite) && *p != '>') ++p;
  value = {from, static_cast<size_t>(p - from)};
  return p;
}

std::string_view* attribute_slot(HtmlAttributes& attributes, std::string_view name) {
  const auto when = [&](std::string_view wanted, std::string_view& slot) {
    return equals_ignoring_case(name, wanted) ? &slot : nullptr;
  };
  switch (name.size()) {
    case 2:
      return when("id", attributes.id);
    case 3:
      return when("rel", attributes.rel);
    case 4:
      switch (name[0] | 0x20) {
        case 'r':
          return when("role", attributes.role);
        case 'h':
          return when("href", attributes.href);
        case 'n':
          return when("name", attributes.name);
        case 'l':
          return when("lang", attributes.lang);
        case 't':
          return when("type", attributes.type);
        default:
          return nullptr;
      }
    case 5:
      if ((name[0] | 0x20) == 'c') return when("class", attributes.class_name);
      if ((name[0] | 0x20) == 'x') return when("xmlns", attributes.xmlns);
      return when("style", attributes.style);
    case 6:
      return when("hidden", attributes.hidden);
    case 7:
      if ((name[0] | 0x20) == 'r') return when("rowspan", attributes.rowspan);
      if ((name[2] | 0x20) == 'l') return when("colspan", attributes.colspan);
      return when("content", attributes.content);
    case 8:
      if ((name[0] | 0x20) == 'i') return when("itemprop", attributes.itemprop);
      if ((name[0] | 0x20) == 'd') return when("datetime", attributes.datetime);
      if ((name[0] | 0x20) == 'x') return when("xml:lang", attributes.lang);
      return when("property", attributes.property);
    case 11:
      return when("aria-hidden", attributes.aria_hidden);
    default:
      return nullptr;
  }
}

const char* HtmlTokenizer::read_attributes(const char* p, HtmlAttributes& attributes,
                                           bool& self_closing) {
  while (p < end_) {
    if (is(*p, kWhite)) {
      ++p;
      continue;
    }
    if (*p == '>') return p + 1;
    if (*p == '/') {
      self_closing = p + 1 < end_ && p[1] == '>';
      ++p;
      continue;
    }
    const char* name = p++;  // even "=" may begin a name
    while (p < end_ && !is(*p, kNameEnd)) ++p;
    const std::string_view name_view(name, static_cast<size_t>(p - name));
    while (p < end_ && is(*p, kWhite)) ++p;
    std::string_view value(name, name);  // present, empty
    if (p < end_ && *p == '=') {
      ++p;
      while (p < end_ && is(*p, kWhite)) ++p;
      if (p < end_ && *p != '>') p = read_value(p, value);
    }
    std::string_view* slot = attribute_slot(attributes, name_view);
    if (slot != nullptr && slot->data() == nullptr) *slot = value;
  }
  return nullptr;
}

void HtmlTokenizer::read_head_element(HtmlTag tag, const HtmlAttributes& attributes) {
  if (tag == HtmlTag::html) {
    is_xhtml_ = is_xhtml_ || attributes.xmlns == "http://www.w3.org/1999/xhtml";
    if (tree_.language.empty()) tree_.language = attributes.lang;
  } else if (tag == HtmlTag::body) {
    if (tree_.language.empty()) tree_.language = attributes.lang;
  } else if (tag == HtmlTag::meta) {
    std::string_view key = attributes.property;
    if (key.empty()) key = attributes.name;
    if (key.empty()) key = attributes.itemprop;
    if (!key.empty() && !attributes.content.empty() && tree_.metas.size() < kMaxMetas) {
      tree_.metas.push_back({key, attributes.content});
    }
  } else if (tag == HtmlTag::link) {
    if (tree_.canonical.empty() && equals_ignoring_case(attributes.rel, "canonical")) {
      tree_.canonical = attributes.href;
    }
  } else if (tag == HtmlTag::base) {
    if (tree_.base.empty()) tree_.base = attributes.href;
  } else if (tag == HtmlTag::time) {
    if (tree_.time.empty()) tree_.time = attributes.datetime;
  }
}

const char* HtmlTokenizer::read_start_tag(const char* tag) {
  const char* p = tag + 1;
  uint32_t hash = kHtmlNameSeed;
  while (p < end_ && (!is(*p, kNameEnd) || *p == '=')) hash = html_name_step(hash, *p++);
  const std::string_view name(tag + 1, static_cast<size_t>(p - tag - 1));
  const HtmlTag id = find_html_tag(name, hash);
  attributes_ = {};
  bool self_closing = false;
  p = read_attributes(p, attributes_, self_closing);
  if (p == nullptr) return nullptr;
  read_head_element(id, attributes_);
  if (!builder_.start_tag(id, hash, offset(tag), attributes_)) {
    full_ = true;
    return p;
  }
  const bool is_empty = self_closing && is_xhtml_ && !has_property(id, kTagVoid);
  if (has_property(id, kTagRaw) && !is_empty) {
    p = read_raw(p, id, name, attributes_);
    builder_.end_tag(id, hash, offset(tag));
    return p;
  }
  // In XHTML, SVG and MathML, and for elements that HTML does not know, "/>" is an end tag.
  if (self_closing &&
      (is_empty || id == HtmlTag::unknown || id == HtmlTag::svg || id == HtmlTag::math ||
       builder_.in(HtmlTag::svg) || builder_.in(HtmlTag::math))) {
    builder_.end_tag(id, hash, offset(tag));
  }
  return p;
}

const char* HtmlTokenizer::read_end_tag(const char* tag) {
  const char* p = tag + 2;
  if (p >= end_) return nullptr;
  if (!is(*p, kLetter)) {  // "</>" and "</ …>" are comments
    const char* close = find_byte(p, end_, '>');
    return close == nullptr ? nullptr : close + 1;
  }
  uint32_t hash = kHtmlNameSeed;
  while (p < end_ && (!is(*p, kNameEnd) || *p == '=')) hash = html_name_step(hash, *p++);
  const std::string_view name(tag + 2, static_cast<size_t>(p - tag - 2));
  if (p < end_ && *p == '>') {
    ++p;
  } else {
    attributes_ = {};
    bool self_closing = false;
    p = read_attributes(p, attributes_, self_closing);
    if (p == nullptr) return nullptr;
  }
  builder_.end_tag(find_html_tag(name, hash), hash, offset(tag));
  return p;
}

const char* HtmlTokenizer::read_declaration(const char* tag) {
  const std::string_view rest(tag, static_cast<size_t>(end_ - tag));
  if (rest.starts_with("<!--")) {
    if (rest.substr(4).starts_with(">")) return tag + 5;
    if (rest.substr(4).starts_with("->")) return tag + 6;
    if (!no_comment_end_) {
      const size_t close = rest.find("-->", 4);
      no_comment_end_ = close == std::string_view::npos;
      const size_t bang = rest.substr(0, close).find("--!>", 4);
      if (bang != std::string_view::npos) return tag + bang + 4;
      if (close != std::string_view::npos) return tag + close + 3;
    }
    // Never closed: the rest of a file that was cut off. A page that goes on to its end is not
    // given up: there the comment goes up to the next ">".
    if (find_page_part(tag + 4) == end_) return end_;
  } else if (rest.starts_with("<![CDATA[") && !no_cdata_end_) {
    const size_t close = rest.find("]]>", 9);
    if (close != std::string_view::npos) {
      if (is_xhtml_ || builder_.in(HtmlTag::math) || builder_.in(HtmlTag::svg)) {
        add_literal(tag + 9, tag + close);
      }
      return tag + close + 3;
    }
    no_cdata_end_ = true;
  }
  const char* close = find_byte(tag, end_, '>');
  return close == nullptr ? nullptr : close + 1;
}

// Where the end tag of a raw element begins, or null. Scripts may hold "<!-- <script> </script>
// -->", whose inner end tag does not count.
const char* HtmlTokenizer::find_raw_end(const char* content, std::string_view name,
                                        bool is_script) {
  bool escaped = false, inner = false;
  const char* fallback = nullptr;
  const char* seen = content;
  const auto names_element = [&](const char* p) {
    if (static_cast<size_t>(end_ - p) < name.size()) return false;
    for (size_t i = 0; i < name.size(); ++i) {
      if ((p[i] | 0x20) != (name[i] | 0x20)) return false;
    }
    return p + name.size() >= end_ || is(p[name.size()], kNameEnd);
  };
  for (const char* p = content; (p = find_byte(p, end_, '<')) != nullptr; ++p) {
    if (escaped) {
      const std::string_view between(seen, static_cast<size_t>(p - seen));
      if (between.find("-->") != std::string_view::npos) escaped = inner = false;
      seen = p;
    }
    if (p + 1 < end_ && p[1] == '/' && names_element(p + 2)) {
      if (!inner) return p;
      if (fallback == nullptr) fallback = p;
      inner = false;
    } else if (is_script && end_ - p > 3 && std::memcmp(p, "<!--", 4) == 0) {
      if (!escaped) seen = p;
      escaped = true;
    } else if (escaped && names_element(p + 1)) {
      inner = true;
    }
  }
  if (fallback != nullptr) no_script_escapes_ = true;
  return fallback;
}

// Where a head ends, or a body begins or ends, outside of quotes; else the end. A file that was cut
// off within a script has none of these behind it.
const char* HtmlTokenizer::find_page_part(const char* p) {
  if (page_part_ != nullptr && page_part_ >= p) return page_part_;
  page_part_ = end_;
  const char* before = p;
  for (; (p = find_byte(p, end_, '<')) != nullptr; ++p) {
    if (p > before && !is(p[-1], kWhite) && p[-1] != '>') continue;
    const std::string_view rest(p, std::min<size_t>(8, static_cast<size_t>(end_ - p)));
    for (const std::string_view part : {"</head", "<body", "</body", "</html"}) {
      if (rest.size() > part.size() && equals_ignoring_case(rest.substr(0, part.size()), part) &&
          is(rest[part.size()], kNameEnd))
        return page_part_ = p;
    }
  }
  return end_;
}

const char* HtmlTokenizer::read_raw(const char* content, HtmlTag tag, std::string_view name,
                                    const HtmlAttributes& attributes) {
  const char* close = nullptr;
  bool& none = no_raw_end_[static_cast<size_t>(tag)];
  if (tag != HtmlTag::plaintext && !none) {
    close = find_raw_end(content, name, tag == HtmlTag::script && !no_script_escapes_);
    none = close == nullptr;
  }
  if (close == nullptr && has_property(tag, kTagInvisible)) {
    // Mostly the file was cut off here. What is left is source, as in browsers; only a page that
    // visibly goes on is not given up.
    const char* part = find_page_part(content);
    if (tag == HtmlTag::title && tree_.title.data() == nullptr && !builder_.in(HtmlTag::svg)) {
      const char* tag_begin = find_byte(content, part, '<');
      tree_.title = {content, static_cast<size_t>((tag_begin ? tag_begin : part) - content)};
    }
    return part;
  }
  const char* stop = close == nullptr ? end_ : close;
  const std::string_view body(content, static_cast<size_t>(stop - content));
  if (tag == HtmlTag::title) {
    if (tree_.title.data() == nullptr && !builder_.in(HtmlTag::svg)) tree_.title = body;
  } else if (tag == HtmlTag::script) {
    if (attributes.type.size() >= 19 && body.size() <= kMaxJsonBytes &&
        equals_ignoring_case(attributes.type.substr(0, 19), "application/ld+json") &&
        tree_.json_ld.size() < kMaxJsonScripts) {
      tree_.json_ld.push_back(body);
    }
  } else if (!has_property(tag, kTagInvisible)) {
    add_text(content, stop);
  }
  if (close == nullptr) return end_;
  const char* after = find_byte(close, end_, '>');
  return after == nullptr ? end_ : after + 1;
}

}  // namespace

HtmlTree parse_html(std::string_view page, bool is_xhtml) {
  HtmlTree tree;
  tree.source = page;
  tree.nodes.reserve(std::min(node_limit(page.size()), page.size() / 24 + 16));
  HtmlTokenizer(tree, page, is_xhtml).run();
  return tree;
}

}  // namespace headrace
