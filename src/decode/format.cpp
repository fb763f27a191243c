#include "decode/format.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include "base/utf8.h"
#include "decode/format_text.h"
#include "decode/format_zip.h"
#include "decode/text_formats.h"

namespace headrace {
namespace {

constexpr size_t kTextSampleBytes = 32 << 10;
constexpr size_t kPdfSearchBytes = 1024;

struct Description {
  std::string_view name;
  std::string_view media_type;
};

constexpr auto kDescriptions = std::to_array<Description>({
    {"empty", "application/x-empty"},
    {"binary", "application/octet-stream"},
    {"text", "text/plain"},
    {"markdown", "text/markdown"},
    {"html", "text/html"},
    {"xml", "application/xml"},
    {"json", "application/json"},
    {"jsonl", "application/x-ndjson"},
    {"csv", "text/csv"},
    {"latex", "text/x-tex"},
    {"rst", "text/x-rst"},
    {"source_code", "text/x-source"},
    {"rtf", "application/rtf"},
    {"email", "message/rfc822"},
    {"pdf", "application/pdf"},
    {"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {"pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
    {"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {"odt", "application/vnd.oasis.opendocument.text"},
    {"ods", "application/vnd.oasis.opendocument.spreadsheet"},
    {"odp", "application/vnd.oasis.opendocument.presentation"},
    {"epub", "application/epub+zip"},
    {"zip", "application/zip"},
    {"tar", "application/x-tar"},
    {"gzip", "application/gzip"},
    {"zstd", "application/zstd"},
    {"bzip2", "application/x-bzip2"},
    {"xz", "application/x-xz"},
    {"legacy_office", "application/x-ole-storage"},
    {"image", "image/*"},
    {"audio", "audio/*"},
    {"video", "video/*"},
});
static_assert(static_cast<size_t>(Format::video) + 1 == kDescriptions.size());

const Description& describe(Format format) {
  return kDescriptions[std::min<size_t>(static_cast<size_t>(format), kDescriptions.size() - 1)];
}

// A header at the front that no text begins with.
struct Magic {
  std::string_view bytes;
  Format format;
};
using std::string_view_literals::operator""sv;
constexpr auto kMagics = std::to_array<Magic>({
    {"\x1F\x8B\x08"sv, Format::gzip},
    {"\x28\xB5\x2F\xFD"sv, Format::zstd},
    {"\xFD"
     "7zXZ\0"sv,
     Format::xz},
    {"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"sv, Format::legacy_office},
    {"\x89PNG\r\n\x1A\n"sv, Format::image},
    {"\xFF\xD8\xFF"sv, Format::image},
    {"GIF87a"sv, Format::image},
    {"GIF89a"sv, Format::image},
    {"II*\0"sv, Format::image},
    {"MM\0*"sv, Format::image},
    {"8BPS\0"sv, Format::image},
    {"\0\0\x01\0"sv, Format::image},
    {"\xFF\x0A"sv, Format::image},
    {"\0\0\0\x0CJXL "sv, Format::image},
    {"\0\0\0\x0CjP  "sv, Format::image},
    {"ID3\x02"sv, Format::audio},
    {"ID3\x03"sv, Format::audio},
    {"ID3\x04"sv, Format::audio},
    {"\xFF\xFB"sv, Format::audio},
    {"\xFF\xF3"sv, Format::audio},
    {"\xFF\xF1"sv, Format::audio},
    {"fLaC\0"sv, Format::audio},
    {"OggS\0"sv, Format::audio},
    {".snd\0"sv, Format::audio},
    {"#!AMR\n"sv, Format::audio},
    {"\x1A\x45\xDF\xA3"sv, Format::video},
    {"FLV\x01"sv, Format::video},
    {"\0\0\x01\xBA"sv, Format::video},
    {"\0\0\x01\xB3"sv, Format::video},
    {"\x30\x26\xB2\x75\x8E\x66\xCF\x11"sv, Format::video},
    {"\x7F"
     "ELF"sv,
     Format::binary},
    {"\0asm"sv, Format::binary},
    {"SQLite format 3\0"sv, Format::binary},
    {"7z\xBC\xAF\x27\x1C"sv, Format::binary},
    {"Rar!\x1A\x07"sv, Format::binary},
    {"\xCA\xFE\xBA\xBE"sv, Format::binary},
    {"\xCF\xFA\xED\xFE"sv, Format::binary},
    {"ARROW1\0"sv, Format::binary},
});

Format detect_iso_media(std::string_view bytes) {
  const std::string_view brand = bytes.substr(8, 4);
  for (const std::string_view image : {"avif", "avis", "heic", "heix", "heif", "mif1", "msf1"}) {
    if (brand == image) return Format::image;
  }
  return brand == "M4A " || brand == "M4B " ? Format::audio : Format::video;
}

bool is_tar(std::string_view bytes) {
  if (bytes.size() < 512) return false;
  // The checksum over the header, its own field taken as spaces.
  uint32_t sum = 0;
  for (size_t i = 0; i < 512; ++i) {
    sum += i >= 148 && i < 156 ? 0x20u : static_cast<unsigned char>(bytes[i]);
  }
  uint32_t stored = 0;
  bool digits = false;
  for (size_t i = 148; i < 156; ++i) {
    if (bytes[i] >= '0' && bytes[i] <= '7') {
      stored = stored * 8 + static_cast<uint32_t>(bytes[i] - '0');
      digits = true;
    } else if (digits) {
      break;
    }
  }
  return digits && stored == sum && sum != 256;
}

bool is_bmp(std::string_view bytes) {
  return bytes.size() > 26 && bytes.starts_with("BM") && bytes[6] == 0 && bytes[7] == 0 &&
         bytes[8] == 0 && bytes[9] == 0;
}

bool is_transport_stream(std::string_view bytes) {
  if (bytes.size() < 188 * 3) return false;
  for (size_t i = 0; i < 3; ++i) {
    if (bytes[i * 188] != 0x47) return false;
  }
  return bytes.find('\0') != std::string_view::npos;
}

Format detect_riff(std::string_view bytes) {
  const std::string_view kind = bytes.substr(8, 4);
  if (kind == "WEBP") return Format::image;
  if (kind == "WAVE") return Format::audio;
  return kind == "AVI " ? Format::video : Format::binary;
}

// By its first bytes alone; Format::text when they prove nothing.
Format detect_magic(std::string_view bytes, std::string_view name) {
  if (bytes.starts_with("%PDF-")) return Format::pdf;
  if (bytes.starts_with("PK\x03\x04") || bytes.starts_with("PK\x05\x06"))
    return detect_zip_format(bytes, name);
  for (const Magic& magic : kMagics) {
    if (bytes.starts_with(magic.bytes)) return magic.format;
  }
  if (bytes.size() >= 10 && bytes.starts_with("BZh") && bytes.substr(4, 6) == "1AY&SY")
    return Format::bzip2;
  if (bytes.size() >= 12 && bytes.substr(4, 4) == "ftyp") return detect_iso_media(bytes);
  if (bytes.size() >= 12 && bytes.starts_with("RIFF")) return detect_riff(bytes);
  if (bytes.size() >= 12 && bytes.starts_with("FORM") && bytes.substr(8, 3) == "AIF")
    return Format::audio;
  if (is_bmp(bytes)) return Format::image;
  if (is_transport_stream(bytes)) return Format::video;
  if (is_tar(bytes)) return Format::tar;
  return Format::text;
}

// Whether the bytes can be text in an encoding that keeps ASCII: few control characters.
bool may_be_text(std::string_view sample) {
  size_t controls = 0, zeros = 0;
  for (const char byte : sample) {
    const auto c = static_cast<unsigned char>(byte);
    zeros += c == 0;
    const bool usual = c >= 0x20 || (c >= '\t' && c <= '\r') || c == 0x1B;
    controls += !usual || c == 0x7F;
  }
  if (zeros * 100 > sample.size() || zeros > sample.size() / 2) return false;
  // Valid UTF-8 is good evidence; other bytes are text only when hardly a control is among them.
  const size_t tail = std::min<size_t>(sample.size(), 4);
  const bool valid = valid_utf8_prefix(sample) + tail >= sample.size();
  return controls * (valid ? 10 : 50) <= sample.size();
}

// Readers find the header of a PDF behind junk (lines of a mail or of HTTP, zeros). A text that
// only speaks of PDF has no object right behind it.
bool has_pdf_behind_junk(std::string_view sample, std::string_view name, bool text) {
  const size_t at = sample.substr(0, kPdfSearchBytes).find("%PDF-");
  if (at == std::string_view::npos) return false;
  if (!text || name.ends_with(".pdf") || name.ends_with(".PDF")) return true;
  constexpr size_t kFirstObjectBytes = 256;
  const std::string_view header = sample.substr(at, kFirstObjectBytes);
  const bool has_version = header.size() > 8 && header[5] >= '1' && header[5] <= '2' &&
                           header[6] == '.' && (header[8] == '\n' || header[8] == '\r');
  return has_version && header.find(" 0 obj") != std::string_view::npos;
}

}  // namespace

std::string_view format_name(Format format) {
  return describe(format).name;
}
std::string_view format_media_type(Format format) {
  return describe(format).media_type;
}

Format detect_format(std::string_view bytes, std::string_view name) {
  if (bytes.empty()) return Format::empty;
  if (const Format format = detect_magic(bytes, name); format != Format::text) return format;
  const bool complete = bytes.size() <= kTextSampleBytes;
  std::string_view sample = bytes.substr(0, kTextSampleBytes);
  const TextEncoding encoding = detect_encoding(sample, {});
  if (is_wide(encoding)) {
    const std::string text = to_utf8(sample.substr(0, sample.size() & ~size_t{3}), encoding);
    return detect_text_format(text, name, complete);
  }
  const bool text = may_be_text(sample);
  if (has_pdf_behind_junk(sample, name, text)) return Format::pdf;
  if (!text) return Format::binary;
  if (sample.starts_with("\xEF\xBB\xBF")) sample.remove_prefix(3);
  return detect_text_format(sample, name, complete);
}

}  // namespace headrace
