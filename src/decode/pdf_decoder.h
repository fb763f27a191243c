// PDF → Document: pages as blocks with their numbers, headings by the size of their letters,
// columns in reading order, words broken over lines joined again.
//
// The pages are read by worker processes; a large file is divided into ranges of pages that
// several of them read at once. What is decided here is what needs the whole document: which size
// is the body's, which lines repeat on every page, what the title is.
//
// A page that a worker dies of, or does not finish, costs itself: what came before it is kept, and
// a fresh worker goes on behind it. After a few of them the rest of the file is not tried.
//
// Threads: safe from any thread; uses threads of its own for a large file. Errors: encrypted,
// damaged (also: no page could be read), unsupported (no pdfium; only pictures of pages),
// too_large, and what a WorkerPool reports where no page came before it.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "batch/document.h"
#include "batch/member.h"
#include "decode/pdf_pages.h"
#include "runtime/worker_pool.h"

namespace headrace {

struct PdfDecoded {
  Document document;
  std::vector<MemberProblem> problems;  // one, of all pages that are not there
};

// Decision 0230. Times are of the processor, and grow with the file.
struct PdfLimits {
  uint64_t file_bytes_max = 896ULL << 20;
  uint64_t text_bytes_max = 512ULL << 20;
  double page_s = 10, page_s_per_mib = 0.25;  // from one page to the next, or for opening the file
  double all_s = 12, all_s_per_mib = 8;       // for all pages, in all workers
  uint32_t losses_max = 3;                    // pages that may end a worker
};

Result<PdfDecoded> decode_pdf(WorkerPool& workers, std::string_view bytes,
                              const PdfLimits& limits = {}, const CancelToken* cancel = nullptr);
// A regular file, which the workers map: nothing of it is held here.
Result<PdfDecoded> decode_pdf_file(WorkerPool& workers, int fd, const PdfLimits& limits = {},
                                   const CancelToken* cancel = nullptr);

// The second half of it: all pages of a file, in order, as one Document.
Document assemble_pdf(const PdfPages& pages);

// A date as PDF writes it ("D:20230120101112+01'00'") as ISO 8601, or as given if it is none.
std::string pdf_date_to_iso(std::string_view date);

}  // namespace headrace
