#include "decode/format_text.h"

#include <algorithm>
#include <array>
#include <string>

#include "decode/json_probe.h"
#include "decode/source_code_languages.h"
#include "decode/text_builder.h"

namespace headrace {
namespace {

constexpr size_t kFrontBytes = 2048;
constexpr size_t kHeaderLinesMax = 60;
constexpr size_t kNestedTags = 100;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = lower(c);
  return out;
}

// " .md ", lower case, between spaces; empty when there is no ending.
std::string ending_of(std::string_view name) {
  const size_t slash = name.find_last_of("/\\!");
  if (slash != std::string_view::npos) name = name.substr(slash + 1);
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0 || name.size() - dot > 12) return {};
  return " " + lower(name.substr(dot)) + " ";
}

bool has_ending(const std::string& ending, std::string_view list) {
  return !ending.empty() && list.find(ending) != std::string_view::npos;
}

size_t count(std::string_view text, std::string_view piece) {
  size_t n = 0;
  for (size_t at = text.find(piece); at != std::string_view::npos;
       at = text.find(piece, at + piece.size())) {
    ++n;
  }
  return n;
}

// Whether `front` (lower case, begins with "<") is HTML: surely, or as it looks.
enum class Certainty { no, likely, sure };
Certainty html_certainty(std::string_view front) {
  if (front.starts_with("<!doctype html") || front.starts_with("<html")) return Certainty::sure;
  const size_t html = std::min(front.find("<html"), front.find("<!doctype html"));
  if (html != std::string_view::npos) {
    // Only declarations and comments may come before it.
    std::string_view before = front.substr(0, html);
    while (!before.empty()) {
      const bool comment = before.starts_with("<!--");
      if (!comment && !before.starts_with("<?") && !before.starts_with("<!")) break;
      const size_t end = before.find(comment ? "-->" : ">");
      if (end == std::string_view::npos) break;
      before = trimmed(before.substr(end + (comment ? 3 : 1)));
    }
    if (before.empty()) return Certainty::sure;
  }
  for (const std::string_view tag :
       {"<head", "<body",  "<title",  "<meta ",   "<script",  "<style", "<div", "<p>",
        "<p ",   "<table", "<h1",     "<h2",      "<h3",      "<ul",    "<ol",  "<span",
        "<a ",   "<br",    "<b>",     "<section", "<article", "<main",  "<nav", "<header",
        "<!--",  "<link ", "<center", "<font",    "<img "}) {
    if (!front.starts_with(tag)) continue;
    size_t marks = 0;
    for (const std::string_view other :
         {"</p>", "</div>", "</h1>", "</h2>", "</a>", "</td>", "</li>", "</title>", "</body>",
          "</span>", "<br", "</b>", "<p>", "</head>"}) {
      marks += count(front, other);
    }
    return marks >= 2 ? Certainty::likely : Certainty::no;
  }
  return Certainty::no;
}

// Begins with more elements within one another than any text has tags in a row.
bool opens_many_elements(std::string_view text) {
  for (size_t tags = 0; tags < kNestedTags; ++tags) {
    if (text.size() < 3 || text[0] != '<') return false;
    const char c = lower(text[1]);
    const size_t end = text.find_first_of("<>", 1);
    if (((c < 'a' || c > 'z') && c != '_') || end == std::string_view::npos || text[end] != '>')
      return false;
    text = text.substr(std::min(text.find_first_not_of(" \t\r\n", end + 1), text.size()));
  }
  return true;
}

// "<name …>" and somewhere an end tag: XML without a declaration.
bool looks_like_xml(std::string_view text) {
  if (text.size() < 4 || text[0] != '<') return false;
  if (text.starts_with("<!DOCTYPE ") || text.starts_with("<!--"))
    return text.find("</") != std::string_view::npos;
  const char c = lower(text[1]);
  if (!((c >= 'a' && c <= 'z') || c == '_')) return false;
  const size_t end = text.find_first_of("<>", 1);
  if (end == std::string_view::npos || text[end] != '>') return false;
  return text.find("</") != std::string_view::npos || text.substr(0, end).ends_with('/') ||
         opens_many_elements(text);
}

