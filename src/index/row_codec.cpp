#include "index/row_codec.h"

#include "index/field_codec.h"

namespace headrace::index {
namespace {

// Which optional parts follow; a blob of a plain vector row is a handful of bytes.
enum BlobFlag : uint8_t {
  kHasTitle = 1,
  kHasHeading = 2,
  kHasModality = 4,  // other than "text"
  kHasVia = 8,
  kHasStart = 16,
  kHasEnd = 32,
  kHasPlace = 64,  // page, line, span
  kHasMetadata = 128,
};

enum class ValueTag : uint8_t { null, no, yes, integer, real, text, list, integers, reals, flags };

void encode_value(const Value& value, FieldWriter& out) {
  const auto tag = [&](ValueTag t) { out.u8(static_cast<uint8_t>(t)); };
  if (const auto* flag = std::get_if<bool>(&value)) {
    tag(*flag ? ValueTag::yes : ValueTag::no);
  } else if (const auto* integer = std::get_if<int64_t>(&value)) {
    tag(ValueTag::integer);
    out.number(*integer);
  } else if (const auto* real = std::get_if<double>(&value)) {
    tag(ValueTag::real);
    out.number(*real);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    tag(ValueTag::text);
    out.text(*text);
  } else if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
    tag(ValueTag::list);
    out.varint(list->size());
    for (const std::string& item : *list) out.text(item);
  } else if (const auto* integers = std::get_if<std::vector<int64_t>>(&value)) {
    tag(ValueTag::integers);
    out.varint(integers->size());
    for (const int64_t item : *integers) out.number(item);
  } else if (const auto* reals = std::get_if<std::vector<double>>(&value)) {
    tag(ValueTag::reals);
    out.varint(reals->size());
    for (const double item : *reals) out.number(item);
  } else if (const auto* flags = std::get_if<std::vector<bool>>(&value)) {
    tag(ValueTag::flags);
    out.varint(flags->size());
    for (const bool item : *flags) out.u8(item ? 1 : 0);
  } else {
    tag(ValueTag::null);
  }
}

bool decode_value(FieldReader& in, Value& value) {
  switch (static_cast<ValueTag>(in.u8())) {
    case ValueTag::null:
      value = std::monostate{};
      break;
    case ValueTag::no:
      value = false;
      break;
    case ValueTag::yes:
      value = true;
      break;
    case ValueTag::integer:
      value = in.number<int64_t>();
      break;
    case ValueTag::real:
      value = in.number<double>();
      break;
    case ValueTag::text:
      value = std::string(in.text());
      break;
    case ValueTag::list: {
      std::vector<std::string> list(in.count());
      for (std::string& item : list) item = in.text();
      value = std::move(list);
      break;
    }
    case ValueTag::integers: {
      std::vector<int64_t> list(in.count(sizeof(int64_t)));
      for (int64_t& item : list) item = in.number<int64_t>();
      value = std::move(list);
      break;
    }
    case ValueTag::reals: {
      std::vector<double> list(in.count(sizeof(double)));
      for (double& item : list) item = in.number<double>();
      value = std::move(list);
      break;
    }
    case ValueTag::flags: {
      std::vector<bool> list(in.count());
      for (size_t i = 0; i < list.size(); ++i) list[i] = in.u8() != 0;
      value = std::move(list);
      break;
    }
    default:
      return false;
  }
  return in.ok();
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

bool parse_row_key(std::string_view text, Hash128& key) {
  if (text.size() != 32) return false;
  uint64_t halves[2] = {0, 0};
  for (size_t i = 0; i < 32; ++i) {
    const int digit = hex_digit(text[i]);
    if (digit < 0) return false;
    halves[i / 16] = halves[i / 16] << 4 | static_cast<uint64_t>(digit);
  }
  key = {halves[0], halves[1]};
  return true;
}

void encode_row_blob(const Row& row, std::string& out) {
  uint8_t flags = 0;
  if (!row.title.empty()) flags |= kHasTitle;
  if (!row.heading.empty()) flags |= kHasHeading;
  if (row.modality != "text") flags |= kHasModality;
  if (!row.via.empty()) flags |= kHasVia;
  if (row.start_s) flags |= kHasStart;
  if (row.end_s) flags |= kHasEnd;
  if (row.page != 0 || row.line != 0 || row.span_begin != 0 || row.span_end != 0) {
    flags |= kHasPlace;
  }
  if (!row.metadata.empty()) flags |= kHasMetadata;
  FieldWriter blob;
  blob.bytes().swap(out);  // appends in place
  blob.u8(flags);
  if (flags & kHasTitle) blob.text(row.title);
  if (flags & kHasHeading) blob.text(row.heading);
  if (flags & kHasModality) blob.text(row.modality);
  if (flags & kHasVia) blob.text(row.via);
  if (flags & kHasStart) blob.number(*row.start_s);
  if (flags & kHasEnd) blob.number(*row.end_s);
  if (flags & kHasPlace) {
    blob.varint(static_cast<uint32_t>(row.page));
    blob.varint(static_cast<uint32_t>(row.line));
    blob.varint(row.span_begin);
    blob.varint(row.span_end);
  }
  blob.text(row.text);
  if (flags & kHasMetadata) {
    blob.varint(row.metadata.size());
    for (const auto& [name, value] : row.metadata) {
      blob.text(name);
      encode_value(value, blob);
    }
  }
  // Behind all else, so that rows without them are as they were before there were any.
  const bool has_bytes = row.byte_begin.has_value();
  if (!row.further_pages.empty() || !row.further_lines.empty() || has_bytes) {
    blob.varint(row.further_pages.size());
    PageBegin before{0, row.page};
    for (const PageBegin& start : row.further_pages) {
      blob.varint(start.offset - before.offset);
      blob.u32(static_cast<uint32_t>(start.page) - static_cast<uint32_t>(before.page));
      before = start;
    }
  }
  if (!row.further_lines.empty() || has_bytes) {
    blob.varint(row.further_lines.size());
    LineBegin last{0, row.line};
    for (const LineBegin& begin : row.further_lines) {
      blob.varint(begin.offset - last.offset);
      blob.varint(static_cast<uint32_t>(begin.line) - static_cast<uint32_t>(last.line));
      last = begin;
    }
  }
  if (has_bytes) blob.varint(*row.byte_begin - row.span_begin);
  blob.bytes().swap(out);
}

bool decode_row_blob(std::string_view bytes, Row& row) {
  FieldReader in(bytes);
  const uint8_t flags = in.u8();
  row.title = flags & kHasTitle ? in.text() : std::string_view();
  row.heading = flags & kHasHeading ? in.text() : std::string_view();
  row.modality = flags & kHasModality ? in.text() : std::string_view("text");
  row.via = flags & kHasVia ? in.text() : std::string_view();
  row.start_s.reset();
  row.end_s.reset();
  if (flags & kHasStart) row.start_s = in.number<double>();
  if (flags & kHasEnd) row.end_s = in.number<double>();
  row.page = row.line = 0;
  row.span_begin = row.span_end = 0;
  if (flags & kHasPlace) {
    row.page = static_cast<int32_t>(in.varint());
    row.line = static_cast<int32_t>(in.varint());
    row.span_begin = in.varint();
    row.span_end = in.varint();
  }
  row.text = in.text();
  row.metadata.clear();
  if (flags & kHasMetadata) {
    const uint64_t count = in.count(2);
    for (uint64_t i = 0; i < count && in.ok(); ++i) {
      std::string name(in.text());
      Value value;
      if (!decode_value(in, value)) return false;
      row.metadata.insert_or_assign(std::move(name), std::move(value));
    }
  }
  row.further_pages.clear();
  if (!in.done()) {
    row.further_pages.resize(in.count(5));
    PageBegin at{0, row.page};
    for (PageBegin& start : row.further_pages) {
      at.offset += static_cast<uint32_t>(in.varint());
      at.page = static_cast<int32_t>(static_cast<uint32_t>(at.page) + in.u32());
      start = at;
    }
    if (row.further_pages.empty() && in.done()) return false;  // nothing is not written
  }
  row.further_lines.clear();
  if (!in.done()) {
    row.further_lines.resize(in.count(2));
    LineBegin last{0, row.line};
    for (LineBegin& begin : row.further_lines) {
      last.offset += static_cast<uint32_t>(in.varint());
      last.line = static_cast<int32_t>(static_cast<uint32_t>(last.line) +
                                       static_cast<uint32_t>(in.varint()));
      begin = last;
    }
    if (row.further_lines.empty() && in.done()) return false;
  }
  row.byte_begin.reset();
  if (!in.done()) row.byte_begin = row.span_begin + in.varint();
  return in.done();
}

}  // namespace headrace::index
