// What a file is, decided by its content; the name only breaks ties between kinds of plain text
// (a Python file and a Markdown file are both text).
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <string_view>

namespace headrace {

enum class Format : uint8_t {
  empty,
  binary,  // binary: recognised as nothing we read
  text,
  markdown,
  html,
  xml,
  json,
  jsonl,
  csv,
  latex,
  rst,
  source_code,
  rtf,
  email,
  pdf,
  docx,
  pptx,
  xlsx,
  odt,
  ods,
  odp,
  epub,
  zip,
  tar,
  gzip,
  zstd,
  bzip2,
  xz,             // containers: `sources` opens them
  legacy_office,  // .doc/.xls/.ppt (OLE2): named, not read
  image,
  audio,
  video,  // recognised, for the media stage
};

std::string_view format_name(Format format);  // "docx", …
std::string_view format_media_type(Format format);

// `bytes`: the whole content, or at least its first 4 KiB; `name`: the file's or member's name.
// A zip container is looked into far enough to tell Office, OpenDocument and EPUB files from
// archives.
Format detect_format(std::string_view bytes, std::string_view name);

inline bool is_archive(Format f) {
  return f >= Format::zip && f <= Format::xz;
}

}  // namespace headrace
