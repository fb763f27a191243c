// Rows with vectors of the caller's own, as Python gives them: their ids, texts and columns of
// metadata, read without an object for each value where they are arrays.
//
// Owns: what it had to copy, and a reference to each text it only looks at. Threads: made and freed
// with the GIL held, views() are read without it. Errors: raised as those of Python (errors.h).
#pragma once

#include <nanobind/nanobind.h>

#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "batch/document.h"
#include "index/knowledge_base.h"

namespace headrace::python {

struct GivenIds {
  std::vector<std::string> names;
  bool integers = true;
};
// `ids`: an int64 array, or whole numbers and texts.
GivenIds ids_from_python(nanobind::handle ids);

// Texts where Python holds them; they live and stay as they are as long as this does.
class HeldTexts {
 public:
  void reserve(size_t count);
  void add(nanobind::handle text);
  std::span<const std::string_view> views() const { return views_; }

 private:
  std::vector<std::string_view> views_;
  std::vector<nanobind::object> objects_;
  std::deque<std::string> copies_;  // of those that are not ASCII
};

// Columns of metadata; arrays of numbers and booleans without an object for each value.
class GivenColumns {
 public:
  GivenColumns(const nanobind::dict& columns, size_t rows);
  std::span<const index::MetadataColumn> views() const { return views_; }

 private:
  // They stay where they are as more come.
  std::deque<std::string> names_;
  std::deque<std::vector<Value>> values_;
  std::vector<index::MetadataColumn> views_;
};

// Raises unless `name` has a value for each row.
void check_length(const std::string& name, size_t given, size_t rows);

// What add_vectors is nearly always given, without a further look at each value in Python: a list
// of whole numbers or of texts, neither of them what stands for no hit.
bool are_plain_ids(nanobind::handle ids);
bool are_plain_texts(nanobind::handle texts, size_t rows);
bool are_plain_columns(const nanobind::dict& columns, size_t rows);

}  // namespace headrace::python
