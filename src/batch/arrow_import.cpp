#include "batch/arrow_import.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "batch/arrow_values.h"

namespace headrace {

namespace {

constexpr size_t kDepthMax = 16;  // of structs in structs

// A map's only child is a struct of keys and values.
bool is_map_of_values(const ArrowSchema& schema) {
  if (std::string_view(schema.format) != "+m" || schema.n_children != 1) return false;
  const ArrowSchema& entry = *schema.children[0];
  return entry.n_children == 2 && is_arrow_value(*entry.children[0]) &&
         is_arrow_value(*entry.children[1]);
}

std::string reason(ArrowArrayStream& stream) {
  const char* why = stream.get_last_error(&stream);
  return why == nullptr ? "" : why;
}

}  // namespace

ArrowReader::ArrowReader(ArrowArrayStream* stream) : stream_(*stream) {
  stream->release = nullptr;  // moved
}

Result<std::unique_ptr<ArrowReader>> ArrowReader::open(ArrowArrayStream* stream) {
  auto reader = std::make_unique<ArrowReader>(stream);
  if (reader->stream_.get_schema(&reader->stream_, &reader->schema_) != 0) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("the Arrow stream has no schema: {}", reason(reader->stream_)));
  }
  const ArrowSchema& schema = reader->schema_;
  if (std::string_view(schema.format) != "+s") {
    return fail(ErrorCode::invalid_argument, "the Arrow stream holds no record batches",
                "give a table, a DataFrame or a record batch reader");
  }
  for (int64_t i = 0; i < schema.n_children; ++i) {
    const ArrowSchema& child = *schema.children[i];
    HR_TRY(reader->add_columns(child, child.name == nullptr ? "" : child.name, {i}));
  }
  HR_TRY(reader->check_names());
  return reader;
}

Status ArrowReader::add_columns(const ArrowSchema& schema, const std::string& name, Path path) {
  const bool is_struct = std::string_view(schema.format) == "+s" && schema.dictionary == nullptr;
  if (is_struct && path.size() < kDepthMax) {
    for (int64_t i = 0; i < schema.n_children; ++i) {
      const ArrowSchema& child = *schema.children[i];
      Path below = path;
      below.push_back(i);
      HR_TRY(add_columns(child, fmt::format("{}.{}", name, child.name == nullptr ? "" : child.name),
                         std::move(below)));
    }
    return {};
  }
  if (!is_arrow_value(schema) && !is_map_of_values(schema))
    refused_.push_back(fmt::format("\"{}\" ({})", name, arrow_type_name(schema)));
  names_.push_back(name);
  paths_.push_back(std::move(path));
  return {};
}

Status ArrowReader::check_names() const {
  if (!refused_.empty()) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("metadata cannot hold the column{} {}", refused_.size() == 1 ? "" : "s",
                            fmt::join(refused_, ", ")),
                "cast it to text, numbers, times or lists of them, or leave it out: "
                "table.drop_columns([…])");
  }
  std::vector<std::string> sorted = names_;
  std::ranges::sort(sorted);
  if (const auto twice = std::ranges::adjacent_find(sorted); twice != sorted.end()) {
    return fail(ErrorCode::invalid_argument, fmt::format("two columns are called \"{}\"", *twice),
                "rename one of them, or leave it out");
  }
  return {};
}

void ArrowReader::release_array() {
  if (array_.release != nullptr) array_.release(&array_);
  array_ = ArrowArray{};
}

ArrowReader::~ArrowReader() {
  release_array();
  if (schema_.release != nullptr) schema_.release(&schema_);
  if (stream_.release != nullptr) stream_.release(&stream_);
}

Result<bool> ArrowReader::next() {
  release_array();
  if (stream_.get_next(&stream_, &array_) != 0)
    return fail(ErrorCode::io, fmt::format("the Arrow stream failed: {}", reason(stream_)));
  if (array_.release == nullptr) return false;
  if (array_.n_children != schema_.n_children) {
    return fail(ErrorCode::damaged, "an Arrow batch has other columns than its schema");
  }
  return true;
}

ArrowReader::Place ArrowReader::place(size_t column, int64_t row) const {
  Place place{&schema_, &array_, row};
  for (const int64_t child : paths_[column]) {
    if (is_arrow_null(*place.array, place.row)) return {place.schema, nullptr, 0};
    place.row += place.array->offset;
    place.schema = place.schema->children[child];
    place.array = place.array->children[child];
  }
  return place;
}

bool ArrowReader::is_map(size_t column) const {
  const ArrowSchema* schema = &schema_;
  for (const int64_t child : paths_[column]) schema = schema->children[child];
  return std::string_view(schema->format) == "+m";
}

Result<Value> ArrowReader::value(size_t column, int64_t row) const {
  const Place at = place(column, row);
  if (at.array == nullptr) return Value();
  auto value = arrow_value(*at.schema, *at.array, at.row);
  if (value) return value;
  return fail(value.error().code(),
              fmt::format("has {} in \"{}\"", value.error().message(), names_[column]),
              "mend the value, or leave the column out");
}

Result<Metadata> ArrowReader::entries(size_t column, int64_t row) const {
  Metadata entries;
  const Place at = place(column, row);
  if (at.array == nullptr || is_arrow_null(*at.array, at.row)) return entries;
  const ArrowRange range = arrow_range(*at.schema, *at.array, at.row);
  const ArrowSchema& schema = *at.schema->children[0];
  const ArrowArray& array = *at.array->children[0];
  for (int64_t i = range.begin; i < range.end; ++i) {
    const int64_t entry = i + array.offset;
    auto key = arrow_value(*schema.children[0], *array.children[0], entry);
    auto value = arrow_value(*schema.children[1], *array.children[1], entry);
    if (!key || !value) {
      return fail(
          ErrorCode::invalid_argument,
          fmt::format("has {} in \"{}\"", (key ? value : key).error().message(), names_[column]),
          "mend the value, or leave the column out");
    }
    entries.insert_or_assign(item_text(*key), *std::move(value));
  }
  return entries;
}

}  // namespace headrace
