#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <optional>

#include "base/lenient_json.h"
#include "sources/records.h"

namespace headrace {

namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

std::string scalar_text(const element& value) {
  switch (value.type()) {
    case element_type::STRING:
      return std::string(std::string_view(value.get_string().value()));
    case element_type::INT64:
      return std::to_string(value.get_int64().value());
    case element_type::UINT64:
      return std::to_string(value.get_uint64().value());
    case element_type::BOOL:
      return value.get_bool().value() ? "true" : "false";
    case element_type::NULL_VALUE:
      return "";
    default:
      return simdjson::minify(value);
  }
}

// What has no type of its own, also whole numbers beyond 64 bits, is its text.
Value scalar_value(const element& value) {
  switch (value.type()) {
    case element_type::BOOL:
      return value.get_bool().value();
    case element_type::INT64:
      return value.get_int64().value();
    case element_type::DOUBLE:
      return value.get_double().value();
    case element_type::NULL_VALUE:
      return std::monostate{};
    default:
      return scalar_text(value);
  }
}

void add_metadata(const std::string& name, const element& value, Metadata& metadata, int depth) {
  if (value.type() == element_type::OBJECT && depth < 8) {
    // Named: a temporary in the loop's range would be gone before the loop begins.
    const simdjson::dom::object object = value.get_object().value();
    for (const auto field : object) {
      add_metadata(name + "." + std::string(field.key), field.value, metadata, depth + 1);
    }
  } else if (value.type() == element_type::ARRAY) {
    std::vector<Value> items;
    const simdjson::dom::array array = value.get_array().value();
    for (const element item : array) items.push_back(scalar_value(item));
    metadata[name] = list_value(items);
  } else {
    metadata[name] = scalar_value(value);
  }
}

bool is_one_of(std::string_view name, const std::string& chosen,
               std::initializer_list<std::string_view> usual) {
  if (!chosen.empty()) return name == chosen;
  return std::find(usual.begin(), usual.end(), name) != usual.end();
}

struct IdField {
  std::string_view name;
  element value;
};

// "id" before "_id", in whatever order they stand; null and "" are none.
std::optional<IdField> find_id(const simdjson::dom::object& object, const RecordColumns& columns) {
  for (const std::string_view usual : {"id", "_id"}) {
    const std::string_view name = columns.id.empty() ? usual : columns.id;
    element value;
    if (!object.at_key(name).get(value) && !scalar_text(value).empty()) return IdField{name, value};
  }
  return std::nullopt;
}

// What to call a field "id" that is not the record's id.
std::string free_name(const simdjson::dom::object& object) {
  std::string name = "_id";
  for (element ignored; !object.at_key(name).get(ignored);) name.insert(0, "_");
  return name;
}

Error bad_line(const std::string& file, uint64_t line, std::string_view why) {
  return Error(ErrorCode::damaged, fmt::format("{}:{}: {}", file, line, why),
               "mend or remove the line; the other lines are indexed");
}

}  // namespace

Result<RawDocument> parse_json_record(const std::string& file, uint64_t line, std::string_view json,
                                      const RecordColumns& columns) {
  // What a parser needs for a long line it would keep for ever.
  constexpr size_t kKeptForBytes = 1 << 20;
  thread_local simdjson::dom::parser kept;
  simdjson::dom::parser for_this_line;
  simdjson::dom::parser& parser = json.size() <= kKeptForBytes ? kept : for_this_line;
  element root;
  auto error = parser.parse(json.data(), json.size()).get(root);
  if (error) {
    const auto mended = lenient_json(json);
    if (mended) error = parser.parse(mended->data(), mended->size()).get(root);
  }
  if (error) {
    return std::unexpected(
        bad_line(file, line, fmt::format("not JSON ({})", simdjson::error_message(error))));
  }
  simdjson::dom::object object;
  if (root.get(object)) return std::unexpected(bad_line(file, line, "not a JSON object"));

  RawDocument record;
  record.is_text = true;
  bool has_text = false;
  const std::optional<IdField> id = find_id(object, columns);
  bool seen_id = false;
  for (const auto field : object) {
    const std::string_view name = field.key;
    if (!has_text && is_one_of(name, columns.text, {"text", "contents", "content", "body"}) &&
        field.value.is_string()) {
      record.bytes = std::string(std::string_view(field.value.get_string().value()));
      has_text = true;
    } else if (id && !seen_id && name == id->name) {
      seen_id = true;
    } else if (is_one_of(name, columns.title, {"title"}) && field.value.is_string()) {
      record.title = std::string(std::string_view(field.value.get_string().value()));
    } else {
      add_metadata(name == "id" ? free_name(object) : std::string(name), field.value,
                   record.metadata, 0);
    }
  }
  if (!has_text) {
    return std::unexpected(bad_line(file, line,
                                    columns.text.empty()
                                        ? std::string("no \"text\" (or \"contents\") string")
                                        : fmt::format("no \"{}\" string", columns.text)));
  }
  record.is_numbered = !id;
  const std::string name = id ? scalar_text(id->value) : numbered_id(line);
  record.metadata["id"] = id ? scalar_value(id->value) : Value(name);
  record.source = fmt::format("{}#{}", file, name);
  record.stamp.size_bytes = json.size();
  record.content_hash = hash128(json);
  return record;
}

Status read_jsonl(const std::string& file, std::string_view bytes, const RecordColumns& columns,
                  const RecordHandlers& handlers) {
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  uint64_t line_number = 0;
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    std::string_view line = bytes.substr(0, end);
    bytes = end == std::string_view::npos ? std::string_view{} : bytes.substr(end + 1);
    ++line_number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(" \t") == std::string_view::npos) continue;
    auto record = parse_json_record(file, line_number, line, columns);
    if (record) {
      HR_TRY(handlers.on_record(std::move(*record)));
    } else {
      HR_TRY(handlers.on_problem(
          {fmt::format("{}:{}", file, line_number), "read", std::move(record).error()}));
    }
  }
  return {};
}

}  // namespace headrace
