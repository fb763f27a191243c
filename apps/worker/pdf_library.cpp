#include "pdf_library.h"

#include <dlfcn.h>

namespace headrace::pdf {
namespace {

template <typename Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

}  // namespace

Result<Library> Library::load(const std::string& path) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  constexpr const char* kHint = "pip install --upgrade pypdfium2";
  if (handle == nullptr) {
    const char* reason = dlerror();
    return fail(ErrorCode::unsupported,
                "the pdfium library does not load: " + std::string(reason ? reason : path), kHint);
  }
  Library library = {};
  const bool complete = find(handle, "FPDF_InitLibraryWithConfig", library.InitLibraryWithConfig) &&
                        find(handle, "FPDF_GetLastError", library.GetLastError) &&
                        find(handle, "FPDF_LoadMemDocument64", library.LoadMemDocument64) &&
                        find(handle, "FPDF_CloseDocument", library.CloseDocument) &&
                        find(handle, "FPDF_GetPageCount", library.GetPageCount) &&
                        find(handle, "FPDF_GetMetaText", library.GetMetaText) &&
                        find(handle, "FPDF_LoadPage", library.LoadPage) &&
                        find(handle, "FPDF_ClosePage", library.ClosePage) &&
                        find(handle, "FPDF_GetPageWidthF", library.GetPageWidthF) &&
                        find(handle, "FPDF_GetPageHeightF", library.GetPageHeightF) &&
                        find(handle, "FPDFPage_GetRotation", library.GetRotation) &&
                        find(handle, "FPDFPage_CountObjects", library.CountObjects) &&
                        find(handle, "FPDFPage_GetObject", library.GetObject) &&
                        find(handle, "FPDFPageObj_GetType", library.ObjectGetType) &&
                        find(handle, "FPDFFormObj_CountObjects", library.FormCountObjects) &&
                        find(handle, "FPDFFormObj_GetObject", library.FormGetObject) &&
                        find(handle, "FPDF_DocumentHasValidCrossReferenceTable",
                             library.HasValidCrossReferenceTable) &&
                        find(handle, "FPDFText_LoadPage", library.TextLoadPage) &&
                        find(handle, "FPDFText_ClosePage", library.TextClosePage) &&
                        find(handle, "FPDFText_CountChars", library.CountChars) &&
                        find(handle, "FPDFText_GetUnicode", library.GetUnicode) &&
                        find(handle, "FPDFText_GetCharBox", library.GetCharBox) &&
                        find(handle, "FPDFText_GetFontSize", library.GetFontSize) &&
                        find(handle, "FPDFText_GetFontInfo", library.GetFontInfo) &&
                        find(handle, "FPDFText_GetMatrix", library.GetMatrix);
  if (!complete)
    return fail(ErrorCode::unsupported, "the pdfium library lacks functions we need", kHint);
  // Fonts that a file does not carry are taken from pdfium's own few, never from the system: the
  // sandbox would refuse, and results would differ from machine to machine.
  static const char* no_fonts[] = {nullptr};
  const Config config = {.version = 2, .user_font_paths = no_fonts};
  library.InitLibraryWithConfig(&config);
  return library;
}

}  // namespace headrace::pdf
