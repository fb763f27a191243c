// DOCX (Word) → Document: paragraphs, headings by style or outline level, lists with their depth,
// tables as rows, footnotes and endnotes after the paragraph that refers to them, text boxes after
// theirs. Deleted revisions, hidden text, field codes and tables of contents are left out.
//
// Threads: pure function. Errors: damaged, encrypted, too_large, unsupported.
#pragma once

#include <string_view>

#include "base/result.h"
#include "batch/document.h"

namespace headrace::formats {

Result<Document> decode_docx(std::string_view bytes);

}  // namespace headrace::formats
