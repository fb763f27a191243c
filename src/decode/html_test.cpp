#include "decode/html.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/utf8.h"
#include "decode/test_links.h"

namespace headrace {
namespace {

constexpr HtmlOptions kWhole{.whole_page = true};

Document whole(std::string_view html) {
  return decode_html(html, kWhole).value();
}

std::string whole_text(std::string_view html) {
  return whole(html).text;
}

std::string sentences(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += "This is sentence number " + std::to_string(i) + ", and it says something. ";
  }
  return text;
}

// What every Document promises: blocks in order within the text, only separators between them.
void expect_sound(const Document& document) {
  uint32_t last = 0;
  for (const Block& block : document.blocks) {
    ASSERT_LE(last, block.begin);
    ASSERT_LT(block.begin, block.end);
    for (uint32_t i = last; i < block.begin; ++i) ASSERT_EQ(document.text[i], '\n');
    last = block.end;
  }
  ASSERT_EQ(last, document.text.size());
  ASSERT_EQ(document.text.find('\0'), std::string::npos);
}

std::vector<std::string> blocks_of(const Document& document, BlockKind kind) {
  std::vector<std::string> found;
  for (const Block& block : document.blocks) {
    if (block.kind == kind) {
      found.push_back(document.text.substr(block.begin, block.end - block.begin));
    }
  }
  return found;
}

TEST(Html, ADeclaredMainTextIsTheContentHoweverShort) {
  const std::string nav =
      "<div class=topbar><ul class=menu><li><a href=/>Home NAV</a></li><li><a href=/b>Blog "
      "NAV</a></li></ul></div>";
  const std::string text = "<h1>Otters</h1><p>Short text about otters.</p>";
  const std::string said = "<p>(c) 2024 Company FOOT. All rights reserved, everywhere.</p>";
  for (const std::string main : {"main", "article", "div role=main"}) {
    for (const std::string foot :
         {"footer", "aside", "nav", "div class=site-footer", "div id=footer", "div class=sidebar",
          "div class=cookie-consent"}) {
      const std::string page = "<html><head><title>t</title></head><body>" + nav + "<" + main +
                               ">" + text + "</" + main.substr(0, main.find(' ')) + "><" + foot +
                               ">" + said + "</" + foot.substr(0, foot.find(' ')) +
                               "></body></html>";
      const std::string found = decode_html(page, {}).value().text;
      EXPECT_NE(found.find("Short text about otters."), std::string::npos) << page;
      EXPECT_EQ(found.find("FOOT"), std::string::npos) << page;
      EXPECT_EQ(found.find("NAV"), std::string::npos) << page;
    }
  }
}

TEST(Html, TheTextForBrowsersWithoutFramesIsText) {
  const std::string page =
      "<html><frameset cols=20%,*><frame src=a.html><noframes><body><p>All about the harbour."
      "</p></body></noframes></frameset></html>";
  EXPECT_EQ(decode_html(page, {}).value().text, "All about the harbour.");
}

TEST(Html, CollapsesWhiteSpaceAsBrowsersDo) {
  EXPECT_EQ(whole_text("<p>one \n\t two<b>three</b> <i>four</i>\n</p>"), "one twothree four");
  EXPECT_EQ(whole_text("<p>a</p>\n<p>b<span> c</span></p>"), "a\n\nb c");
  EXPECT_EQ(whole_text("<div>a<div>b</div>c</div>"), "a\n\nb\n\nc");
  EXPECT_EQ(whole_text("a&nbsp; b"), "a b");
  EXPECT_EQ(whole_text("x<!-- - -->y"), "xy");
}

TEST(Html, LineBreaks) {
  EXPECT_EQ(whole_text("<p>one<br>two<br/>three"), "one\ntwo\nthree");
  EXPECT_EQ(whole_text("<div>one<br><br>two</div>"), "one\n\ntwo");
}

TEST(Html, DecodesReferences) {
  EXPECT_EQ(whole_text("&lt;a&gt; &amp; &eacute; &#233; &#xE9; &copy 2 &hellip;"),
            "<a> & é é é © 2 …");
  EXPECT_EQ(whole_text("&CounterClockwiseContourIntegral;&NotEqualTilde;"), "∳≂̸");
  EXPECT_EQ(whole_text("&#150;&#0;&#xD800;&#x110000;"), "–\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(whole_text("AT&T &nosuchname; & &; &#; &#x;"), "AT&T &nosuchname; & &; &#; &#x;");
  EXPECT_EQ(whole_text("&notit; &notin;"), "¬it; ∉");
}

TEST(Html, ReplacesInvalidUtf8) {
  EXPECT_EQ(whole_text("a\xFF"
                       "b \xC3("),
            "a\xEF\xBF\xBD"
            "b \xEF\xBF\xBD(");
  EXPECT_EQ(whole_text("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(whole_text("\xF0\x9F\x98\x80 \xF0\x9F"), "\xF0\x9F\x98\x80 \xEF\xBF\xBD");
  EXPECT_EQ(whole_text(std::string_view("a\0b", 3)), "ab");
}

TEST(Html, Headings) {
  const Document document = whole("<h1>One</h1><p>text<h3>Three <em>deep</em></h3>");
  ASSERT_EQ(document.blocks.size(), 3u);
  EXPECT_EQ(document.blocks[0].kind, BlockKind::heading);
  EXPECT_EQ(document.blocks[0].level, 1);
  EXPECT_EQ(document.blocks[2].level, 3);
  EXPECT_EQ(document.text, "One\n\ntext\n\nThree deep");
  expect_sound(document);
}

TEST(Html, ListsWithImpliedEndTags) {
  const Document document = whole("<p>x<ul><li>a<li>b<ul><li>c</ul><li>d</ul><p>y");
  EXPECT_EQ(document.text, "x\n\na\nb\nc\nd\n\ny");
  ASSERT_EQ(document.blocks.size(), 6u);
  EXPECT_EQ(document.blocks[1].kind, BlockKind::list_item);
  EXPECT_EQ(document.blocks[1].level, 1);
  EXPECT_EQ(document.blocks[3].level, 2);
  EXPECT_EQ(document.blocks[4].level, 1);
  EXPECT_EQ(document.blocks[5].kind, BlockKind::paragraph);
}

TEST(Html, DefinitionLists) {
  const Document document = whole("<dl><dt>-v<dd>Says more.<dt>-q<dd>Says less.</dl>");
  EXPECT_EQ(document.text, "-v\nSays more.\n-q\nSays less.");
  EXPECT_EQ(document.blocks[1].level, document.blocks[0].level + 1);
}

TEST(Html, TablesAreRows) {
  const Document document = whole(
      "<table><caption>Ports</caption><tr><th>Name<th>Port<tr><td>ssh<td>22<tr><td><td>80"
      "<tr><td><p>a b</p><p>c</p></td><td></td></table>after");
  EXPECT_EQ(document.text, "Ports\n\nName | Port\nssh | 22\n| 80\na b c\n\nafter");
  EXPECT_EQ(document.blocks[0].kind, BlockKind::caption);
  EXPECT_EQ(blocks_of(document, BlockKind::table_row).size(), 4u);
  expect_sound(document);
}

TEST(Html, CellsStandUnderTheirHeaders) {
  const auto rows = [](const std::string& table) {
    return blocks_of(whole("<table>" + table + "</table>"), BlockKind::table_row);
  };
  using Rows = std::vector<std::string>;
  // What spans columns stands in the first of them, what spans rows in each.
  EXPECT_EQ(rows("<thead><tr><th rowspan=2>Name<th colspan=2>2023<th COLSPAN='2'>2024"
                 "<tr><th>Q1<th>Q2<th>Q1<th>Q2<tbody><tr><td>ssh<td>1<td>2<td>3<td>4"),
            (Rows{"Name | 2023 |  | 2024", "Name | Q1 | Q2 | Q1 | Q2", "ssh | 1 | 2 | 3 | 4"}));
  EXPECT_EQ(
      rows("<tr><td rowspan=3><b>Nord</b> &amp; S\u00fcd<td>a<td rowspan=2>x<tr><td>b<tr><td>c"
           "<tr><td>West<td>d"),
      (Rows{"Nord & S\u00fcd | a | x", "Nord & S\u00fcd | b | x", "Nord & S\u00fcd | c",
            "West | d"}));
  // A span ends with its row group; a row without text of its own says nothing.
  EXPECT_EQ(rows("<tbody><tr><td rowspan=0>a<td>b<tr><tr><td><tr><td>c<tbody><tr><td>d<td>e"),
            (Rows{"a | b", "a | c", "d | e"}));
  EXPECT_EQ(
      rows("<tr><td rowspan=-1 colspan=x>a<td colspan=0 rowspan='+2'>b<td rowspan=1.9>c<tr><td>d"),
      (Rows{"a | b | c", "d | b"}));
  // Long texts are not given again.
  const std::string text = sentences(8) + "End.";
  EXPECT_EQ(rows("<tr><td>a<td>b<td rowspan=2>" + text + "<td>c<tr><td>d<td>e<td>f"),
            (Rows{"a | b | " + text + " | c", "d | e |  | f"}));
}

TEST(Html, LinksStandWhereTheirTextBegins) {
  using Links = std::vector<std::string>;
  EXPECT_EQ(
      links_of(whole(
          "<p>See <a href='b.html'>the  <b>manual</b></a>, or<a href=\"https://X.org/?a&amp;b\">"
          "site</a>.<p> <a href=c.html#part>Caf\u00e9</a></p>")),
      (Links{"the  -> b.html", "site -> https://x.org/?a&b", "Caf\xC3 -> c.html"}));
  // Those without text or without a document have no place.
  EXPECT_EQ(
      links_of(whole("<a href=x><img src=y></a><a href='#top'>up</a><a name=z>anchor</a>"
                     "<a href=javascript:go()>go</a><a href=mailto:a@b.c>mail</a><a href>none</a>"
                     "<a href=hidden style='display:none'>hidden</a>")),
      Links());
  EXPECT_EQ(
      links_of(whole("<table><tr><td>1<td><a href=a>aaaa</a><td><td><a href=b>bbbb</a></table>"
                     "<ul><li><a href=c>cccc</a></ul><a href=d><h2>dddd</h2></a>")),
      (Links{"aaaa -> a", "bbbb -> b", "cccc -> c", "dddd -> d"}));
}

// White space at the end of a block goes when the block ends, after a link in it began.
TEST(Html, PlacesOfLinksAreBetweenCharacters) {
  for (int breaks = 0; breaks < 8; ++breaks) {
    const Document document = whole("<pre>code" + std::string(static_cast<size_t>(breaks), '\n') +
                                    "<a href=x><p>\u00e9\u00e9\u00e9</p></a></pre>");
    ASSERT_EQ(document.links.size(), 1u);
    EXPECT_EQ(code_point_floor(document.text, document.links[0].at), document.links[0].at)
        << breaks;
  }
}

TEST(Html, LinksAreResolvedAgainstWhatThePageSays) {
  using Links = std::vector<std::string>;
  EXPECT_EQ(
      links_of(whole("<base href='https://x.org/a/b'><base href='https://y.org'><a href=c>text</a>"
                     "<a href=/d>more</a>")),
      (Links{"text -> https://x.org/a/c", "more -> https://x.org/d"}));
  EXPECT_EQ(links_of(whole("<base href='../x/'><a href=c>text</a>")), (Links{"text -> ../x/c"}));
  // A page that was saved from a site says where; what hangs on the site's root is there.
  EXPECT_EQ(
      links_of(whole(
          "<link rel=canonical href='https://x.org/a/b'><a href=/d>root</a><a href=c>file</a>")),
      (Links{"root -> https://x.org/d", "file -> c"}));
}

TEST(Html, LinksOfWhatIsLeftOutAreLeftOut) {
  const Document document =
      decode_html(
          "<nav><a href=home>Home</a><a href=about>About</a></nav><main><h1>Otters</h1><p>" +
          sentences(6) +
          "<a href=more>Read more</a> of it.</p></main><footer><a href=imprint>"
          "Imprint</a></footer>")
          .value();
  EXPECT_EQ(links_of(document), (std::vector<std::string>{"Read -> more"}));
}

TEST(Html, TablesForLayoutAreNot) {
  const Document document = whole("<table><tr><td><p>" + sentences(20) + "</p><p>" + sentences(20) +
                                  "</p></td><td><table><tr><td>1<td>2</table></td></tr></table>");
  EXPECT_EQ(blocks_of(document, BlockKind::paragraph).size(), 2u);
  EXPECT_EQ(blocks_of(document, BlockKind::table_row), std::vector<std::string>{"1 | 2"});
}

TEST(Html, CodeIsVerbatim) {
  const Document document = whole(
      "<p>Run:<pre><code>\nint  main() {\n\treturn <span class=\"comment\">0;</span> // "
      "&lt;x&gt;\n\n}\n"
      "</code></pre>then");
  EXPECT_EQ(document.text, "Run:\n\nint  main() {\n\treturn 0; // <x>\n\n}\n\nthen");
  EXPECT_EQ(document.blocks[1].kind, BlockKind::code);
  expect_sound(document);
}

TEST(Html, QuotesAndCaptions) {
  const Document document = whole(
      "<blockquote><p>Said.</p></blockquote><figure><figcaption>Fig. 1</figcaption></figure>");
  EXPECT_EQ(blocks_of(document, BlockKind::quote), std::vector<std::string>{"Said."});
  EXPECT_EQ(blocks_of(document, BlockKind::caption), std::vector<std::string>{"Fig. 1"});
}

TEST(Html, InvisibleElements) {
  EXPECT_EQ(whole_text("<script>if (a < b) '</p>'</script><style>p{}</style>a<template>t</template>"
                       "<svg><text>s</text></svg><noscript>n</noscript><iframe>i</iframe>b"),
            "ab");
  EXPECT_EQ(whole_text("<p hidden>a</p><p style='x:1;DISPLAY : none'>b</p><p>c</p>"), "c");
  EXPECT_EQ(whole_text("<script><!-- <script> </script> --></script>x"), "x");
}

TEST(Html, APageCutOffInsideASourceShowsNoSource) {
  const std::string page = "<html><head><title>Otters</title></head><body><p>Otters swim.</p>";
  for (const std::string element : {"script", "style", "iframe", "noembed"}) {
    for (const std::string rest : {"", " var a = 1; if (a < 2) { b = '<p>x</p>'; }", "<!-- a > b",
                                   "p > a { color: red } <i>i"}) {
      EXPECT_EQ(whole_text(page + "<" + element + ">" + rest), "Otters swim.") << element << rest;
      EXPECT_EQ(whole_text(page + "<" + element + ">" + rest + "</" + element.substr(0, 3)),
                "Otters swim.");
    }
  }
  EXPECT_EQ(whole_text(page + "<!-- menu: <ul><li>old item</li>"), "Otters swim.");
  EXPECT_EQ(whole_text(page + "<script>write('<body>'); write(\"</body>\");"), "Otters swim.");
  EXPECT_EQ(whole("<html><head><title>Otters and their riv").title, "Otters and their riv");
  EXPECT_EQ(whole_text("<html><head><title>Otters and their riv"), "");
}

TEST(Html, APageThatGoesOnBehindAnOpenSourceIsKept) {
  EXPECT_EQ(whole_text("<head><script>var a;\n</head><body><p>text</p></body>"), "text");
  EXPECT_EQ(whole_text("<head><style>p > a {}\n<body class=x><p>text</p>"), "text");
  EXPECT_EQ(whole_text("<body>a<!-- never closed <b>b</b></body>"), "ab");
  const Document titled = whole("<head><title>Otters\n<meta charset=utf-8></head><body>text");
  EXPECT_EQ(titled.title, "Otters");
  EXPECT_EQ(titled.text, "text");
}

TEST(Html, CommentsAndDeclarations) {
  EXPECT_EQ(whole_text("<!DOCTYPE html><!--[if IE]><p>old</p><![endif]-->a<!-->b<?php x ?>c</ d>"
                       "<![CDATA[gone]]>d"),
            "abcd");
  EXPECT_EQ(whole_text("<math><mi><![CDATA[x<y]]></mi></math>"), "x<y");
  EXPECT_EQ(whole_text("1 < 2 <3 <"), "1 < 2 <3 <");
}

TEST(Html, BrokenTags) {
  EXPECT_EQ(whole_text("<p class=\"a>text</p><p>more"), "text\n\nmore");
  EXPECT_EQ(whole_text("<p>a</b></div>b</p></p>c"), "ab\n\nc");
  EXPECT_EQ(whole_text("<b><p>one</b> two</p>three</b>"), "one two\n\nthree");
  EXPECT_EQ(whole_text("<p>text <a href=x"), "text");
  EXPECT_EQ(whole_text("<h1>a<h2>b</h1>c"), "a\n\nb\n\nc");
  EXPECT_EQ(whole_text("<a href=1>x<a href=2>y</a></a>z"), "xyz");
  EXPECT_EQ(whole_text(""), "");
  EXPECT_EQ(whole_text("<"), "<");
  EXPECT_EQ(whole_text("\xEF\xBB\xBFplain text"), "plain text");
}

std::string article_page(std::string_view head, std::string_view extra = "") {
  return "<html lang=en-GB><head>" + std::string(head) +
         "</head><body><div class=navbar><a href=/>Home</a> <a href=/n>News</a></div>"
         "<article><h1>The real headline</h1><p>" +
         sentences(8) + "</p>" + std::string(extra) + "<p>" + sentences(8) +
         "</p></article>"
         "<aside><p>" +
         sentences(3) +
         "Buy our things now.</p></aside>"
         "<footer><p>Copyright, all rights reserved, and so on, by the "
         "company.</p></footer></body>";
}

TEST(Html, FindsTheMainContent) {
  const Document document =
      decode_html(article_page("<title>The real headline | The Site</title>")).value();
  EXPECT_NE(document.text.find("sentence number 7"), std::string::npos);
  EXPECT_EQ(document.text.find("Home"), std::string::npos);
  EXPECT_EQ(document.text.find("Copyright"), std::string::npos);
  EXPECT_EQ(document.text.find("Buy our"), std::string::npos);
  EXPECT_EQ(document.title, "The real headline");
  EXPECT_EQ(document.language, "en");
  EXPECT_EQ(document.media_type, "text/html");
  expect_sound(document);
}

TEST(Html, ArticlesLoseTeasersAndCaptions) {
  const std::string page =
      article_page("<meta property=og:type content=article><title>The real headline - Site</title>",
                   "<figure><figcaption>A picture of it, by someone.</figcaption></figure>"
                   "<p><a href=/other>READ MORE: another story altogether</a></p>"
                   "<blockquote><p>" +
                       sentences(2) + "</p></blockquote>");
  const Document document = decode_html(page).value();
  EXPECT_EQ(document.text.find("READ MORE"), std::string::npos);
  EXPECT_EQ(document.text.find("A picture"), std::string::npos);
  EXPECT_EQ(document.text.find("The real headline"), std::string::npos);
  EXPECT_EQ(blocks_of(document, BlockKind::quote).size(), 1u);
}

TEST(Html, ManualsKeepEverythingButNavigation) {
  const std::string page =
      "<html><head><meta name=generator content='DocBook XSL "
      "Stylesheets'><title>LOAD</title></head>"
      "<body><div class=navheader><table><tr><th colspan=5>LOAD</th></tr><tr><td><a href=a>Prev</a>"
      "<td><a href=b>Up</a><td><a href=c>Home</a><td><a href=d>Next</a></tr></table></div>"
      "<div class=refentry><h2>LOAD</h2><p>LOAD — load a shared library file.</p>"
      "<div class=toc><dl><dt><a href=e>Part one</a><dt><a href=f>Part two</a></dl></div>"
      "<div id=SQL-SHARE class=sect2><pre>LOAD 'filename'</pre><p>" +
      sentences(6) +
      "</p></div>"
      "<table><tr><th>Option<th>Meaning<tr><td>-a<td>all</table></div>"
      "<div class=navfooter><a href=g>Next page</a></div></body></html>";
  const Document document = decode_html(page).value();
  for (std::string_view kept :
       {"load a shared", "Part two", "LOAD 'filename'", "number 5", "-a | all"}) {
    EXPECT_NE(document.text.find(kept), std::string::npos) << kept;
  }
  for (std::string_view dropped : {"Prev", "Home", "Next page"}) {
    EXPECT_EQ(document.text.find(dropped), std::string::npos) << dropped;
  }
}

TEST(Html, DiscussionsKeepTheirReplies) {
  std::string page =
      "<title>Rotating keys</title><body><div id=header><a href=/>Forum</a></div><div>";
  for (std::string_view kind : {"post", "post reply", "post reply"}) {
    page += "<div class='" + std::string(kind) + "'><div class=post-body><p>" + sentences(4) +
            "</p></div></div>";
  }
  const Document document = decode_html(page + "</div>").value();
  EXPECT_EQ(document.blocks.size(), 3u);
  EXPECT_EQ(document.text.find("Forum"), std::string::npos);
  // The same under an article are comments.
  const Document article =
      decode_html("<meta property=og:type content=article>" + page + "</div>").value();
  EXPECT_EQ(article.blocks.size(), 1u);
}

TEST(Html, PagesOfLinksAreNotEmpty) {
  const Document document =
      decode_html("<body class=sidebar><ul><li><a href=a>First</a><li><a href=b>Second</a></ul>")
          .value();
  EXPECT_EQ(document.text, "First\nSecond");
}

TEST(Html, ShortPagesAreWhole) {
  EXPECT_EQ(decode_html("<p>hello").value().text, "hello");
  EXPECT_EQ(decode_html("just text").value().text, "just text");
  EXPECT_EQ(decode_html("").value().text, "");
}

TEST(Html, TakesTheArticleBodyWhereThePageHasNone) {
  const std::string page =
      "<meta property=og:type content=article><script type='application/ld+json'>{\"@type\":"
      "\"NewsArticle\",\"author\":[{\"name\":\"A. Writer\"}],\"articleBody\":\"" +
      sentences(10) + "\"}</script><body><div id=root>Loading</div>";
  const Document document = decode_html(page).value();
  EXPECT_NE(document.text.find("sentence number 9"), std::string::npos);
  EXPECT_EQ(std::get<std::string>(document.metadata.at("author")), "A. Writer");
  expect_sound(document);
}

TEST(Html, Titles) {
  const auto title = [](std::string_view html) { return decode_html(html).value().title; };
  EXPECT_EQ(title("<title> A \n page &amp; more </title>"), "A page & more");
  EXPECT_EQ(title("<title>How to sail - Boats</title><h1>How to sail</h1>"), "How to sail");
  EXPECT_EQ(title("<meta property=og:site_name content=Boats><title>Sailing | Boats</title>"),
            "Sailing");
  EXPECT_EQ(title("<title>json — Docs</title><h1>json<a class=headerlink href=#>¶</a></h1>"),
            "json");
  EXPECT_EQ(title("<meta property=og:title content='Shared title'><p>x"), "Shared title");
  EXPECT_EQ(title("<h1>Only a heading</h1>"), "Only a heading");
  EXPECT_EQ(title("<p>nothing"), "");
}

TEST(Html, Metadata) {
  const Document document =
      decode_html(
          "<link rel=canonical href='https://example.org/a?b=1&amp;c=2'><meta name=author "
          "content='Ann'>"
          "<meta property=article:published_time content=2024-05-06><meta name=description "
          "content='About &quot;it&quot;'><p>x")
          .value();
  EXPECT_EQ(std::get<std::string>(document.metadata.at("url")), "https://example.org/a?b=1&c=2");
  EXPECT_EQ(std::get<std::string>(document.metadata.at("author")), "Ann");
  EXPECT_EQ(std::get<std::string>(document.metadata.at("date")), "2024-05-06");
  EXPECT_EQ(std::get<std::string>(document.metadata.at("description")), "About \"it\"");
}

}  // namespace
}  // namespace headrace
