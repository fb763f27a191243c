// The operation "pdf": a range of pages as blocks of text (decode/pdf_pages.h).
#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/utf8.h"
#include "batch/member.h"
#include "decode/pdf_pages.h"
#include "handlers.h"
#include "pdf_layout.h"
#include "pdf_library.h"
#include "pdf_text.h"

namespace headrace {
namespace {

// After so many pages in a row that cannot be read the rest of the range is not tried: a few bytes
// can claim a million pages.
constexpr uint32_t kUnreadableInRowMax = 16;

std::optional<Result<pdf::Library>>& loaded() {
  static std::optional<Result<pdf::Library>> library;
  return library;
}

// Handles of pdfium, closed in the right order.
template <typename Handle>
class Open {
 public:
  Open(Handle handle, void (*close)(Handle)) : handle_(handle), close_(close) {}
  ~Open() {
    if (handle_ != nullptr) close_(handle_);
  }
  Open(const Open&) = delete;
  Open& operator=(const Open&) = delete;
  Handle get() const { return handle_; }
  explicit operator bool() const { return handle_ != nullptr; }

 private:
  Handle handle_;
  void (*close_)(Handle);
};

Error open_error(unsigned long code) {
  switch (code) {  // FPDF_ERR_…
    case 3:
      return Error(ErrorCode::damaged, "the PDF is damaged or is none", "get it anew");
    case 4:
      return Error(ErrorCode::encrypted, "the PDF is encrypted and needs a password",
                   "save it without a password");
    case 5:
      return Error(ErrorCode::encrypted, "the PDF is encrypted in a way that is not supported",
                   "save it without protection");
    default:
      return Error(ErrorCode::damaged, "the PDF cannot be opened", "get it anew");
  }
}

std::string meta_text(const pdf::Library& library, pdf::DocumentHandle document, const char* tag) {
  std::array<char16_t, 1024> buffer{};  // UTF-16LE with its end
  const unsigned long bytes =
      library.GetMetaText(document, tag, buffer.data(), sizeof(char16_t) * buffer.size());
  std::string text;
  if (bytes < 4 || bytes > sizeof(char16_t) * buffer.size()) return text;
  const size_t units = bytes / 2 - 1;
  for (size_t i = 0; i < units; ++i) {
    char32_t c = buffer[i];
    if (c >= 0xD800 && c < 0xDC00 && i + 1 < units && buffer[i + 1] >= 0xDC00 &&
        buffer[i + 1] < 0xE000)
      c = 0x10000 + ((c - 0xD800) << 10) + (buffer[++i] - 0xDC00u);
    if (c >= 0x20) append_code_point(c, text);
  }
  return text;
}

// A page without text is looked at no further than this; forms may hold forms.
constexpr int kObjectsMax = 1000;
constexpr int kFormDepthMax = 4;

bool holds_picture(const pdf::Library& library, pdf::ObjectHandle object, int depth) {
  constexpr int kImage = 3, kForm = 5;  // FPDF_PAGEOBJ_…
  if (object == nullptr) return false;
  const int type = library.ObjectGetType(object);
  if (type == kImage) return true;
  if (type != kForm || depth == kFormDepthMax) return false;
  const int count = std::min(library.FormCountObjects(object), kObjectsMax);
  for (int i = 0; i < count; ++i) {
    if (holds_picture(library, library.FormGetObject(object, static_cast<unsigned long>(i)),
                      depth + 1))
      return true;
  }
  return false;
}

// What a page without text has instead.
void note_content(const pdf::Library& library, pdf::PageHandle page, PdfPage& out) {
  const int count = std::min(library.CountObjects(page), kObjectsMax);
  out.has_drawings = count > 0;
  for (int i = 0; i < count && !out.has_pictures; ++i)
    out.has_pictures = holds_picture(library, library.GetObject(page, i), 0);
}

// False when the page cannot be read.
bool read_page(const pdf::Library& library, pdf::DocumentHandle document, uint32_t index,
               PdfPage& out) {
  out.number = index + 1;
  const Open page(library.LoadPage(document, static_cast<int>(index)), library.ClosePage);
  if (!page) return false;
  const Open text(library.TextLoadPage(page.get()), library.TextClosePage);
  if (!text) return false;
  pdf::PageText content = pdf::read_page_text(library, page.get(), text.get());
  if (content.lines.empty()) note_content(library, page.get(), out);
  const float height = content.height;
  out.blocks = pdf::make_blocks(pdf::order_lines(std::move(content)), height);
  return true;
}

}  // namespace

void prepare_pdf(std::string_view path) {
  loaded().emplace(pdf::Library::load(std::string(path)));
}

Status handle_pdf(WorkerCall& call) {
  if (!loaded()) return fail(ErrorCode::internal, "this worker was started without pdfium");
  if (!*loaded()) return std::unexpected((*loaded()).error());
  const pdf::Library& library = **loaded();
  HR_ASSIGN(const PdfRange range, unpack_pdf_range(call.params()));
  const std::string_view input = call.input();
  const Open document(library.LoadMemDocument64(input.data(), input.size(), nullptr),
                      library.CloseDocument);
  if (!document) return std::unexpected(open_error(library.GetLastError()));
  PdfPages frame;
  frame.page_count = static_cast<uint32_t>(std::max(0, library.GetPageCount(document.get())));
  frame.is_repaired = library.HasValidCrossReferenceTable(document.get()) == 0;
  frame.title = meta_text(library, document.get(), "Title");
  frame.author = meta_text(library, document.get(), "Author");
  frame.created = meta_text(library, document.get(), "CreationDate");
  const uint64_t end =
      range.count == 0 ? frame.page_count
                       : std::min<uint64_t>(frame.page_count, uint64_t{range.first} + range.count);
  // Each page goes out by itself, so that those before one that ends this process are kept, and
  // it is known which one that was.
  const auto send = [&](uint64_t next) -> Status {
    frame.next_page = static_cast<uint32_t>(next);
    const Status status =
        call.emit(static_cast<uint32_t>(WireFrame::pdf_pages), pack_pdf_pages(frame));
    frame.title.clear();
    frame.author.clear();
    frame.created.clear();
    frame.pages.clear();
    return status;
  };
  HR_TRY(send(range.first));  // the count is news, whatever comes
  uint32_t unreadable_in_row = 0;
  for (uint64_t i = range.first; i < end; ++i) {
    PdfPage page;
    // Which pages are missing is seen from those that come.
    if (read_page(library, document.get(), static_cast<uint32_t>(i), page)) {
      unreadable_in_row = 0;
      frame.pages.push_back(std::move(page));
    } else if (++unreadable_in_row == kUnreadableInRowMax) {
      break;
    }
    HR_TRY(send(i + 1));
  }
  return {};
}

}  // namespace headrace
