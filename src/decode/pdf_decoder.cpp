#include "decode/pdf_decoder.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <limits>
#include <optional>
#include <string>

#include "decode/pdf_missing.h"
#include "runtime/processor_allowance.h"
#include "runtime/thread_pool.h"
#include "runtime/unique_fd.h"

namespace headrace {
namespace {

// The first job reads few pages and learns how many there are; files with no more are done then.
constexpr uint32_t kFirstPages = 16;
// A range smaller than this costs more in opening the file again than it wins.
constexpr uint32_t kRangePagesMin = 24;

double by_size(double seconds, double seconds_per_mib, uint64_t bytes) {
  return seconds + seconds_per_mib * static_cast<double>(bytes) / (1 << 20);
}

// What one range of pages gave.
struct Part {
  PdfPages pages;
  MissingPages missing;
  Status status;
};

// A worker that ends like this takes a page with it, not the file.
bool is_loss(ErrorCode code) {
  return code == ErrorCode::crashed || code == ErrorCode::timed_out ||
         code == ErrorCode::out_of_budget;
}

class PdfJob {
 public:
  PdfJob(WorkerPool& workers, int fd, uint64_t file_bytes, const PdfLimits& limits,
         const CancelToken* cancel)
      : workers_(workers),
        fd_(fd),
        limits_(limits),
        text_bytes_max_(
            std::min<uint64_t>(limits.text_bytes_max, std::numeric_limits<uint32_t>::max() / 2)),
        cancel_(cancel),
        allowance_(by_size(limits.all_s, limits.all_s_per_mib, file_bytes)),
        page_s_(by_size(limits.page_s, limits.page_s_per_mib, file_bytes)) {}

  // `page_count` is 0 while it is not known: then a loss before the first page is the file's error.
  Part read(const PdfRange& range, uint32_t page_count) {
    Part part;
    part.pages.page_count = page_count;
    const uint64_t wanted_end = uint64_t{range.first} + range.count;
    uint64_t at = range.first;
    if (gives_up()) {
      skip(part, at, wanted_end);
      return part;
    }
    for (;;) {
      const size_t had = part.pages.pages.size();
      uint64_t next = at;
      Status status =
          run({static_cast<uint32_t>(at), static_cast<uint32_t>(wanted_end - at)}, part, next);
      const uint64_t end = std::min<uint64_t>(wanted_end, part.pages.page_count);
      next = std::clamp(next, at, std::max(at, end));
      note_unreadable(part, had, at, status ? end : next);
      if (status) return part;
      if (!is_loss(status.error().code()) || part.pages.page_count == 0) {
        part.status = std::move(status);
        return part;
      }
      if (next >= end) return part;  // it had everything
      if (!part.missing.why) part.missing.why = std::move(status).error();
      part.missing.lost.add(next, next + 1);
      losses_.fetch_add(1, std::memory_order_relaxed);
      at = next + 1;
      if (at >= end) return part;
      if (gives_up()) {
        skip(part, at, end);
        return part;
      }
    }
  }

 private:
  bool gives_up() const {
    return losses_.load(std::memory_order_relaxed) >= limits_.losses_max || allowance_.used_up();
  }

  void skip(Part& part, uint64_t first, uint64_t end) const {
    // Where the time for the whole file is over, that is what they were lost to.
    if (!allowance_.used_up()) return part.missing.skipped.add(first, end);
    part.missing.lost.add(first, end);
    if (!part.missing.why)
      part.missing.why =
          Error(ErrorCode::timed_out,
                fmt::format("decoding did not finish within {:.3g} s of processor time",
                            allowance_.seconds()));
  }

  Status run(const PdfRange& range, Part& part, uint64_t& next) {
    const std::string params = pack_pdf_range(range);
    const WorkerRequest request{.op = "pdf",
                                .params = params,
                                .input = {},
                                .input_fd = fd_,
                                .processor = {.idle_s = page_s_, .allowance = &allowance_}};
    return workers_.run(
        request,
        [&](uint32_t kind, std::string_view frame) { return take(kind, frame, part, next); },
        cancel_);
  }

  Status take(uint32_t kind, std::string_view frame, Part& part, uint64_t& next) {
    if (kind != static_cast<uint32_t>(WireFrame::pdf_pages))
      return fail(ErrorCode::damaged, "a worker sent something else than pages of a PDF");
    const uint64_t bytes = text_bytes_.fetch_add(frame.size()) + frame.size();
    if (bytes > text_bytes_max_)
      return fail(
          ErrorCode::too_large,
          "the PDF holds more than " + std::to_string(text_bytes_max_ >> 20) + " MiB of text",
          "split it, or raise --memory");
    HR_ASSIGN(PdfPages pages, unpack_pdf_pages(frame));
    next = pages.next_page;
    part.pages.page_count = pages.page_count;
    part.pages.is_repaired = part.pages.is_repaired || pages.is_repaired;
    if (part.pages.title.empty()) part.pages.title = std::move(pages.title);
    if (part.pages.author.empty()) part.pages.author = std::move(pages.author);
    if (part.pages.created.empty()) part.pages.created = std::move(pages.created);
    std::move(pages.pages.begin(), pages.pages.end(), std::back_inserter(part.pages.pages));
    return {};
  }

