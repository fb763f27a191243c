#include "decode/wire.h"

#include <limits>
#include <string>

#include "base/utf8.h"
#include "batch/flat_encoding.h"
#include "decode/reference.h"

namespace headrace {
namespace {

constexpr uint32_t kMagic = 0x444F43;  // "COD", and the version in the highest byte
constexpr uint32_t kVersion = 3;       // 2: links, 3: lines
constexpr uint32_t kHead = kMagic | kVersion << 24;

enum class ValueTag : uint8_t {
  null,
  boolean,
  integer,
  number,
  string,
  strings,
  integers,
  numbers,
  booleans,
};

template <typename Item>
void pack_items(const std::vector<Item>& list, FlatWriter& out) {
  out.number(static_cast<uint32_t>(list.size()));
  for (const Item item : list) out.number(item);
}

template <typename Item>
std::vector<Item> unpack_items(FlatReader& in) {
  std::vector<Item> list(in.count(sizeof(Item)));
  for (Item& item : list) item = in.number<Item>();
  return list;
}

void pack_value(const Value& value, FlatWriter& out) {
  out.number(static_cast<uint8_t>(value.index()));
  switch (static_cast<ValueTag>(value.index())) {
    case ValueTag::null:
      break;
    case ValueTag::boolean:
      out.number(static_cast<uint8_t>(std::get<bool>(value)));
      break;
    case ValueTag::integer:
      out.number(std::get<int64_t>(value));
      break;
    case ValueTag::number:
      out.number(std::get<double>(value));
      break;
    case ValueTag::string:
      out.string(std::get<std::string>(value));
      break;
    case ValueTag::strings: {
      const auto& list = std::get<std::vector<std::string>>(value);
      out.number(static_cast<uint32_t>(list.size()));
      for (const std::string& item : list) out.string(item);
      break;
    }
    case ValueTag::integers:
      pack_items(std::get<std::vector<int64_t>>(value), out);
      break;
    case ValueTag::numbers:
      pack_items(std::get<std::vector<double>>(value), out);
      break;
    case ValueTag::booleans: {
      const auto& list = std::get<std::vector<bool>>(value);
      out.number(static_cast<uint32_t>(list.size()));
      for (const bool item : list) out.number(static_cast<uint8_t>(item));
      break;
    }
  }
}

// Names, titles and the like: repaired rather than refused.
std::string clean_string(FlatReader& in) {
  std::string text = to_valid_utf8(in.string());
  for (char& c : text)
    if (c == '\0') c = ' ';
  return text;
}

bool unpack_value(FlatReader& in, Value& value) {
  switch (static_cast<ValueTag>(in.number<uint8_t>())) {
    case ValueTag::null:
      value = std::monostate{};
      return true;
    case ValueTag::boolean:
      value = in.number<uint8_t>() != 0;
      return true;
    case ValueTag::integer:
      value = in.number<int64_t>();
      return true;
    case ValueTag::number:
      value = in.number<double>();
      return true;
    case ValueTag::string:
      value = clean_string(in);
      return true;
    case ValueTag::strings: {
      std::vector<std::string> list(in.count(sizeof(uint32_t)));
      for (std::string& item : list) item = clean_string(in);
      value = std::move(list);
      return true;
    }
    case ValueTag::integers:
      value = unpack_items<int64_t>(in);
      return true;
    case ValueTag::numbers:
      value = unpack_items<double>(in);
      return true;
    case ValueTag::booleans: {
      std::vector<bool> list(in.count(1));
      for (size_t i = 0; i < list.size(); ++i) list[i] = in.number<uint8_t>() != 0;
      value = std::move(list);
      return true;
    }
  }
  return false;
}

bool valid_text(std::string_view text) {
  return text.size() <= std::numeric_limits<uint32_t>::max() && is_valid_utf8(text) &&
         text.find('\0') == std::string_view::npos;
}

bool on_border(std::string_view text, uint32_t at) {
  return at <= text.size() && code_point_floor(text, at) == at;
}

bool unpack_blocks(FlatReader& in, Document& document) {
  constexpr size_t kBlockBytes = 14;
  document.blocks.resize(in.count(kBlockBytes));
  uint32_t last_end = 0;
  for (Block& block : document.blocks) {
    block.begin = in.number<uint32_t>();
    block.end = in.number<uint32_t>();
    const auto kind = in.number<uint8_t>();
    block.level = in.number<uint8_t>();
    block.page = in.number<int32_t>();
    if (!in.ok() || kind > static_cast<uint8_t>(BlockKind::caption) || block.begin < last_end ||
        block.end < block.begin || block.page < 0 || !on_border(document.text, block.begin) ||
        !on_border(document.text, block.end))
      return false;
    block.kind = static_cast<BlockKind>(kind);
    last_end = block.end;
  }
  return true;
}

bool unpack_links(FlatReader& in, Document& document) {
  constexpr size_t kLeastLinkBytes = 8;
  const size_t count = in.count(kLeastLinkBytes);
  if (count > kDocumentLinksMax) return false;
  document.links.resize(count);
  uint32_t last = 0;
  for (Link& link : document.links) {
    link.at = in.number<uint32_t>();
    link.target = clean_string(in);
    if (!in.ok() || link.at < last || !on_border(document.text, link.at) ||
        link.target.size() > kReferenceBytesMax)
      return false;
    last = link.at;
  }
  return true;
}

bool unpack_lines(FlatReader& in, Document& document) {
  constexpr size_t kLineBytes = 8;
  document.lines.resize(in.count(kLineBytes));
  uint32_t least = 0;
  for (LineBegin& begin : document.lines) {
    begin.offset = in.number<uint32_t>();
    begin.line = in.number<int32_t>();
    if (!in.ok() || begin.offset < least || begin.offset > document.text.size() || begin.line < 1)
      return false;
    least = begin.offset + 1;
  }
  return true;
}

}  // namespace

std::string pack_document(const Document& document) {
  FlatWriter out;
  out.reserve(document.text.size() + document.blocks.size() * 14 + 1024);
  out.number(kHead);
  out.string(document.source);
  out.string(document.title);
  out.string(document.text);
  out.string(document.media_type);
  out.string(document.language);
  out.number(static_cast<uint32_t>(document.blocks.size()));
  for (const Block& block : document.blocks) {
    out.number(block.begin);
    out.number(block.end);
    out.number(static_cast<uint8_t>(block.kind));
    out.number(block.level);
    out.number(block.page);
  }
  out.number(static_cast<uint32_t>(document.links.size()));
  for (const Link& link : document.links) {
    out.number(link.at);
    out.string(link.target);
  }
  out.number(static_cast<uint32_t>(document.lines.size()));
  for (const LineBegin& begin : document.lines) {
    out.number(begin.offset);
    out.number(begin.line);
  }
  out.number(static_cast<uint32_t>(document.metadata.size()));
  for (const auto& [name, value] : document.metadata) {
    out.string(name);
    pack_value(value, out);
  }
  return std::move(out).take();
}

Result<Document> unpack_document(std::string_view bytes) {
  const auto damaged = [](std::string_view what) {
    return fail(ErrorCode::damaged, "a worker sent a damaged document: " + std::string(what));
  };
  FlatReader in(bytes);
  const auto head = in.number<uint32_t>();
  if ((head & 0xFFFFFF) != kMagic) return damaged("no document at all");
  if (head != kHead) {
    return fail(ErrorCode::damaged,
                "the worker program is of another version: it speaks version " +
                    std::to_string(head >> 24) + ", this is " + std::to_string(kVersion),
                "install headrace and headrace-worker of the same version");
  }
  Document document;
  document.source = clean_string(in);
  document.title = clean_string(in);
  const std::string_view text = in.string();
  if (!in.ok()) return damaged("it ends too early");
  if (!valid_text(text)) return damaged("its text is not UTF-8");
  document.text = text;
  document.media_type = clean_string(in);
  document.language = clean_string(in);
  if (!unpack_blocks(in, document)) return damaged("its blocks are not in order");
  if (!unpack_links(in, document)) return damaged("its links are not in order");
  if (!unpack_lines(in, document)) return damaged("its lines are not in order");
  const auto entries = in.count(sizeof(uint32_t) + 1);
  for (uint32_t i = 0; i < entries && in.ok(); ++i) {
    std::string name = clean_string(in);
    Value value;
    if (!unpack_value(in, value)) return damaged("a metadata value of no known type");
    document.metadata.insert_or_assign(std::move(name), std::move(value));
  }
  if (!in.finished()) return damaged("its length is wrong");
  return document;
}

}  // namespace headrace