Format detect_json(std::string_view text, const std::string& ending, bool complete) {
  const bool named_lines = has_ending(ending, " .jsonl .ndjson .jsonlines ");
  const JsonProbe first = probe_json(text, 0);
  if (first.end == JsonEnd::broken) return Format::text;
  if (first.end != JsonEnd::complete) {
    // A truncated or long value; a lone "[" or "{" proves nothing, a member or such a depth does.
    const bool proven = first.is_exact && (first.members > 0 || first.end == JsonEnd::too_deep);
    if (complete && !proven && !has_ending(ending, " .json .geojson .ipynb ") && !named_lines)
      return Format::text;
    return named_lines ? Format::jsonl : Format::json;
  }
  const size_t next = skip_json_space(text, first.at);
  if (next >= text.size()) return named_lines ? Format::jsonl : Format::json;
  const bool new_line = text.substr(first.at, next - first.at).find('\n') != std::string_view::npos;
  if (new_line && (text[next] == '{' || text[next] == '[')) return Format::jsonl;
  return named_lines ? Format::jsonl : Format::text;
}

// The header lines of a message: what they must have to be mail.
bool is_email(std::string_view text, int fields_least = 3) {
  LineReader lines(text);
  std::string_view line;
  size_t seen = 0;
  int known = 0, strong = 0;
  bool first = true;
  while (seen < kHeaderLinesMax && lines.next(line)) {
    if (first && line.starts_with("From ")) {  // mbox
      first = false;
      continue;
    }
    first = false;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) break;
    ++seen;
    if (line[0] == ' ' || line[0] == '\t') {
      if (seen == 1) return false;
      continue;
    }
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0 || colon > 60) return false;
    const std::string name = lower(line.substr(0, colon));
    if (name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_") != std::string::npos)
      return false;
    for (const std::string_view word :
         {"from", "received", "return-path", "message-id", "mime-version", "delivered-to"}) {
      strong += name == word;
    }
    for (const std::string_view word :
         {"to", "subject", "date", "cc", "content-type", "reply-to", "newsgroups", "sender"}) {
      known += name == word;
    }
  }
  return strong >= 1 && strong + known >= fields_least;
}

struct Table {
  size_t rows = 0;
  size_t columns = 0;  // of each row; 0 when they differ
  double cell_bytes = 0;
};
Table probe_table(std::string_view text, char delimiter, bool complete) {
  Table table;
  size_t bytes = 0, at = 0;
  while (at < text.size() && table.rows < 50) {
    size_t columns = 1;
    bool quoted = false;
    size_t i = at;
    for (; i < text.size() && (quoted || text[i] != '\n'); ++i) {
      if (text[i] == '"') quoted = !quoted;
      if (text[i] == delimiter && !quoted) ++columns;
    }
    if (i >= text.size() && !complete) break;  // a line that is cut
    if (i > at + 1) {
      if (table.rows == 0) table.columns = columns;
      if (columns != table.columns) table.columns = 0;
      if (table.columns == 0) break;
      ++table.rows;
      bytes += i - at;
    }
    at = i + 1;
  }
  if (table.rows > 0 && table.columns > 0) {
    table.cell_bytes = static_cast<double>(bytes) / static_cast<double>(table.rows * table.columns);
  }
  return table;
}

bool is_csv(std::string_view text, bool named, bool complete) {
  for (const char delimiter : {',', ';', '\t', '|'}) {
    const Table table = probe_table(text, delimiter, complete);
    if (named ? table.columns >= 2 && table.rows >= 1
              : table.columns >= 3 && table.rows >= 5 && table.cell_bytes < 30) {
      return true;
    }
  }
  // Rows of unequal length are still a table to whoever named it so.
  return named && text.substr(0, 4096).find_first_of(",;\t|") != std::string_view::npos;
}

