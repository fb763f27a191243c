#include "decode/pdf_decoder.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <string>

#include "base/mutex.h"
#include "runtime/thread_pool.h"

namespace headrace {
namespace {

// The first job reads few pages and learns how many there are; files with no more are done then.
constexpr uint32_t kFirstPages = 16;
// A range smaller than this costs more in opening the file again than it wins.
constexpr uint32_t kRangePagesMin = 24;
// So many pages that cannot be read, and ranges that a worker died of, are named one by one.
constexpr size_t kPagesNamed = 8;

// What one range of pages gave.
struct Part {
  PdfPages pages;
  std::vector<MemberProblem> problems;
  uint64_t missing = 0;  // pages that could not be read
  std::vector<uint32_t> first_missing;
  Status status;
};

class PdfJob {
 public:
  PdfJob(WorkerPool& workers, std::string_view bytes, uint64_t text_bytes_max,
         const CancelToken* cancel)
      : workers_(workers), bytes_(bytes), text_bytes_max_(text_bytes_max), cancel_(cancel) {}

  Part read(const PdfRange& range) {
    Part part;
    const std::string params = pack_pdf_range(range);
    part.status = workers_.run(
        {.op = "pdf", .params = params, .input = bytes_},
        [&](uint32_t kind, std::string_view frame) { return take(kind, frame, part); }, cancel_);
    return part;
  }

 private:
  Status take(uint32_t kind, std::string_view frame, Part& part) {
    if (kind == static_cast<uint32_t>(WireFrame::problem)) {
      HR_ASSIGN(MemberProblem problem, unpack_problem(frame));
      part.problems.push_back(std::move(problem));
      return {};
    }
    if (kind != static_cast<uint32_t>(WireFrame::pdf_pages))
      return fail(ErrorCode::damaged, "a worker sent something else than pages of a PDF");
    uint64_t bytes = text_bytes_.fetch_add(frame.size()) + frame.size();
    if (bytes > text_bytes_max_)
      return fail(
          ErrorCode::too_large,
          "the PDF holds more than " + std::to_string(text_bytes_max_ >> 20) + " MiB of text",
          "split it");
    HR_ASSIGN(PdfPages pages, unpack_pdf_pages(frame));
    part.pages.page_count = pages.page_count;
    if (part.pages.title.empty()) part.pages.title = std::move(pages.title);
    if (part.pages.author.empty()) part.pages.author = std::move(pages.author);
    if (part.pages.created.empty()) part.pages.created = std::move(pages.created);
    std::move(pages.pages.begin(), pages.pages.end(), std::back_inserter(part.pages.pages));
    return {};
  }

