// The few functions of pdfium that we call, found in libpdfium.so at run time (the library comes
// from the Python package pypdfium2, which ships no headers).
//
// Owns: the loaded library, for the life of the process. Threads: pdfium is for one thread only.
// Errors: load() says what is missing.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/result.h"

namespace headrace::pdf {

struct Matrix {
  float a, b, c, d, e, f;
};

using DocumentHandle = struct DocumentTag*;
using PageHandle = struct PageTag*;
using TextPageHandle = struct TextPageTag*;
using ObjectHandle = struct ObjectTag*;

// The members have pdfium's own names, without the prefix of its modules.
struct Library {
  struct Config {
    int version;
    const char** user_font_paths;
    void* isolate;
    unsigned v8_embedder_slot;
  };
  void (*InitLibraryWithConfig)(const Config*);
  unsigned long (*GetLastError)();
  DocumentHandle (*LoadMemDocument64)(const void*, size_t, const char*);
  void (*CloseDocument)(DocumentHandle);
  int (*GetPageCount)(DocumentHandle);
  unsigned long (*GetMetaText)(DocumentHandle, const char*, void*, unsigned long);
  PageHandle (*LoadPage)(DocumentHandle, int);
  void (*ClosePage)(PageHandle);
  float (*GetPageWidthF)(PageHandle);
  float (*GetPageHeightF)(PageHandle);
  int (*GetRotation)(PageHandle);
  int (*CountObjects)(PageHandle);
  ObjectHandle (*GetObject)(PageHandle, int);
  int (*ObjectGetType)(ObjectHandle);
  int (*FormCountObjects)(ObjectHandle);
  ObjectHandle (*FormGetObject)(ObjectHandle, unsigned long);
  int (*HasValidCrossReferenceTable)(DocumentHandle);
  TextPageHandle (*TextLoadPage)(PageHandle);
  void (*TextClosePage)(TextPageHandle);
  int (*CountChars)(TextPageHandle);
  unsigned (*GetUnicode)(TextPageHandle, int);
  int (*GetCharBox)(TextPageHandle, int, double* left, double* right, double* bottom, double* top);
  double (*GetFontSize)(TextPageHandle, int);
  unsigned long (*GetFontInfo)(TextPageHandle, int, void*, unsigned long, int* flags);
  int (*GetMatrix)(TextPageHandle, int, Matrix*);

  // Loads and initialises the library. It never looks for fonts on the system.
  static Result<Library> load(const std::string& path);
};

}  // namespace headrace::pdf
