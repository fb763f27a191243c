#include "decode/html.h"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "decode/html_content.h"
#include "decode/html_head.h"
#include "decode/html_text.h"
#include "decode/html_tree.h"

namespace headrace {
namespace {

constexpr size_t kMaxPageBytes = size_t{512} << 20;

void set_if_said(Metadata& metadata, const char* key, std::string value) {
  if (!value.empty()) metadata[key] = std::move(value);
}

}  // namespace

Result<Document> decode_html(std::string_view html, const HtmlOptions& options) {
  if (html.size() > kMaxPageBytes) {
    return fail(ErrorCode::too_large,
                fmt::format("the HTML page has {} bytes, the limit is {}", html.size(),
                            kMaxPageBytes),
                "split the page, or give its text as a plain text file");
  }
  const HtmlTree tree = parse_html(html);
  HtmlHead head = read_html_head(tree);
  HtmlText content;
  if (options.whole_page) {
    content = write_html_text(tree, find_visible_html(tree), true);
  } else {
    HtmlContentOptions finder;
    finder.is_article = head.is_article;
    finder.is_manual = head.is_manual;
    finder.title = head.title;
    content = write_html_text(tree, find_html_content(tree, finder), false);
  }
  Document document;
  document.media_type = "text/html";
  document.title = std::move(head.title);
  document.language = std::move(head.language);
  document.text = std::move(content.text);
  document.blocks = std::move(content.blocks);
  set_if_said(document.metadata, "author", std::move(head.author));
  set_if_said(document.metadata, "date", std::move(head.date));
  set_if_said(document.metadata, "description", std::move(head.description));
  set_if_said(document.metadata, "url", std::move(head.url));
  return document;
}

}  // namespace headrace
