#include "value_binding.h"

#include <nanobind/stl/string.h>

#include <cmath>
#include <string_view>

#include "base/utf8.h"

namespace nb = nanobind;

namespace headrace::python {

nb::object to_python(const Value& value) {
  return std::visit(
      [](const auto& held) -> nb::object {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<Held, std::monostate>) {
          return nb::none();
        } else if constexpr (std::is_same_v<Held, std::vector<std::string>>) {
          nb::list items;
          for (const std::string& item : held) items.append(nb::str(item.c_str(), item.size()));
          return items;
        } else if constexpr (std::is_same_v<Held, std::vector<bool>>) {
          nb::list items;
          for (const bool item : held) items.append(nb::bool_(item));
          return items;
        } else if constexpr (std::is_same_v<Held, std::vector<int64_t>> ||
                             std::is_same_v<Held, std::vector<double>>) {
          nb::list items;
          for (const auto item : held) items.append(nb::cast(item));
          return items;
        } else if constexpr (std::is_same_v<Held, std::string>) {
          return nb::str(held.c_str(), held.size());
        } else {
          return nb::cast(held);
        }
      },
      value);
}

std::string text_from_python(nb::handle value) {
  Py_ssize_t size = 0;
  if (PyUnicode_CheckExact(value.ptr())) {
    const char* const utf8 = PyUnicode_AsUTF8AndSize(value.ptr(), &size);
    if (utf8 != nullptr) return std::string(utf8, static_cast<size_t>(size));
    PyErr_Clear();
  }
  const nb::str text(value);
  const nb::object bytes = text.attr("encode")("utf-8", "replace");
  char* data = nullptr;
  if (PyBytes_AsStringAndSize(bytes.ptr(), &data, &size) != 0) throw nb::python_error();
  return std::string(data, static_cast<size_t>(size));
}

namespace {

std::string name_of_type(nb::handle value) {
  return nb::cast<std::string>(nb::str(nb::object(value.type().attr("__name__"))));
}

// bytes are text where they are UTF-8.
std::string from_bytes(nb::handle value) {
  const std::string_view view(PyBytes_AS_STRING(value.ptr()),
                              static_cast<size_t>(PyBytes_GET_SIZE(value.ptr())));
  if (!is_valid_utf8(view)) throw UnreadableValue("bytes that are no text in UTF-8");
  return std::string(view);
}

// What is no plain value within a list is its text.
Value item_from_python(nb::handle value) {
  const bool is_nested = nb::isinstance<nb::list>(value) || nb::isinstance<nb::tuple>(value) ||
                         nb::isinstance<nb::set>(value) || nb::isinstance<nb::dict>(value);
  return is_nested ? Value(text_from_python(value)) : from_python(value);
}

// Python's own dates reach from microseconds to years; numpy writes the others as they are.
Value from_numpy_time(nb::handle value) {
  const nb::object item = value.attr("item")();
  if (item.is_none()) return std::monostate{};  // not a time
  if (!nb::isinstance<nb::int_>(item)) return from_python(item);
  std::string text = text_from_python(value);
  if (text == "NaT") return std::monostate{};
  constexpr size_t kYearDigits = 4;
  if (text.find('-') != kYearDigits) throw UnreadableValue("a time outside of the years 1 to 9999");
  if (text.contains('.')) {
    while (text.ends_with('0')) text.pop_back();
    if (text.ends_with('.')) text.pop_back();
  }
  return text;
}

Value from_numpy_duration(nb::handle value) {
  const nb::object second = value.type()(1, "s");
  const double seconds = nb::cast<double>(value.attr("__truediv__")(second));
  return std::isnan(seconds) ? Value() : Value(seconds);
}

Value from_decimal(nb::handle value) {
  const nb::object exponent = value.attr("as_tuple")().attr("exponent");
  const bool is_whole = nb::isinstance<nb::int_>(exponent) && nb::cast<int64_t>(exponent) >= 0;
  return from_python(is_whole ? value.attr("__int__")() : value.attr("__float__")());
}

// What has no type of its own here: numpy's and pandas' values, dates, decimals and the like.
Value from_other_python(nb::handle value) {
  if (PyBytes_Check(value.ptr())) return from_bytes(value);
  const std::string type = name_of_type(value);
  if (type == "NaTType" || type == "NAType") return std::monostate{};
  if (type == "datetime64") return from_numpy_time(value);
  if (type == "timedelta64") return from_numpy_duration(value);
  if (type == "Decimal") return from_decimal(value);
  if (nb::hasattr(value, "total_seconds")) return nb::cast<double>(value.attr("total_seconds")());
  if (nb::hasattr(value, "tolist")) return from_python(value.attr("tolist")());
  if (nb::hasattr(value, "item")) return from_python(value.attr("item")());
  if (nb::hasattr(value, "isoformat")) return text_from_python(value.attr("isoformat")());
  return text_from_python(value);
}

}  // namespace

Value from_python(nb::handle value) {
  if (value.is_none()) return std::monostate{};
  if (nb::isinstance<nb::bool_>(value)) return nb::cast<bool>(value);
  if (nb::isinstance<nb::int_>(value)) {
    int overflow = 0;
    const long long whole = PyLong_AsLongLongAndOverflow(value.ptr(), &overflow);
    if (overflow == 0) return static_cast<int64_t>(whole);
    try {
      return text_from_python(value);  // beyond 64 bits: its digits
    } catch (const nb::python_error&) {
      throw UnreadableValue("a number of more digits than Python writes");
    }
  }
  if (nb::isinstance<nb::float_>(value)) return number_value(nb::cast<double>(value));
  if (nb::isinstance<nb::str>(value)) return text_from_python(value);
  if (nb::isinstance<nb::list>(value) || nb::isinstance<nb::tuple>(value) ||
      nb::isinstance<nb::set>(value)) {
    std::vector<Value> items;
    for (const nb::handle item : nb::iter(value)) items.push_back(item_from_python(item));
    return list_value(items);
  }
  return from_other_python(value);
}

namespace {

// A dict in a field is fields of its own, "outer.inner", as in JSONL.
void add_metadata(nb::handle mapping, const std::string& prefix, int depth, Metadata& metadata) {
  constexpr int kDepthMax = 16;
  for (const nb::handle pair : nb::iter(mapping.attr("items")())) {
    const std::string name = prefix + text_from_python(pair[0]);
    if (nb::isinstance<nb::dict>(pair[1]) && depth < kDepthMax) {
      add_metadata(pair[1], name + ".", depth + 1, metadata);
      continue;
    }
    try {
      metadata.insert_or_assign(name, from_python(pair[1]));
    } catch (const UnreadableValue& wrong) {
      throw UnreadableValue(std::string(wrong.what()) + " in \"" + name + "\"");
    }
  }
}

}  // namespace

Metadata metadata_from_python(nb::handle mapping) {
  Metadata metadata;
  if (mapping.is_valid() && !mapping.is_none()) add_metadata(mapping, "", 0, metadata);
  return metadata;
}

nb::dict to_python(const Metadata& metadata) {
  nb::dict result;
  for (const auto& [name, value] : metadata)
    result[nb::str(name.c_str(), name.size())] = to_python(value);
  return result;
}

}  // namespace headrace::python
