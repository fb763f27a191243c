#include "decode/html_hints.h"

#include <array>
#include <string_view>

#include "decode/html_parser.h"

namespace headrace {
namespace {

struct Word {
  std::string_view text;
  uint32_t hint;
};

// Words as they appear in class names all over the web, in lower case.
constexpr Word kWords[] = {
    {"article", kHintSubject},
    {"post", kHintSubject},
    {"story", kHintSubject},
    {"entry", kHintSubject},
    {"blog", kHintSubject},
    {"blogpost", kHintSubject},
    {"news", kHintSubject},
    {"single", kHintSubject},
    {"body", kHintBody},
    {"content", kHintBody},
    {"contents", kHintBody},
    {"text", kHintBody},
    {"copy", kHintBody},
    {"main", kHintBody},
    {"articlebody", kHintArticleBody},
    {"articlecontent", kHintArticleBody},
    {"articletext", kHintArticleBody},
    {"bodycontent", kHintArticleBody},
    {"bodytext", kHintArticleBody},
    {"maincontent", kHintMain},
    {"postbody", kHintArticleBody},
    {"postcontent", kHintArticleBody},
    {"entrycontent", kHintArticleBody},
    {"storybody", kHintArticleBody},
    {"storytext", kHintArticleBody},
    {"storycontent", kHintArticleBody},
    {"nav", kHintNav},
    {"navbar", kHintNav},
    {"navbox", kHintNav},
    {"navigation", kHintNav},
    {"navheader", kHintNav},
    {"navfooter", kHintNav},
    {"menu", kHintNav},
    {"submenu", kHintNav},
    {"topnav", kHintNav},
    {"subnav", kHintNav},
    {"bottomnav", kHintNav},
    {"breadcrumb", kHintNav},
    {"breadcrumbs", kHintNav},
    {"pager", kHintNav},
    {"pagination", kHintNav},
    {"paging", kHintNav},
    {"pagenav", kHintNav},
    {"prevnext", kHintNav},
    {"sitemap", kHintNav},
    {"skip", kHintNav},
    {"skiplink", kHintNav},
    {"toc", kHintContents},
    {"tableofcontents", kHintContents},
    {"footer", kHintFooter},
    {"foot", kHintFooter},
    {"bottom", kHintFooter},
    {"copyright", kHintFooter},
    {"legal", kHintFooter},
    {"disclaimer", kHintFooter},
    {"colophon", kHintFooter},
    {"header", kHintHeader},
    {"masthead", kHintHeader},
    {"topbar", kHintHeader},
    {"banner", kHintAd},
    {"sidebar", kHintAside},
    {"sidebars", kHintAside},
    {"sidenav", kHintNav},
    {"aside", kHintAside},
    {"rail", kHintAside},
    {"widget", kHintWidget},
    {"widgets", kHintWidget},
    {"rightrail", kHintAside},
    {"leftrail", kHintAside},
    {"rightcol", kHintAside},
    {"ad", kHintAd},
    {"ads", kHintAd},
    {"adv", kHintAd},
    {"advert", kHintAd},
    {"adverts", kHintAd},
    {"advertisement", kHintAd},
    {"advertisements", kHintAd},
    {"advertising", kHintAd},
    {"adbox", kHintAd},
    {"adslot", kHintAd},
    {"adsbygoogle", kHintAd},
    {"adunit", kHintAd},
    {"adwrapper", kHintAd},
    {"dfp", kHintAd},
    {"sponsor", kHintAd},
    {"sponsored", kHintAd},
    {"sponsors", kHintAd},
    {"promo", kHintAd},
    {"promos", kHintAd},
    {"promotion", kHintAd},
    {"taboola", kHintAd},
    {"outbrain", kHintAd},
    {"zergnet", kHintAd},
    {"marketing", kHintAd},
    {"affiliate", kHintAd},
    {"share", kHintShare},
    {"shares", kHintShare},
    {"sharebar", kHintShare},
    {"sharing", kHintShare},
    {"sharedaddy", kHintShare},
    {"social", kHintShare},
    {"socials", kHintShare},
    {"addthis", kHintShare},
    {"addtoany", kHintShare},
    {"addtoany", kHintShare},
    {"follow", kHintShare},
    {"likes", kHintShare},
    {"related", kHintRelated},
    {"relatedposts", kHintRelated},
    {"relatedarticles", kHintRelated},
    {"relateds", kHintRelated},
    {"jprelatedposts", kHintRelated},
    {"yarpp", kHintRelated},
    {"recommended", kHintRelated},
    {"recommendation", kHintRelated},
    {"recommendations", kHintRelated},
    {"recommend", kHintRelated},
    {"recirc", kHintRelated},
    {"recirculation", kHintRelated},
    {"readmore", kHintRelated},
    {"readnext", kHintRelated},
    {"morefrom", kHintRelated},
    {"upnext", kHintRelated},
    {"trending", kHintRelated},
    {"popular", kHintRelated},
    {"mostread", kHintRelated},
    {"mostpopular", kHintRelated},
    {"suggested", kHintRelated},
    {"teaser", kHintRelated},
    {"teasers", kHintRelated},
    {"latest", kHintRelated},
    {"headlines", kHintRelated},
    {"comment", kHintComment},
    {"comments", kHintComment},
    {"commentlist", kHintComment},
    {"commentform", kHintComment},
    {"disqus", kHintComment},
    {"respond", kHintComment},
    {"reply", kHintComment},
    {"replies", kHintComment},
    {"newsletter", kHintForm},
    {"newsletters", kHintForm},
    {"subscribe", kHintForm},
    {"subscription", kHintForm},
    {"subscriptions", kHintForm},
    {"signup", kHintForm},
    {"signin", kHintForm},
    {"login", kHintForm},
    {"register", kHintForm},
    {"registration", kHintForm},
    {"modal", kHintForm},
    {"popup", kHintForm},
    {"lightbox", kHintForm},
    {"overlay", kHintForm},
    {"cookie", kHintForm},
    {"cookies", kHintForm},
    {"consent", kHintForm},
    {"gdpr", kHintForm},
    {"search", kHintForm},
    {"searchform", kHintForm},
    {"poll", kHintForm},
    {"survey", kHintForm},
    {"optin", kHintForm},
    {"byline", kHintByline},
    {"author", kHintByline},
    {"authors", kHintByline},
    {"bio", kHintByline},
    {"dateline", kHintByline},
    {"date", kHintByline},
    {"published", kHintByline},
    {"timestamp", kHintByline},
    {"meta", kHintByline},
    {"metadata", kHintByline},
    {"postmeta", kHintByline},
    {"tags", kHintByline},
    {"tagcloud", kHintByline},
    {"taglist", kHintByline},
    {"keywords", kHintByline},
    {"categories", kHintByline},
    {"kicker", kHintByline},
    {"eyebrow", kHintByline},
    {"caption", kHintCaption},
    {"captions", kHintCaption},
    {"credit", kHintCaption},
    {"credits", kHintCaption},
    {"figcaption", kHintCaption},
    {"slideshow", kHintCaption},
    {"tool", kHintTool},
    {"tools", kHintTool},
    {"toolbar", kHintTool},
    {"toolbox", kHintTool},
    {"headerlink", kHintTool},
    {"permalink", kHintTool},
    {"editsection", kHintTool},
    {"lineno", kHintTool},
    {"linenos", kHintTool},
    {"linenodiv", kHintTool},
    {"gutter", kHintTool},
    {"copybutton", kHintTool},
    {"button", kHintTool},
    {"buttons", kHintTool},
    {"btn", kHintTool},
    {"noprint", kHintNoPrint},
    {"hidden", kHintUnseen},
    {"invisible", kHintUnseen},
    {"visuallyhidden", kHintUnseen},
    {"sronly", kHintUnseen},
    {"offscreen", kHintUnseen},
    {"has", kHintQualifier},
    {"with", kHintQualifier},
    {"no", kHintQualifier},
    {"without", kHintQualifier},
    {"not", kHintQualifier},
    {"title", kHintTitle},
    {"headline", kHintTitle},
    {"subtitle", kHintTitle},
};

constexpr size_t kSlots = 1024;

constexpr uint32_t hash_of(std::string_view word) {
  uint32_t hash = kHtmlNameSeed;
  for (char c : word) hash = html_name_step(hash, c);
  return hash;
}

constexpr size_t slot_of(uint32_t hash) {
  return (hash ^ (hash >> 15)) & (kSlots - 1);
}

struct Slot {
  uint32_t hash = 0;
  uint32_t hint = 0;
};

// By hash alone: a foreign word with the hash of one of ours is a hint too many, no more.
constexpr std::array<Slot, kSlots> kTable = [] {
  std::array<Slot, kSlots> table{};
  for (const Word& word : kWords) {
    const uint32_t hash = hash_of(word.text);
    size_t slot = slot_of(hash);
    while (table[slot].hint != 0 && table[slot].hash != hash) slot = (slot + 1) & (kSlots - 1);
    table[slot] = {hash, word.hint};
  }
  return table;
}();

uint32_t word_hint(uint32_t hash) {
  for (size_t slot = slot_of(hash); kTable[slot].hint != 0; slot = (slot + 1) & (kSlots - 1)) {
    if (kTable[slot].hash == hash) return kTable[slot].hint;
  }
  return 0;
}

// Words that end in one of these name the same thing ("mainnav", "pagefooter").
constexpr Word kEndings[] = {
    {"nav", kHintNav},         {"menu", kHintNav},        {"breadcrumb", kHintNav},
    {"breadcrumbs", kHintNav}, {"footer", kHintFooter},   {"sidebar", kHintAside},
    {"widget", kHintWidget},   {"newsletter", kHintForm}, {"comments", kHintComment},
    {"share", kHintShare},     {"related", kHintRelated}, {"promo", kHintAd},
    {"banner", kHintAd},       {"caption", kHintCaption}, {"byline", kHintByline},
};

uint32_t ending_hint(std::string_view word) {
  for (const Word& ending : kEndings) {
    if (word.size() <= ending.text.size()) continue;
    if (equals_ignoring_case(word.substr(word.size() - ending.text.size()), ending.text)) {
      return ending.hint;
    }
  }
  return 0;
}

// One class name: its words ("post-content", "postContent", "post_content"), and the whole without
// its separators ("sr-only").
uint32_t name_hints(std::string_view name) {
  uint32_t hints = 0, word = kHtmlNameSeed, whole = kHtmlNameSeed;
  size_t word_length = 0, words = 0;
  size_t at = 0;
  const auto end_word = [&] {
    if (word_length > 1) {
      const uint32_t hint = word_hint(word);
      hints |= hint != 0 ? hint : ending_hint(name.substr(at - word_length, word_length));
    }
    if (word_length > 0) ++words;
    word = kHtmlNameSeed;
    word_length = 0;
  };
  bool was_lower = false;
  for (at = 0; at < name.size(); ++at) {
    const char c = name[at];
    const bool upper = c >= 'A' && c <= 'Z';
    const bool lower = c >= 'a' && c <= 'z';
    if (!upper && !lower) {
      end_word();
      was_lower = false;
      continue;
    }
    if (upper && was_lower) end_word();
    was_lower = lower;
    word = html_name_step(word, c);
    whole = html_name_step(whole, c);
    ++word_length;
  }
  end_word();
  // "hidden" alone hides; "label-hidden" says that something in it is.
  if (words > 1) hints = (hints & ~kHintUnseen) | word_hint(whole);
  if ((hints & kHintSubject) != 0 && (hints & kHintBody) != 0) hints |= kHintArticleBody;
  if ((hints & kHintQualifier) != 0) return 0;
  return hints;
}

uint32_t list_hints(std::string_view names) {
  constexpr size_t kLongest = 1024;  // class lists beyond that are generated, not written
  if (names.size() > kLongest) names = names.substr(0, kLongest);
  uint32_t hints = 0;
  for (size_t pos = 0; pos < names.size();) {
    while (pos < names.size() && static_cast<uint8_t>(names[pos]) <= ' ') ++pos;
    const size_t from = pos;
    while (pos < names.size() && static_cast<uint8_t>(names[pos]) > ' ') ++pos;
    hints |= name_hints(names.substr(from, pos - from));
  }
  return hints;
}

uint32_t role_hints(std::string_view role) {
  struct Role {
    std::string_view name;
    uint32_t hint;
  };
  constexpr Role kRoles[] = {
      {"main", kHintMain},          {"article", kHintSubject},     {"navigation", kHintNav},
      {"menu", kHintNav},           {"menubar", kHintNav},         {"banner", kHintHeader},
      {"contentinfo", kHintFooter}, {"complementary", kHintAside}, {"search", kHintForm},
      {"dialog", kHintForm},        {"alertdialog", kHintForm},    {"toolbar", kHintTool},
      {"doc-toc", kHintContents},   {"tooltip", kHintTool},
  };
  for (const Role& known : kRoles) {
    if (equals_ignoring_case(role, known.name)) return known.hint;
  }
  return 0;
}

uint32_t tag_hints(HtmlTag tag) {
  switch (tag) {
    case HtmlTag::main:
      return kHintMain;
    case HtmlTag::article:
      return kHintSubject;
    case HtmlTag::nav:
      return kHintNav;
    case HtmlTag::footer:
      return kHintFooter;
    case HtmlTag::header:
      return kHintHeader;
    case HtmlTag::aside:
      return kHintAside;
    case HtmlTag::figcaption:
      return kHintCaption;
    default:
      return 0;
  }
}

}  // namespace

uint32_t html_hints(HtmlTag tag, const HtmlAttributes& attributes) {
  uint32_t hints = tag_hints(tag);
  if (!attributes.class_name.empty()) hints |= list_hints(attributes.class_name);
  // Ids of sections and headings are made from their titles: "Search", "Subscription".
  const bool is_titled = tag == HtmlTag::section || is_html_heading(tag) || tag == HtmlTag::dt;
  if (!attributes.id.empty() && !is_titled) hints |= list_hints(attributes.id);
  if (!attributes.role.empty()) hints |= role_hints(attributes.role);
  if (equals_ignoring_case(attributes.itemprop, "articlebody")) hints |= kHintArticleBody;
  return hints;
}

}  // namespace headrace
