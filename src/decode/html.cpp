#include "decode/html.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/utf8.h"
#include "batch/source_lines.h"
#include "decode/html_content.h"
#include "decode/html_entities.h"
#include "decode/html_head.h"
#include "decode/html_text.h"
#include "decode/html_tree.h"
#include "decode/reference.h"

namespace headrace {
namespace {

constexpr size_t kMaxPageBytes = size_t{512} << 20;

void set_if_said(Metadata& metadata, const char* key, std::string value) {
  if (!value.empty()) metadata[key] = std::move(value);
}

// A page with less than this has hardly any content: worth a second look.
constexpr size_t kScantBytes = 250;

// JSON-LD's articleBody as a document of its own: for pages whose scripts write the text.
HtmlText text_of_article_body(const std::string& body) {
  HtmlText out;
  out.text = body;
  out.blocks.push_back({.begin = 0, .end = static_cast<uint32_t>(body.size())});
  return out;
}

HtmlText write_main_content(const HtmlTree& tree, const HtmlHead& head) {
  HtmlContentOptions options;
  options.is_article = head.is_article;
  options.is_manual = head.is_manual;
  options.title = head.title;
  HtmlText best = write_html_text(tree, find_html_content(tree, options), false);
  if (best.text.size() >= kScantBytes) return best;
  // Little was found: the text may be hidden until a script shows it, stand in JSON-LD only, or be
  // no prose at all.
  const std::vector<HtmlFate> declared = find_declared_html(tree);
  if (!declared.empty()) {
    HtmlText text = write_html_text(tree, declared, false);
    options.has_declared = !text.text.empty();
    if (options.has_declared) best = std::move(text);
  }
  const auto take_if_richer = [&](HtmlText candidate) {
    if (candidate.text.size() > 2 * best.text.size()) best = std::move(candidate);
  };
  options.keep_hidden = true;
  if (head.is_article) {
    take_if_richer(write_html_text(tree, find_html_content(tree, options), false));
  }
  if (!head.article_body.empty()) take_if_richer(text_of_article_body(head.article_body));
  if (best.text.size() >= kScantBytes || head.is_article) return best;
  options.keep_hidden = false;
  options.is_manual = true;
  take_if_richer(write_html_text(tree, find_html_content(tree, options), false));
  if (best.text.empty()) best = write_html_text(tree, find_visible_html(tree), false);
  return best;
}

// As far as the page itself says where they lead: the rest is resolved against its place.
std::vector<Link> read_links(const HtmlTree& tree, const HtmlText& content,
                             const std::string& address) {
  std::vector<Link> links;
  if (content.links.empty()) return links;
  const std::string base = clean_reference(html_plain_text(tree.base, true));
  links.reserve(std::min(content.links.size(), kDocumentLinksMax));
  size_t bytes = 0;
  for (const HtmlTextLink& place : content.links) {
    const std::string_view href = tree.links[place.link].href;
    if (href.empty() || href[0] == '#' || href.size() > 2 * kReferenceBytesMax) continue;
    const bool plain = href.find('&') == std::string_view::npos && is_valid_utf8(href);
    std::string target =
        plain ? clean_reference(href) : clean_reference(html_plain_text(href, true));
    if (!base.empty()) {
      target = resolve_reference(base, target);
    } else if (target.starts_with('/') && has_host(address)) {
      target = resolve_reference(address, target);
    }
    if (target.empty()) continue;
    bytes += target.size();
    if (links.size() == kDocumentLinksMax || bytes > kDocumentLinkBytesMax) break;
    links.push_back({place.at, std::move(target)});
  }
  return links;
}

std::vector<LineBegin> read_lines(const HtmlTree& tree, const HtmlText& content) {
  LineCounter lines(tree.source);
  LineNotes notes;
  for (const HtmlTextPlace& place : content.places)
    notes.note(content.text, place.at, lines.line_at(place.source));
  return notes.take();
}

}  // namespace

Result<Document> decode_html(std::string_view html, const HtmlOptions& options) {
  if (html.size() > kMaxPageBytes) {
    return fail(
        ErrorCode::too_large,
        fmt::format("the HTML page has {} bytes, the limit is {}", html.size(), kMaxPageBytes),
        "split the page, or give its text as a plain text file");
  }
  const HtmlTree tree = parse_html(html, options.is_xhtml);
  HtmlHead head = read_html_head(tree);
  HtmlText content;
  if (options.whole_page) {
    content = write_html_text(tree, find_visible_html(tree), true);
  } else {
    content = write_main_content(tree, head);
  }
  Document document;
  document.media_type = "text/html";
  document.title = std::move(head.title);
  document.language = std::move(head.language);
  document.links = read_links(tree, content, head.url);
  document.lines = read_lines(tree, content);
  document.text = std::move(content.text);
  document.blocks = std::move(content.blocks);
  set_if_said(document.metadata, "author", std::move(head.author));
  set_if_said(document.metadata, "date", std::move(head.date));
  set_if_said(document.metadata, "description", std::move(head.description));
  set_if_said(document.metadata, "url", std::move(head.url));
  return document;
}

}  // namespace headrace