  WorkerPool& workers_;
  const std::string_view bytes_;
  const uint64_t text_bytes_max_;
  const CancelToken* cancel_;
  std::atomic<uint64_t> text_bytes_{0};
};

std::vector<PdfRange> divide(uint32_t first, uint32_t end, size_t workers) {
  std::vector<PdfRange> ranges;
  // A few more than there are workers, so that an expensive one does not leave the others idle.
  const auto parts = static_cast<uint32_t>(std::clamp<size_t>(workers * 4, 1, 256));
  const uint32_t count = std::max(kRangePagesMin, (end - first + parts - 1) / parts);
  for (uint32_t at = first; at < end; at += count)
    ranges.push_back({at, std::min(count, end - at)});
  return ranges;
}

// Pages of the range that did not come: the worker could not read them.
void note_missing(const PdfRange& range, Part& part) {
  const uint64_t end =
      std::min<uint64_t>(uint64_t{range.first} + range.count, part.pages.page_count);
  uint32_t next = range.first + 1;
  const auto note_until = [&](uint64_t number) {
    for (; next < number; ++next) {
      ++part.missing;
      if (part.first_missing.size() < kPagesNamed) part.first_missing.push_back(next);
    }
  };
  for (const PdfPage& page : part.pages.pages) {
    note_until(page.number);
    next = page.number + 1;
  }
  note_until(end + 1);
}

// One problem for all of them, however many they are.
void tell_missing(Part& whole) {
  if (whole.missing == 0) return;
  std::string names;
  for (const uint32_t number : whole.first_missing)
    names += (names.empty() ? "" : ", ") + std::to_string(number);
  const uint64_t more = whole.missing - whole.first_missing.size();
  if (more > 0) names += " and " + std::to_string(more) + " more";
  whole.problems.push_back(
      {"",
       Error(ErrorCode::damaged, (whole.missing == 1 ? "page " : "pages ") + names + " of " +
                                     std::to_string(whole.pages.page_count) + " cannot be read")});
}

// A range that a worker dies of costs its pages only; the rest of a large file is still good.
void keep_going(const PdfRange& range, Part& part) {
  if (part.status) return note_missing(range, part);
  const ErrorCode code = part.status.error().code();
  if (code != ErrorCode::crashed && code != ErrorCode::timed_out &&
      code != ErrorCode::out_of_budget)
    return;
  part.problems.push_back(
      {"", std::move(part.status)
               .error()
               .with_context("pages " + std::to_string(range.first + 1) + " to " +
                             std::to_string(range.first + range.count))});
  part.status = {};
}

std::vector<Part> read_all(PdfJob& job, const std::vector<PdfRange>& ranges, size_t workers) {
  std::vector<Part> parts(ranges.size());
  std::atomic<size_t> next{0};
  std::atomic<bool> failed{false};
  const auto work = [&] {
    for (size_t i = next++; i < ranges.size(); i = next++) {
      // What cannot be used any more need not be read.
      if (failed) continue;
      parts[i] = job.read(ranges[i]);
      keep_going(ranges[i], parts[i]);
      if (!parts[i].status) failed = true;
    }
  };
  std::vector<Thread> helpers;
  for (size_t i = 1; i < std::min(workers, ranges.size()); ++i) helpers.emplace_back(work);
  work();
  for (Thread& helper : helpers) helper.join();
  return parts;
}

void append(Part& whole, Part&& part) {
  std::move(part.pages.pages.begin(), part.pages.pages.end(),
            std::back_inserter(whole.pages.pages));
  for (MemberProblem& problem : part.problems) {
    if (whole.problems.size() < kPagesNamed) whole.problems.push_back(std::move(problem));
  }
  whole.missing += part.missing;
  for (const uint32_t number : part.first_missing) {
    if (whole.first_missing.size() < kPagesNamed) whole.first_missing.push_back(number);
  }
}

Status check_whole(const Part& whole) {
  size_t with_text = 0, with_pictures = 0;
  for (const PdfPage& page : whole.pages.pages) {
    with_text += !page.blocks.empty();
    with_pictures += page.has_pictures;
  }
  if (whole.pages.pages.empty())
    return fail(
        ErrorCode::damaged,
        whole.pages.page_count == 0 ? "the PDF has no pages" : "no page of the PDF can be read",
        "get it anew");
  if (with_text == 0 && with_pictures > 0)
    return fail(ErrorCode::unsupported, "the PDF holds pictures of its pages and no text (a scan)",
                "run a text recognition (OCR) over it first, for example ocrmypdf");
  return {};
}

}  // namespace

Result<PdfDecoded> decode_pdf(WorkerPool& workers, std::string_view bytes, uint64_t text_bytes_max,
                              const CancelToken* cancel) {
  PdfJob job(workers, bytes,
             std::min<uint64_t>(text_bytes_max, std::numeric_limits<uint32_t>::max() / 2), cancel);
  Part whole = job.read({0, kFirstPages});
  HR_TRY(std::move(whole.status));
  note_missing({0, kFirstPages}, whole);
  // Where none of the first can be read, a large count is a claim.
  if (whole.pages.page_count > kFirstPages && !whole.pages.pages.empty()) {
    const size_t width = usable_cpu_count();
    std::vector<Part> parts =
        read_all(job, divide(kFirstPages, whole.pages.page_count, width), width);
    for (Part& part : parts) HR_TRY(part.status);
    for (Part& part : parts) append(whole, std::move(part));
  }
  HR_TRY(check_whole(whole));
  tell_missing(whole);
  return PdfDecoded{assemble_pdf(whole.pages), std::move(whole.problems)};
}

}  // namespace headrace
