// TextBytes: the UTF-8 of a Python str, for one who reads it once.
//
// CPython would keep the UTF-8 that it is asked for with the str as long as that lives: a second
// copy of every text beyond ASCII, in memory that is had page by page. Here it is written over the
// text before. Lone surrogates (from surrogateescape) are no text; they become U+FFFD.
//
// Owns: the bytes of the last text. Threads: one object, one thread; of() needs no GIL, but
// somebody must hold the str. Errors: none.
#pragma once

#include <Python.h>

#include <cstddef>
#include <memory>
#include <string_view>

namespace headrace::python {

class TextBytes {
 public:
  // `text` is a str. The answer is good until the next call, and while the str lives.
  std::string_view of(PyObject* text);

 private:
  std::unique_ptr<char[]> bytes_;
  size_t room_ = 0;
};

}  // namespace headrace::python
