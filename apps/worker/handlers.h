// The operations that headrace-worker knows, one function each. A handler reads call.input() (bytes
// that may be hostile), emits frames (batch/member.h and decode/wire.h say how they are packed) and
// returns an Error where the input cannot be read. It runs inside the sandbox: no files, no
// network, no new processes, bounded memory; what it needs from disk is loaded in prepare_*().
//
// Threads: one job at a time, on the only thread. Errors: as a decoder's; exceptions of libraries
// (bad_alloc among them) may pass through, worker_main catches them.
#pragma once

#include <string_view>

#include "runtime/worker_main.h"

namespace headrace {

// PDF pages as text with layout. params: see decode/pdf_pages.h.
Status handle_pdf(WorkerCall& call);
// zip, tar, gzip, zstd, bzip2, xz: members as frames. params: see sources/archive.h.
Status handle_archive(WorkerCall& call);
// params: the format's name, one of docx, pptx, xlsx, odt, ods, odp.
Status handle_office(WorkerCall& call);
Status handle_epub(WorkerCall& call);
Status handle_rtf(WorkerCall& call);
Status handle_xml(WorkerCall& call);
Status handle_email(WorkerCall& call);
// Text in an encoding that must be detected and converted. params: a hint (charset) or empty.
Status handle_legacy_text(WorkerCall& call);
// HTML in such an encoding: becomes UTF-8, then decoded as HTML.
Status handle_html_legacy(WorkerCall& call);

// Keeps the text converters from looking for files later.
void prepare_formats();

// Loads libpdfium.so from `path` (before the sandbox closes). A failure is kept, and reported by
// handle_pdf as `unsupported`.
void prepare_pdf(std::string_view path);

}  // namespace headrace
