#include "arrow_binding.h"

#include <nanobind/stl/string.h>

#include "errors.h"

namespace nb = nanobind;

namespace headrace::python {

nb::capsule stream_capsule(std::vector<Field> fields, BatchSource next) {
  auto stream = std::make_unique<ArrowArrayStream>();
  export_stream(std::move(fields), std::move(next), stream.get());
  return nb::capsule(stream.release(), "arrow_array_stream", [](void* pointer) noexcept {
    const std::unique_ptr<ArrowArrayStream> owned(static_cast<ArrowArrayStream*>(pointer));
    if (owned->release != nullptr) owned->release(owned.get());
  });
}

std::unique_ptr<ArrowReader> open_stream(nb::handle object) {
  const nb::object capsule = object.attr("__arrow_c_stream__")();
  auto* stream =
      static_cast<ArrowArrayStream*>(PyCapsule_GetPointer(capsule.ptr(), "arrow_array_stream"));
  if (stream == nullptr) throw nb::python_error();
  return unwrap(ArrowReader::open(stream));
}

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

Value from_python(nb::handle value) {
  if (value.is_none()) return std::monostate{};
  if (nb::isinstance<nb::bool_>(value)) return nb::cast<bool>(value);
  if (nb::isinstance<nb::int_>(value)) {
    int overflow = 0;
    const long long whole = PyLong_AsLongLongAndOverflow(value.ptr(), &overflow);
    if (overflow == 0) return static_cast<int64_t>(whole);
    return nb::cast<double>(value);
  }
  if (nb::isinstance<nb::float_>(value)) return nb::cast<double>(value);
  if (nb::isinstance<nb::str>(value)) return text_from_python(value);
  if (nb::isinstance<nb::list>(value) || nb::isinstance<nb::tuple>(value) ||
      nb::isinstance<nb::set>(value)) {
    std::vector<std::string> items;
    for (const nb::handle item : nb::iter(value)) items.push_back(text_from_python(item));
    return items;
  }
  // numpy scalars, dates and the like: as Python itself would print them.
  if (nb::hasattr(value, "item")) return from_python(value.attr("item")());
  if (nb::hasattr(value, "isoformat")) return text_from_python(value.attr("isoformat")());
  return text_from_python(value);
}

namespace {

// A dict in a field is fields of its own, "outer.inner", as in JSONL.
void add_metadata(nb::handle mapping, const std::string& prefix, int depth, Metadata& metadata) {
  constexpr int kDepthMax = 16;
  for (const nb::handle pair : nb::iter(mapping.attr("items")())) {
    const std::string name = prefix + text_from_python(pair[0]);
    if (nb::isinstance<nb::dict>(pair[1]) && depth < kDepthMax) {
      add_metadata(pair[1], name + ".", depth + 1, metadata);
    } else {
      metadata.insert_or_assign(name, from_python(pair[1]));
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
