// The elements of HTML that matter for reading text, and what each does to the text around it.
//
// Owns: constant tables. Threads: any. Errors: none; an unknown name is HtmlTag::unknown.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace headrace {

// Properties of an element, as bits.
inline constexpr uint16_t kTagBlock = 1;       // begins and ends a line: text does not run across
inline constexpr uint16_t kTagVoid = 2;        // never has content or an end tag
inline constexpr uint16_t kTagRaw = 4;         // content is characters up to its end tag
inline constexpr uint16_t kTagClosesP = 8;     // its start tag ends an open paragraph
inline constexpr uint16_t kTagScope = 16;      // implied end tags do not reach beyond it
inline constexpr uint16_t kTagInvisible = 32;  // its content is never shown as text
inline constexpr uint16_t kTagForm = 64;       // control of a form: shown, but not to be read
inline constexpr uint16_t kTagEndOptional = 128;  // often written without its end tag

// X(enumerator, name, properties). text and unknown are kinds of node, not names.
#define HEADRACE_HTML_TAGS(X)                                  \
  X(a, "a", 0)                                                 \
  X(address, "address", kTagBlock | kTagClosesP)               \
  X(applet, "applet", kTagScope)                               \
  X(area, "area", kTagVoid)                                    \
  X(article, "article", kTagBlock | kTagClosesP)               \
  X(aside, "aside", kTagBlock | kTagClosesP)                   \
  X(audio, "audio", kTagInvisible)                             \
  X(b, "b", 0)                                                 \
  X(base, "base", kTagVoid)                                    \
  X(basefont, "basefont", kTagVoid)                            \
  X(blockquote, "blockquote", kTagBlock | kTagClosesP)         \
  X(body, "body", kTagBlock)                                   \
  X(br, "br", kTagVoid)                                        \
  X(button, "button", kTagScope | kTagForm)                    \
  X(canvas, "canvas", kTagInvisible)                           \
  X(caption, "caption", kTagBlock | kTagScope)                 \
  X(center, "center", kTagBlock | kTagClosesP)                 \
  X(cite, "cite", 0)                                           \
  X(code, "code", 0)                                           \
  X(col, "col", kTagVoid)                                      \
  X(colgroup, "colgroup", kTagEndOptional)                     \
  X(datalist, "datalist", kTagInvisible)                       \
  X(dd, "dd", kTagBlock | kTagClosesP | kTagEndOptional)       \
  X(details, "details", kTagBlock | kTagClosesP)               \
  X(dialog, "dialog", kTagBlock | kTagClosesP)                 \
  X(dir, "dir", kTagBlock | kTagClosesP)                       \
  X(div, "div", kTagBlock | kTagClosesP)                       \
  X(dl, "dl", kTagBlock | kTagClosesP)                         \
  X(dt, "dt", kTagBlock | kTagClosesP | kTagEndOptional)       \
  X(em, "em", 0)                                               \
  X(embed, "embed", kTagVoid)                                  \
  X(fieldset, "fieldset", kTagBlock | kTagClosesP)             \
  X(figcaption, "figcaption", kTagBlock | kTagClosesP)         \
  X(figure, "figure", kTagBlock | kTagClosesP)                 \
  X(font, "font", 0)                                           \
  X(footer, "footer", kTagBlock | kTagClosesP)                 \
  X(form, "form", kTagBlock | kTagClosesP)                     \
  X(frame, "frame", kTagVoid)                                  \
  X(h1, "h1", kTagBlock | kTagClosesP)                         \
  X(h2, "h2", kTagBlock | kTagClosesP)                         \
  X(h3, "h3", kTagBlock | kTagClosesP)                         \
  X(h4, "h4", kTagBlock | kTagClosesP)                         \
  X(h5, "h5", kTagBlock | kTagClosesP)                         \
  X(h6, "h6", kTagBlock | kTagClosesP)                         \
  X(head, "head", 0)                                           \
  X(header, "header", kTagBlock | kTagClosesP)                 \
  X(hgroup, "hgroup", kTagBlock | kTagClosesP)                 \
  X(hr, "hr", kTagBlock | kTagVoid | kTagClosesP)              \
  X(html, "html", kTagBlock | kTagScope)                       \
  X(i, "i", 0)                                                 \
  X(iframe, "iframe", kTagRaw | kTagInvisible)                 \
  X(img, "img", kTagVoid)                                      \
  X(input, "input", kTagVoid)                                  \
  X(label, "label", 0)                                         \
  X(legend, "legend", kTagBlock)                               \
  X(li, "li", kTagBlock | kTagClosesP | kTagEndOptional)       \
  X(link, "link", kTagVoid)                                    \
  X(listing, "listing", kTagBlock | kTagClosesP)               \
  X(main, "main", kTagBlock | kTagClosesP)                     \
  X(marquee, "marquee", kTagScope)                             \
  X(math, "math", 0)                                           \
  X(menu, "menu", kTagBlock | kTagClosesP)                     \
  X(meta, "meta", kTagVoid)                                    \
  X(nav, "nav", kTagBlock | kTagClosesP)                       \
  X(noembed, "noembed", kTagRaw | kTagInvisible)               \
  X(noframes, "noframes", kTagBlock)                           \
  X(noscript, "noscript", kTagInvisible)                       \
  X(object, "object", kTagScope)                               \
  X(ol, "ol", kTagBlock | kTagClosesP)                         \
  X(optgroup, "optgroup", kTagForm | kTagEndOptional)          \
  X(option, "option", kTagBlock | kTagForm | kTagEndOptional)  \
  X(p, "p", kTagBlock | kTagClosesP | kTagEndOptional)         \
  X(param, "param", kTagVoid)                                  \
  X(plaintext, "plaintext", kTagBlock | kTagClosesP | kTagRaw) \
  X(pre, "pre", kTagBlock | kTagClosesP)                       \
  X(rp, "rp", 0)                                               \
  X(rt, "rt", 0)                                               \
  X(script, "script", kTagRaw | kTagInvisible)                 \
  X(section, "section", kTagBlock | kTagClosesP)               \
  X(select, "select", kTagForm)                                \
  X(source, "source", kTagVoid)                                \
  X(span, "span", 0)                                           \
  X(strong, "strong", 0)                                       \
  X(style, "style", kTagRaw | kTagInvisible)                   \
  X(sub, "sub", 0)                                             \
  X(summary, "summary", kTagBlock | kTagClosesP)               \
  X(sup, "sup", 0)                                             \
  X(svg, "svg", kTagInvisible)                                 \
  X(table, "table", kTagBlock | kTagClosesP | kTagScope)       \
  X(tbody, "tbody", kTagBlock | kTagEndOptional)               \
  X(td, "td", kTagBlock | kTagScope | kTagEndOptional)         \
  X(template_, "template", kTagScope | kTagInvisible)          \
  X(textarea, "textarea", kTagRaw | kTagForm)                  \
  X(tfoot, "tfoot", kTagBlock | kTagEndOptional)               \
  X(th, "th", kTagBlock | kTagScope | kTagEndOptional)         \
  X(thead, "thead", kTagBlock | kTagEndOptional)               \
  X(time, "time", 0)                                           \
  X(title, "title", kTagRaw | kTagInvisible)                   \
  X(tr, "tr", kTagBlock | kTagEndOptional)                     \
  X(track, "track", kTagVoid)                                  \
  X(ul, "ul", kTagBlock | kTagClosesP)                         \
  X(video, "video", kTagInvisible)                             \
  X(wbr, "wbr", kTagVoid)                                      \
  X(xmp, "xmp", kTagBlock | kTagClosesP | kTagRaw)

