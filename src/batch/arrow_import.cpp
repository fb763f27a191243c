#include "batch/arrow_import.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cstring>
#include <string_view>

#include "base/utf8.h"

namespace headrace {

namespace {

bool is_null(const ArrowArray& array, int64_t row) {
  if (array.null_count == 0 || array.n_buffers == 0 || array.buffers[0] == nullptr) return false;
  const auto* bits = static_cast<const uint8_t*>(array.buffers[0]);
  return (bits[row / 8] >> (row % 8) & 1) == 0;
}

template <typename T>
T at(const ArrowArray& array, int buffer, int64_t row) {
  T value;
  std::memcpy(
      &value,
      static_cast<const char*>(array.buffers[buffer]) + row * static_cast<int64_t>(sizeof(T)),
      sizeof(T));
  return value;
}

template <typename Offset>
std::string string_at(const ArrowArray& array, int64_t row) {
  const auto begin = at<Offset>(array, 1, row);
  const auto end = at<Offset>(array, 1, row + 1);
  if (end <= begin) return {};
  return to_valid_utf8(
      {static_cast<const char*>(array.buffers[2]) + begin, static_cast<size_t>(end - begin)});
}

// Arrow's string view: 4 bytes length, then 12 bytes inline, or prefix, buffer number and offset.
std::string view_string_at(const ArrowArray& array, int64_t row) {
  struct View {
    int32_t length;
    char prefix[4];
    int32_t buffer;
    int32_t offset;
  };
  const View view = at<View>(array, 1, row);
  if (view.length <= 12) {
    const char* inlined = static_cast<const char*>(array.buffers[1]) + row * 16 + 4;
    return to_valid_utf8({inlined, static_cast<size_t>(std::max(view.length, 0))});
  }
  if (view.buffer < 0 || view.buffer + 2 >= array.n_buffers - 1) return {};
  return to_valid_utf8({static_cast<const char*>(array.buffers[2 + view.buffer]) + view.offset,
                        static_cast<size_t>(view.length)});
}

std::string iso_time(int64_t since_epoch, int64_t units_per_second) {
  int64_t seconds = since_epoch / units_per_second;
  int64_t rest = since_epoch % units_per_second;
  if (rest < 0) {
    rest += units_per_second;
    --seconds;
  }
  constexpr int64_t kYear10000 = 253402300800;
  if (seconds < -62135596800 || seconds >= kYear10000) return std::to_string(since_epoch);
  std::string text =
      fmt::format("{:%Y-%m-%dT%H:%M:%S}", fmt::gmtime(static_cast<std::time_t>(seconds)));
  if (rest != 0) text += fmt::format(".{:09}", rest * (1'000'000'000 / units_per_second));
  return text;
}

Value timestamp_at(std::string_view format, const ArrowArray& array, int64_t row) {
  const auto value = at<int64_t>(array, 1, row);
  switch (format[2]) {
    case 's':
      return iso_time(value, 1);
    case 'm':
      return iso_time(value, 1'000);
    case 'u':
      return iso_time(value, 1'000'000);
    default:
      return iso_time(value, 1'000'000'000);
  }
}

Value date_at(std::string_view format, const ArrowArray& array, int64_t row) {
  const int64_t seconds = format == "tdD" ? at<int32_t>(array, 1, row) * int64_t{86400}
                                          : at<int64_t>(array, 1, row) / 1000;
  return iso_time(seconds, 1).substr(0, 10);
}

bool readable(std::string_view format, const ArrowSchema& schema) {
  if (schema.dictionary != nullptr) return readable(schema.dictionary->format, *schema.dictionary);
  static constexpr std::string_view kPlain[] = {"n", "b", "c",  "C",   "s",  "S", "i",
                                                "I", "l", "L",  "f",   "g",  "u", "U",
                                                "z", "Z", "vu", "tdD", "tdm"};
  for (const std::string_view plain : kPlain) {
    if (format == plain) return true;
  }
  if (format.starts_with("ts") && format.size() >= 4) return true;
  return (format == "+l" || format == "+L") && schema.n_children == 1 &&
         readable(schema.children[0]->format, *schema.children[0]);
}

std::string text_of(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* whole = std::get_if<int64_t>(&value)) return std::to_string(*whole);
  if (const auto* real = std::get_if<double>(&value)) return fmt::format("{}", *real);
  if (const auto* truth = std::get_if<bool>(&value)) return *truth ? "true" : "false";
  return {};
}

int64_t dictionary_index(std::string_view format, const ArrowArray& array, int64_t row) {
  switch (format[0]) {
    case 'c':
      return at<int8_t>(array, 1, row);
    case 'C':
      return at<uint8_t>(array, 1, row);
    case 's':
      return at<int16_t>(array, 1, row);
    case 'S':
      return at<uint16_t>(array, 1, row);
    case 'i':
      return at<int32_t>(array, 1, row);
    case 'I':
      return at<uint32_t>(array, 1, row);
    default:
      return at<int64_t>(array, 1, row);
  }
}

Value value_at(const ArrowSchema& schema, const ArrowArray& array, int64_t row) {
  row += array.offset;
  if (is_null(array, row)) return std::monostate{};
  const std::string_view format = schema.format;
  if (schema.dictionary != nullptr) {
    const int64_t index = dictionary_index(format, array, row);
    if (array.dictionary == nullptr || index < 0 || index >= array.dictionary->length)
      return std::monostate{};
    return value_at(*schema.dictionary, *array.dictionary, index);
  }
  if (format == "b") {
    const auto* bits = static_cast<const uint8_t*>(array.buffers[1]);
    return (bits[row / 8] >> (row % 8) & 1) != 0;
  }
  if (format == "c") return int64_t{at<int8_t>(array, 1, row)};
  if (format == "C") return int64_t{at<uint8_t>(array, 1, row)};
  if (format == "s") return int64_t{at<int16_t>(array, 1, row)};
  if (format == "S") return int64_t{at<uint16_t>(array, 1, row)};
  if (format == "i") return int64_t{at<int32_t>(array, 1, row)};
  if (format == "I") return int64_t{at<uint32_t>(array, 1, row)};
  if (format == "l") return at<int64_t>(array, 1, row);
  if (format == "L") {
    const auto value = at<uint64_t>(array, 1, row);
    if (value <= static_cast<uint64_t>(INT64_MAX)) return static_cast<int64_t>(value);
    return static_cast<double>(value);
  }
  if (format == "f") return static_cast<double>(at<float>(array, 1, row));
  if (format == "g") return at<double>(array, 1, row);
  if (format == "u" || format == "z") return string_at<int32_t>(array, row);
  if (format == "U" || format == "Z") return string_at<int64_t>(array, row);
  if (format == "vu") return view_string_at(array, row);
  if (format == "tdD" || format == "tdm") return date_at(format, array, row);
  if (format.starts_with("ts")) return timestamp_at(format, array, row);
  if ((format == "+l" || format == "+L") && readable(format, schema)) {
    const int64_t begin = format == "+l" ? at<int32_t>(array, 1, row) : at<int64_t>(array, 1, row);
    const int64_t end =
        format == "+l" ? at<int32_t>(array, 1, row + 1) : at<int64_t>(array, 1, row + 1);
    std::vector<std::string> items;
    for (int64_t i = begin; i < end; ++i)
      items.push_back(text_of(value_at(*schema.children[0], *array.children[0], i)));
    return items;
  }
  return std::monostate{};
}

}  // namespace

ArrowReader::ArrowReader(ArrowArrayStream* stream) : stream_(*stream) {
  stream->release = nullptr;  // moved
}

Result<std::unique_ptr<ArrowReader>> ArrowReader::open(ArrowArrayStream* stream) {
  auto reader = std::make_unique<ArrowReader>(stream);
  if (reader->stream_.get_schema(&reader->stream_, &reader->schema_) != 0) {
    const char* why = reader->stream_.get_last_error(&reader->stream_);
    return fail(ErrorCode::invalid_argument,
                fmt::format("the Arrow stream has no schema: {}", why == nullptr ? "" : why));
  }
  const ArrowSchema& schema = reader->schema_;
  if (std::string_view(schema.format) != "+s") {
    return fail(ErrorCode::invalid_argument, "the Arrow stream holds no record batches",
                "give a table, a DataFrame or a record batch reader");
  }
  for (int64_t i = 0; i < schema.n_children; ++i) {
    const ArrowSchema& child = *schema.children[i];
    reader->names_.emplace_back(child.name == nullptr ? "" : child.name);
    if (!readable(child.format, child))
      reader->unread_.push_back(fmt::format("{}: {}", reader->names_.back(), child.format));
  }
  return reader;
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
  if (stream_.get_next(&stream_, &array_) != 0) {
    const char* why = stream_.get_last_error(&stream_);
    return fail(ErrorCode::io,
                fmt::format("the Arrow stream failed: {}", why == nullptr ? "" : why));
  }
  if (array_.release == nullptr) return false;
  if (array_.n_children != schema_.n_children) {
    return fail(ErrorCode::damaged, "an Arrow batch has other columns than its schema");
  }
  return true;
}

Value ArrowReader::value(size_t column, int64_t row) const {
  return value_at(*schema_.children[column], *array_.children[column], row + array_.offset);
}

}  // namespace headrace
