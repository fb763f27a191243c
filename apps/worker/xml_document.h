// XML of any kind → Document: the text of its elements in order. Elements that hold text beside
// other elements stay one paragraph; names that say what they are (title, head, sect1, listitem,
// programlisting, row, …: DocBook, TEI, JATS, XHTML) give headings, list items, code and tables.
//
// Threads: pure function. Errors: damaged (not well-formed, with the line), too_large.
#pragma once

#include <string_view>

#include "base/result.h"
#include "batch/document.h"

namespace headrace::formats {

Result<Document> decode_xml(std::string_view bytes);

}  // namespace headrace::formats
