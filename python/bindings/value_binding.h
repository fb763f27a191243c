// Values and metadata between Python and the engine.
#pragma once

#include <nanobind/nanobind.h>

#include <stdexcept>
#include <string>

#include "batch/document.h"

namespace headrace::python {

// What metadata cannot hold: its message says what, and in which field.
class UnreadableValue : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// str(value) in UTF-8; lone surrogates, which cannot be, become "?".
std::string text_from_python(nanobind::handle value);
nanobind::object to_python(const Value& value);
// Numbers, texts, booleans, lists of one of these; dates and times as ISO 8601 text, durations as
// seconds, decimals as numbers, also those of numpy and pandas. Throws UnreadableValue.
Value from_python(nanobind::handle value);
// Throws UnreadableValue, which names the field.
Metadata metadata_from_python(nanobind::handle mapping);
nanobind::dict to_python(const Metadata& metadata);

}  // namespace headrace::python