enum class HtmlTag : uint8_t {
  text,     // not an element: a run of characters
  unknown,  // an element without an entry above; inline
#define X(tag, name, properties) tag,
  HEADRACE_HTML_TAGS(X)
#undef X
      count_,
};

inline constexpr size_t kHtmlTagCount = static_cast<size_t>(HtmlTag::count_);

inline constexpr std::array<uint16_t, kHtmlTagCount> kHtmlTagProperties = {0, 0,
#define X(tag, name, properties) properties,
                                                                           HEADRACE_HTML_TAGS(X)
#undef X
};

constexpr bool has_property(HtmlTag tag, uint16_t property) {
  return (kHtmlTagProperties[static_cast<size_t>(tag)] & property) != 0;
}
constexpr bool is_html_heading(HtmlTag tag) {
  return tag >= HtmlTag::h1 && tag <= HtmlTag::h6;
}

// The hash by which names are looked up and unknown names compared: over lower-case letters.
constexpr uint32_t kHtmlNameSeed = 2166136261u;
constexpr uint32_t html_name_step(uint32_t hash, char c) {
  const auto lower = static_cast<uint8_t>(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
  return (hash ^ lower) * 16777619u;
}

// `name` in any case; `hash` as html_name_step gives it over the name.
HtmlTag find_html_tag(std::string_view name, uint32_t hash);
std::string_view html_tag_name(HtmlTag tag);

// Equal but for the case of ASCII letters; `lower` is in lower case.
bool equals_ignoring_case(std::string_view text, std::string_view lower);

}  // namespace headrace
