#include "given_rows.h"

#include <nanobind/ndarray.h>

#include "errors.h"
#include "value_binding.h"

namespace nb = nanobind;

namespace headrace::python {

namespace {

using AnyArray = nb::ndarray<nb::ro, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <typename T>
std::span<const T> numbers(const AnyArray& array) {
  return {static_cast<const T*>(array.data()), array.size()};
}

std::vector<Value> read_column(const std::string& name, nb::handle values, size_t rows) {
  std::vector<Value> read;
  read.reserve(rows);
  AnyArray array;
  if (!PyList_CheckExact(values.ptr()) && nb::try_cast(values, array)) {
    if (array.dtype() == nb::dtype<int64_t>()) {
      for (const int64_t number : numbers<int64_t>(array)) read.emplace_back(number);
      return read;
    }
    if (array.dtype() == nb::dtype<double>()) {
      for (const double number : numbers<double>(array)) read.push_back(number_value(number));
      return read;
    }
    if (array.dtype() == nb::dtype<bool>()) {
      for (const bool flag : numbers<bool>(array)) read.emplace_back(flag);
      return read;
    }
  }
  for (const nb::handle value : values) {
    try {
      read.push_back(from_python(value));
    } catch (const UnreadableValue& wrong) {
      raise(Error(
          ErrorCode::invalid_argument,
          "row " + std::to_string(read.size()) + " has " + wrong.what() + " in \"" + name + "\"",
          "mend the value, or leave the column out"));
    }
  }
  return read;
}

}  // namespace

GivenIds ids_from_python(nb::handle ids) {
  GivenIds given;
  AnyArray array;
  if (nb::try_cast(ids, array) && array.dtype() == nb::dtype<int64_t>()) {
    given.names.reserve(array.size());
    for (const int64_t id : numbers<int64_t>(array)) given.names.push_back(std::to_string(id));
    return given;
  }
  for (const nb::handle id : ids) {
    int overflow = 1;
    if (PyLong_Check(id.ptr()) && !PyBool_Check(id.ptr())) {
      const long long whole = PyLong_AsLongLongAndOverflow(id.ptr(), &overflow);
      if (overflow == 0) given.names.push_back(std::to_string(whole));
    }
    if (overflow == 0) continue;
    given.integers = false;
    const nb::str name(id);
    Py_ssize_t size = 0;
    const char* const utf8 = PyUnicode_AsUTF8AndSize(name.ptr(), &size);
    if (utf8 == nullptr) {  // replaced by something else it could be another's
      PyErr_Clear();
      raise(Error(ErrorCode::invalid_argument, "an id holds half of a surrogate pair",
                  "ids must be text that UTF-8 can spell"));
    }
    given.names.emplace_back(utf8, static_cast<size_t>(size));
  }
  return given;
}

void HeldTexts::reserve(size_t count) {
  views_.reserve(count);
  objects_.reserve(count);
}

void HeldTexts::add(nb::handle text) {
  Py_ssize_t size = 0;
  if (PyUnicode_CheckExact(text.ptr()) && PyUnicode_IS_COMPACT_ASCII(text.ptr())) {
    const char* const bytes = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
    views_.emplace_back(bytes, static_cast<size_t>(size));
    objects_.push_back(nb::borrow(text));
  } else if (text.is_none()) {
    views_.emplace_back();
  } else {
    views_.push_back(copies_.emplace_back(text_from_python(text)));
  }
}

GivenColumns::GivenColumns(const nb::dict& columns, size_t rows) {
  for (const auto& [key, values] : columns) {
    const std::string& name = names_.emplace_back(text_from_python(key));
    const std::vector<Value>& read = values_.emplace_back(read_column(name, values, rows));
    check_length(name, read.size(), rows);
    views_.push_back({name, read});
  }
}

void check_length(const std::string& name, size_t given, size_t rows) {
  if (given == rows) return;
  raise(Error(
      ErrorCode::invalid_argument,
      name + " has " + std::to_string(given) + " values for " + std::to_string(rows) + " vectors",
      "give one for each"));
}

bool are_plain_ids(nb::handle ids) {
  if (!PyList_CheckExact(ids.ptr()) || PyList_GET_SIZE(ids.ptr()) == 0) return false;
  const PyTypeObject* const type = Py_TYPE(PyList_GET_ITEM(ids.ptr(), 0));
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(ids.ptr()); ++i) {
    PyObject* const id = PyList_GET_ITEM(ids.ptr(), i);
    if (Py_TYPE(id) != type) return false;
    if (PyLong_CheckExact(id)) {
      int overflow = 0;
      if (PyLong_AsLongLongAndOverflow(id, &overflow) == -1 || overflow != 0) return false;
    } else if (!PyUnicode_CheckExact(id) || PyUnicode_GET_LENGTH(id) == 0) {
      return false;
    }
  }
  return true;
}

bool are_plain_texts(nb::handle texts, size_t rows) {
  if (texts.is_none()) return true;
  if (!PyList_CheckExact(texts.ptr()) || nb::len(texts) != rows) return false;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(texts.ptr()); ++i) {
    PyObject* const text = PyList_GET_ITEM(texts.ptr(), i);
    if (text != Py_None && !PyUnicode_CheckExact(text)) return false;
  }
  return true;
}

bool are_plain_columns(const nb::dict& columns, size_t rows) {
  for (const auto& [name, values] : columns) {
    if (!PyList_CheckExact(values.ptr()) || nb::len(values) != rows) return false;
  }
  return true;
}

}  // namespace headrace::python
