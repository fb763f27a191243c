#include "decode/html_head.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "decode/html_entities.h"
#include "decode/html_hints.h"

namespace headrace {
namespace {

// Words only, lower-case ASCII: what titles are compared by.
std::string folded(std::string_view text) {
  std::string out;
  bool gap = false;
  for (char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    const bool is_word =
        byte >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!is_word) {
      gap = !out.empty();
      continue;
    }
    if (gap) out += ' ';
    gap = false;
    out += c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  }
  return out;
}

std::string meta_value(const HtmlTree& tree, std::initializer_list<std::string_view> keys) {
  for (std::string_view key : keys) {
    for (const HtmlMeta& meta : tree.metas) {
      if (!equals_ignoring_case(meta.key, key)) continue;
      std::string value = html_plain_text(meta.content, true);
      if (!value.empty()) return value;
    }
  }
  return {};
}

bool is_address(std::string_view text) {
  return text.starts_with("http://") || text.starts_with("https://") || text.starts_with("//");
}

// The text of one element, without what is invisible.
std::string element_text(const HtmlTree& tree, uint32_t index) {
  constexpr size_t kLongest = 1000;
  std::string raw;
  const uint32_t end = tree.nodes[index].end;
  for (uint32_t i = index + 1; i < end && raw.size() < kLongest;) {
    const HtmlNode& node = tree.nodes[i];
    if ((node.flags & (kNodeInvisible | kNodeHidden)) != 0 || (node.hints & kHintTool) != 0) {
      i = node.end;
      continue;
    }
    if ((node.flags & kNodeSpaceBefore) != 0 || node.tag == HtmlTag::br) raw += ' ';
    if (node.tag == HtmlTag::text) raw += tree.text_of(node).substr(0, kLongest);
    ++i;
  }
  return html_plain_text(raw, false);
}

// The heading that names the page: the first <h1> with words that the title has too, else the only.
std::string page_heading(const HtmlTree& tree, std::string_view title) {
  const std::string folded_title = folded(title);
  std::string only;
  size_t headings = 0;
  for (uint32_t i = 0; i < tree.nodes.size() && headings < 16; ++i) {
    if (tree.nodes[i].tag != HtmlTag::h1) continue;
    std::string text = element_text(tree, i);
    const std::string folded_text = folded(text);
    if (folded_text.empty()) continue;
    if (folded_text.size() >= 4 && folded_title.find(folded_text) != std::string::npos) return text;
    if (headings++ == 0) only = std::move(text);
  }
  return headings == 1 ? only : std::string();
}

// "Page | Site", "Page - Site", "Site: Page": without the site's name, if we know that.
std::string without_site(const std::string& title, std::string_view site) {
  constexpr std::array<std::string_view, 8> kSeparators = {" | ",  " - ", " – ", " — ",
                                                           " :: ", " · ", " » ", " « "};
  const std::string folded_site = folded(site);
  if (folded_site.empty()) return title;
  for (std::string_view separator : kSeparators) {
    const size_t last = title.rfind(separator);
    if (last == std::string::npos || last == 0) continue;
    if (folded(std::string_view(title).substr(last + separator.size())) == folded_site) {
      return title.substr(0, last);
    }
    const size_t first = title.find(separator);
    if (folded(std::string_view(title).substr(0, first)) == folded_site) {
      return title.substr(first + separator.size());
    }
  }
  return title;
}

std::string choose_title(const HtmlTree& tree) {
  const std::string written = html_plain_text(tree.title, false);
  const std::string shared = meta_value(tree, {"og:title", "twitter:title", "dc.title"});
  const std::string heading = page_heading(tree, written.empty() ? shared : written);
  const std::string site = meta_value(tree, {"og:site_name", "application-name"});
  if (written.empty()) {
    if (!shared.empty()) return without_site(shared, site);
    return heading;
  }
  const std::string folded_written = folded(written);
  const auto confirmed = [&](const std::string& candidate) {
    const std::string text = folded(candidate);
    return !text.empty() && folded_written.find(text) != std::string::npos;
  };
  if (confirmed(heading) && folded(heading) != folded(site)) return heading;
  if (confirmed(shared) && folded(shared) != folded(site)) return without_site(shared, site);
  return without_site(written, site);
}

// Walks JSON-LD for the object that describes the page.
class JsonLdReader {
 public:
  explicit JsonLdReader(HtmlHead& head) : head_(head) {}

  void read(std::string_view json) {
    simdjson::padded_string padded(json);
    simdjson::dom::element root;
    if (parser_.parse(padded).get(root) != simdjson::SUCCESS) return;
    visit(root, 0);
  }

 private:
  static constexpr int kMaxDepth = 8;

