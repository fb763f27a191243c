// What an element says about itself: the words of its class and id, its role, its microdata, its
// own name. Hints, not proof: the content finder weighs them against the text.
//
// Owns: a constant table of words. Threads: any. Errors: none.
#pragma once

#include <cstdint>

#include "decode/html_tags.h"

namespace headrace {

struct HtmlAttributes;

inline constexpr uint32_t kHintSubject = 1u << 0;      // article, post, story, entry
inline constexpr uint32_t kHintBody = 1u << 1;         // body, content, text, main
inline constexpr uint32_t kHintArticleBody = 1u << 2;  // both in one name; microdata articleBody
inline constexpr uint32_t kHintMain = 1u << 3;         // <main>, role=main
inline constexpr uint32_t kHintNav = 1u << 4;          // navigation, menus, bread crumbs
inline constexpr uint32_t kHintFooter = 1u << 5;
inline constexpr uint32_t kHintHeader = 1u << 6;      // of the page or of the article
inline constexpr uint32_t kHintAside = 1u << 7;       // side bars, rails
inline constexpr uint32_t kHintAd = 1u << 8;          // advertisements, sponsors
inline constexpr uint32_t kHintShare = 1u << 9;       // share and follow buttons
inline constexpr uint32_t kHintRelated = 1u << 10;    // other pages worth reading
inline constexpr uint32_t kHintComment = 1u << 11;    // readers' comments
inline constexpr uint32_t kHintForm = 1u << 12;       // newsletter, login, search, cookie notice
inline constexpr uint32_t kHintByline = 1u << 13;     // author, date, tags
inline constexpr uint32_t kHintCaption = 1u << 14;    // picture captions and credits
inline constexpr uint32_t kHintTool = 1u << 15;       // edit links, permalinks, line numbers
inline constexpr uint32_t kHintUnseen = 1u << 16;     // hidden by a well-known class
inline constexpr uint32_t kHintQualifier = 1u << 17;  // "has-", "with-", "no-": of something else
inline constexpr uint32_t kHintTitle = 1u << 18;      // title, headline
inline constexpr uint32_t kHintContents = 1u << 19;   // table of contents
inline constexpr uint32_t kHintNoPrint = 1u << 20;    // not meant for paper

inline constexpr uint32_t kHintWidget = 1u
                                        << 21;  // anything: side bars' parts, page builders' blocks

uint32_t html_hints(HtmlTag tag, const HtmlAttributes& attributes);

}  // namespace headrace