  // Pages of [first, end) that did not come, although those behind them did: the worker could not
  // read them. `had` pages of the part are from before.
  static void note_unreadable(Part& part, size_t had, uint64_t first, uint64_t end) {
    uint64_t next = first;
    for (size_t i = had; i < part.pages.pages.size(); ++i) {
      const uint64_t number = part.pages.pages[i].number;
      part.missing.unreadable.add(next, number - 1);
      next = number;
    }
    part.missing.unreadable.add(next, end);
  }

  WorkerPool& workers_;
  const int fd_;
  const PdfLimits limits_;
  const uint64_t text_bytes_max_;
  const CancelToken* cancel_;
  ProcessorAllowance allowance_;
  const double page_s_;
  std::atomic<uint64_t> text_bytes_{0};
  std::atomic<uint32_t> losses_{0};
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

std::vector<Part> read_all(PdfJob& job, const std::vector<PdfRange>& ranges, uint32_t page_count,
                           size_t workers) {
  std::vector<Part> parts(ranges.size());
  std::atomic<size_t> next{0};
  std::atomic<bool> failed{false};
  const auto work = [&] {
    for (size_t i = next++; i < ranges.size(); i = next++) {
      // What cannot be used any more need not be read.
      if (failed) continue;
      parts[i] = job.read(ranges[i], page_count);
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
  whole.missing.append(std::move(part.missing));
}

// Why there is no text in pages that were read.
Status no_text(const Part& whole) {
  const auto any = [&](bool PdfPage::* has) { return std::ranges::any_of(whole.pages.pages, has); };
  if (any(&PdfPage::has_pictures))
    return fail(ErrorCode::unsupported, "the PDF holds pictures of its pages and no text (a scan)",
                "run a text recognition (OCR) over it first, for example ocrmypdf");
  // What is lost may have been the text.
  if (whole.pages.is_repaired)
    return fail(ErrorCode::damaged, "the PDF is damaged, and what is left of it holds no text",
                "get it anew");
  if (auto error = whole.missing.as_error(whole.pages.page_count, true))
    return std::unexpected(std::move(*error));
  return fail(ErrorCode::unsupported,
              any(&PdfPage::has_drawings) ? "the PDF holds no text, only drawings"
                                          : "the PDF holds no text: its pages are blank",
              "leave it out with --exclude");
}

Status check_whole(const Part& whole) {
  if (whole.pages.pages.empty() && whole.missing.why)
    return std::unexpected(*whole.missing.as_error(whole.pages.page_count, true));
  if (whole.pages.pages.empty())
    return fail(
        ErrorCode::damaged,
        whole.pages.page_count == 0 ? "the PDF has no pages" : "no page of the PDF can be read",
        "get it anew");
  const bool has_text = std::ranges::any_of(
      whole.pages.pages, [](const PdfPage& page) { return !page.blocks.empty(); });
  return has_text ? Status{} : no_text(whole);
}

}  // namespace

Result<PdfDecoded> decode_pdf_file(WorkerPool& workers, int fd, const PdfLimits& limits,
                                   const CancelToken* cancel) {
  struct stat info = {};
  if (fstat(fd, &info) != 0) return os_fail(errno, "look at a PDF");
  const auto file_bytes = static_cast<uint64_t>(info.st_size);
  if (file_bytes > limits.file_bytes_max)
    return fail(ErrorCode::too_large,
                fmt::format("the PDF has {} MiB, more than the {} MiB that are read of one",
                            file_bytes >> 20, limits.file_bytes_max >> 20),
                "split it");
  PdfJob job(workers, fd, file_bytes, limits, cancel);
  Part whole = job.read({0, kFirstPages}, 0);
  HR_TRY(std::move(whole.status));
  const uint32_t page_count = whole.pages.page_count;
  // Where none of the first can be read, a large count is a claim.
  if (page_count > kFirstPages && !whole.pages.pages.empty()) {
    const size_t width = usable_cpu_count();
    std::vector<Part> parts =
        read_all(job, divide(kFirstPages, page_count, width), page_count, width);
    for (Part& part : parts) HR_TRY(part.status);
    for (Part& part : parts) append(whole, std::move(part));
  }
  HR_TRY(check_whole(whole));
  PdfDecoded decoded{assemble_pdf(whole.pages), {}};
  if (auto error = whole.missing.as_error(page_count))
    decoded.problems.push_back({"", std::move(*error)});
  return decoded;
}

Result<PdfDecoded> decode_pdf(WorkerPool& workers, std::string_view bytes, const PdfLimits& limits,
                              const CancelToken* cancel) {
  HR_ASSIGN(const UniqueFd shared, WorkerPool::share(bytes));
  return decode_pdf_file(workers, shared.get(), limits, cancel);
}

}  // namespace headrace