  static std::string text(simdjson::dom::element element) {
    std::string_view view;
    if (element.get_string().get(view) != simdjson::SUCCESS) return {};
    return html_plain_text(view, false);
  }

  static bool names_article(simdjson::dom::element type) {
    simdjson::dom::array list;
    if (type.get_array().get(list) == simdjson::SUCCESS) {
      for (simdjson::dom::element entry : list) {
        if (names_article(entry)) return true;
      }
      return false;
    }
    std::string_view name;
    if (type.get_string().get(name) != simdjson::SUCCESS) return false;
    return (name.ends_with("Article") && name != "TechArticle") || name == "BlogPosting";
  }

  static std::string name_of(simdjson::dom::element element) {
    simdjson::dom::array list;
    if (element.get_array().get(list) == simdjson::SUCCESS) {
      std::string names;
      size_t count = 0;
      for (simdjson::dom::element entry : list) {
        if (++count > 32) break;
        const std::string name = name_of_one(entry);
        if (name.empty()) continue;
        if (!names.empty()) names += ", ";
        names += name;
      }
      return names;
    }
    return name_of_one(element);
  }

  static std::string name_of_one(simdjson::dom::element element) {
    simdjson::dom::element name;
    if (element.is_object() && element["name"].get(name) == simdjson::SUCCESS) return text(name);
    return text(element);
  }

  void visit(simdjson::dom::element element, int depth) {
    if (depth > kMaxDepth) return;
    simdjson::dom::array list;
    if (element.get_array().get(list) == simdjson::SUCCESS) {
      for (simdjson::dom::element entry : list) visit(entry, depth + 1);
      return;
    }
    simdjson::dom::object object;
    if (element.get_object().get(object) != simdjson::SUCCESS) return;
    simdjson::dom::element value;
    const auto take = [&](const char* key, std::string& slot) {
      if (slot.empty() && object[key].get(value) == simdjson::SUCCESS) slot = text(value);
    };
    take("articleBody", head_.article_body);
    take("datePublished", head_.date);
    simdjson::dom::element type;
    if (object["@type"].get(type) == simdjson::SUCCESS) head_.is_article |= names_article(type);
    if (head_.author.empty() && object["author"].get(value) == simdjson::SUCCESS) {
      head_.author = name_of(value);
    }
    for (const char* key : {"@graph", "mainEntity", "mainEntityOfPage"}) {
      if (object[key].get(value) == simdjson::SUCCESS) visit(value, depth + 1);
    }
  }

  HtmlHead& head_;
  simdjson::dom::parser parser_;
};

bool is_documentation_tool(std::string_view generator) {
  constexpr std::array<std::string_view, 16> kTools = {
      "docbook",    "sphinx",  "docutils", "doxygen",  "javadoc",  "mkdocs",
      "docusaurus", "gitbook", "texi2any", "makeinfo", "asciidoc", "latex2html",
      "pandoc",     "tex4ht",  "rustdoc",  "groff"};
  const std::string name = folded(generator);
  return std::any_of(kTools.begin(), kTools.end(),
                     [&](std::string_view tool) { return name.find(tool) != std::string::npos; });
}

std::string primary_language(std::string_view tag) {
  std::string out;
  for (char c : tag) {
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    if (lower < 'a' || lower > 'z') break;
    out += lower;
  }
  return out.size() >= 2 && out.size() <= 8 ? out : std::string();
}

}  // namespace

HtmlHead read_html_head(const HtmlTree& tree) {
  HtmlHead head;
  if (!tree.json_ld.empty()) {
    JsonLdReader reader(head);
    for (std::string_view json : tree.json_ld) reader.read(json);
  }
  head.title = choose_title(tree);
  const std::string author = meta_value(
      tree, {"author", "article:author", "dc.creator", "parsely-author", "sailthru.author"});
  if (!author.empty() && !is_address(author)) head.author = author;
  const std::string date = meta_value(tree, {"article:published_time", "datepublished", "dc.date",
                                             "date", "pubdate", "parsely-pub-date"});
  if (!date.empty()) head.date = date;
  if (head.date.empty()) head.date = html_plain_text(tree.time, true);
  head.is_article |= equals_ignoring_case(meta_value(tree, {"og:type"}), "article") ||
                     !meta_value(tree, {"article:published_time"}).empty();
  head.is_manual = is_documentation_tool(meta_value(tree, {"generator"}));
  head.description = meta_value(tree, {"og:description", "description", "twitter:description"});
  head.url = html_plain_text(tree.canonical, true);
  if (head.url.empty()) head.url = meta_value(tree, {"og:url"});
  head.language = primary_language(tree.language);
  if (head.language.empty()) {
    head.language = primary_language(
        meta_value(tree, {"og:locale", "content-language", "dc.language", "language"}));
  }
  return head;
}

}  // namespace headrace