bool looks_like_latex(std::string_view text) {
  const std::string_view front = text.substr(0, kFrontBytes * 2);
  return front.find("\\documentclass") != std::string_view::npos ||
         front.find("\\begin{document}") != std::string_view::npos ||
         (front.find("\\section{") != std::string_view::npos && count(front, "\\begin{") > 0);
}

bool looks_like_markdown(std::string_view text) {
  int headings = 0, marks = 0;
  LineReader lines(text);
  std::string_view line;
  while (lines.next(line)) {
    if (line.starts_with("# ") || line.starts_with("## ") || line.starts_with("### ")) ++headings;
    if (line.starts_with("```") || line.find("](") != std::string_view::npos) ++marks;
  }
  return headings >= 1 && marks >= 1;
}

bool looks_like_rst(std::string_view text) {
  size_t directives = 0;
  LineReader lines(text);
  std::string_view line;
  while (lines.next(line)) {
    if (line.starts_with(".. ") && line.find("::") != std::string_view::npos) ++directives;
  }
  return directives >= 2 && (count(text, "\n====") + count(text, "\n----")) >= 1;
}

}  // namespace

Format detect_text_format(std::string_view text, std::string_view name, bool complete) {
  const std::string_view content =
      text.substr(std::min(text.find_first_not_of(" \t\r\n\f"), text.size()));
  const std::string ending = ending_of(name);
  const CodeLanguage* language = code_language_by_name(name);
  const bool named_markdown = has_ending(ending, " .md .markdown .mdown .mkd .mdx .qmd .rmd ");
  const bool named_rst = has_ending(ending, " .rst .rest ");
  const bool named_latex = has_ending(ending, " .tex .ltx .latex .sty .cls ");
  const bool named_text = has_ending(ending, " .txt .text .log ");
  const bool named_prose =
      named_markdown || named_rst || named_latex || named_text || language != nullptr;

  if (content.starts_with("{\\rtf")) return Format::rtf;
  if (content.starts_with("<?php")) return Format::source_code;
  if (content.starts_with('<')) {
    const Certainty html = html_certainty(lower(content.substr(0, kFrontBytes)));
    if (html == Certainty::sure) return Format::html;
    const bool named_html = has_ending(ending, " .html .htm .xhtml .shtml ");
    if (named_html) return Format::html;
    if (html == Certainty::likely && !named_prose) return Format::html;
    if (content.starts_with("<?xml")) return Format::xml;
    if (!named_prose && looks_like_xml(content)) return Format::xml;
  }
  if ((content.starts_with('{') || content.starts_with('[')) && !named_latex) {
    const Format json = detect_json(content, ending, complete);
    if (json != Format::text) return json;
  }
  constexpr int kFieldsOfNamedMail = 2;
  if (has_ending(ending, " .eml ") && is_email(text, kFieldsOfNamedMail)) return Format::email;
  if (!named_prose && is_email(text)) return Format::email;
  if (named_text && has_ending(ending, " .txt ") && is_email(text) &&
      lower(text.substr(0, kFrontBytes)).find("\nmime-version:") != std::string::npos) {
    return Format::email;
  }
  if (named_markdown) return Format::markdown;
  if (named_rst) return Format::rst;
  if (named_latex || (language == nullptr && looks_like_latex(content))) return Format::latex;
  if (language != nullptr) return Format::source_code;
  if (has_ending(ending, " .csv .tsv .psv .tab ")) {
    return is_csv(content, true, complete) ? Format::csv : Format::text;
  }
  if (named_text) return Format::text;
  if (content.starts_with("#!") && code_language_by_first_line(content) != nullptr)
    return Format::source_code;
  if (is_csv(content, false, complete)) return Format::csv;
  if (looks_like_rst(content)) return Format::rst;
  if (looks_like_markdown(content)) return Format::markdown;
  return Format::text;
}

}  // namespace headrace
