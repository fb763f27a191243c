#include "decode/decoder.h"

#include <array>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/utf8.h"
#include "batch/document_limit.h"
#include "decode/html.h"
#include "decode/html_tags.h"
#include "decode/pdf_decoder.h"
#include "decode/reference.h"
#include "decode/text_formats.h"

namespace headrace {
namespace {

constexpr size_t kLookBytes = 4096;

// What a file is that we do not read, for its message: by its first bytes, else in general.
std::string_view describe_binary(std::string_view bytes) {
  struct Known {
    std::string_view magic;
    std::string_view what;
  };
  using std::string_view_literals::operator""sv;
  static constexpr auto kKnown = std::to_array<Known>({
      {"\x7F"
       "ELF"sv,
       "a Linux program or library"},
      {"MZ"sv, "a Windows program or library"},
      {"\xCA\xFE\xBA\xBE"sv, "a compiled Java class or a macOS program"},
      {"\xCF\xFA\xED\xFE"sv, "a macOS program"},
      {"\0asm"sv, "a WebAssembly module"},
      {"SQLite format 3"sv, "an SQLite database"},
      {"7z\xBC\xAF"sv, "a 7-Zip archive"},
      {"Rar!"sv, "a RAR archive"},
      {"PAR1"sv, "a Parquet file"},
      {"ARROW1"sv, "an Arrow file"},
      {"\x80\x02"sv, "a Python pickle"},
      {"\x80\x04"sv, "a Python pickle"},
      {"\x93NUMPY"sv, "a NumPy array"},
  });
  for (const Known& known : kKnown) {
    if (bytes.starts_with(known.magic)) return known.what;
  }
  if (bytes.substr(0, kLookBytes).find_first_not_of('\0') == std::string_view::npos) {
    return "zero bytes only";
  }
  return "binary data";
}

Error unreadable(const RawDocument& raw, Format format) {
  switch (format) {
    case Format::empty:
      return {ErrorCode::damaged, "the file is empty", "fill it or remove it"};
    case Format::image:
    case Format::audio:
    case Format::video:
      return {ErrorCode::unsupported, fmt::format("{} files are not read yet", format_name(format)),
              "leave them out with --exclude"};
    case Format::legacy_office: {
      // Encrypted Office files are OLE containers too, with a stream of this name in UTF-16.
      using std::string_view_literals::operator""sv;
      if (raw.bytes.find("E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e\0"sv) !=
          std::string::npos) {
        return {ErrorCode::encrypted, "the Office file is encrypted", "save it without a password"};
      }
      return {ErrorCode::unsupported, "Office files of before 2007 (.doc, .xls, .ppt) are not read",
              "save it as .docx, .xlsx or .pptx"};
    }
    case Format::binary:
      return {ErrorCode::unsupported,
              fmt::format("not a format that Headrace reads (it looks like {})",
                          describe_binary(raw.bytes)),
              "leave it out with --exclude, or convert it to a document or text"};
    default:
      return {ErrorCode::unsupported,
              fmt::format("a {} archive inside an archive that is not opened", format_name(format)),
              "unpack it"};
  }
}

// Against the document's own place; what leads nowhere goes.
void resolve_links(Document& document) {
  size_t kept = 0;
  for (Link& link : document.links) {
    std::string target = resolve_reference(document.source, link.target);
    if (!target.empty()) document.links[kept++] = {link.at, std::move(target)};
  }
  document.links.resize(kept);
}

bool has_visible_text(const Document& document) {
  return document.text.find_first_not_of(" \t\n\r\f\v") != std::string::npos;
}

// A document that is nothing but its title is found by it.
void let_title_stand(Document& document) {
  if (document.title.empty() || has_visible_text(document)) return;
  const auto begin = static_cast<uint32_t>(document.text.size());
  document.text += document.title;
  document.blocks = {
      {begin, static_cast<uint32_t>(document.text.size()), BlockKind::paragraph, 0, 0}};
}

// The charset that an HTML page or an XML file declares in its first bytes, or empty.
std::string declared_charset(std::string_view bytes) {
  const std::string_view front = bytes.substr(0, kLookBytes);
  std::string lower(front);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  for (const std::string_view word : {"charset", "encoding"}) {
    for (size_t at = lower.find(word); at != std::string::npos; at = lower.find(word, at + 1)) {
      size_t i = lower.find_first_not_of(" \t\n\r", at + word.size());
      if (i == std::string::npos || lower[i] != '=') continue;
      i = lower.find_first_not_of(" \t\n\r\"'", i + 1);
      if (i == std::string::npos) continue;
      const size_t end = lower.find_first_of(" \t\n\r\"'/>;?", i);
      if (end != std::string::npos && end - i < 40) return lower.substr(i, end - i);
    }
  }
  return {};
}

// Which op of the worker reads a format.
struct WorkerOp {
  std::string_view op;
  std::string_view params;
};
std::optional<WorkerOp> worker_op(Format format) {
  switch (format) {
    case Format::xml:
      return WorkerOp{"xml", ""};
    case Format::rtf:
      return WorkerOp{"rtf", ""};
    case Format::email:
      return WorkerOp{"email", ""};
    case Format::epub:
      return WorkerOp{"epub", ""};
    case Format::docx:
    case Format::pptx:
    case Format::xlsx:
    case Format::odt:
    case Format::ods:
    case Format::odp:
      return WorkerOp{"office", format_name(format)};
    default:
      return std::nullopt;
  }
}

bool is_text_format(Format format) {
  switch (format) {
    case Format::text:
    case Format::markdown:
    case Format::html:
    case Format::json:
    case Format::jsonl:
    case Format::csv:
    case Format::latex:
    case Format::rst:
    case Format::source_code:
      return true;
    default:
      return false;
  }
}

bool is_named_xhtml(std::string_view name) {
  for (const std::string_view ending : {".xhtml", ".xht"}) {
    if (name.size() > ending.size() &&
        equals_ignoring_case(name.substr(name.size() - ending.size()), ending))
      return true;
  }
  return false;
}

Status no_workers(Format format) {
  return fail(
      ErrorCode::unsupported,
      fmt::format("{} files need the worker program, which is not available", format_name(format)),
      "install headrace-worker beside headrace or name it in HEADRACE_WORKER");
}

class DecodeJob {
 public:
  DecodeJob(WorkerPool* workers, const DecodeOptions& options, const CancelToken* cancel)
      : workers_(workers), options_(options), cancel_(cancel) {}

  Result<Decoded> run(RawDocument& raw, Format format) {
    if (const auto op = worker_op(format)) {
      HR_TRY(run_worker(*op, raw.bytes, format));
      let_title_stand(decoded_.document);
      if (!has_visible_text(decoded_.document) && decoded_.members.empty() &&
          decoded_.problems.empty()) {
        return fail(ErrorCode::unsupported,
                    fmt::format("the {} file holds no text", format_name(format)),
                    "leave it out with --exclude, or look at it in its own program");
      }
    } else if (format == Format::pdf) {
      if (workers_ == nullptr) HR_TRY(no_workers(format));
      const PdfLimits limits{.text_bytes_max = options_.text_bytes_max};
      HR_ASSIGN(PdfDecoded pdf, raw.file
                                    ? decode_pdf_file(*workers_, raw.file->get(), limits, cancel_)
                                    : decode_pdf(*workers_, raw.bytes, limits, cancel_));
      decoded_.document = std::move(pdf.document);
      decoded_.problems = std::move(pdf.problems);
      if (!has_visible_text(decoded_.document)) {
        return fail(ErrorCode::unsupported, "the PDF holds no text that can be read",
                    "leave it out with --exclude");
      }
    } else if (is_text_format(format)) {
      HR_TRY(decode_text(raw, format));
      let_title_stand(decoded_.document);
    } else {
      return std::unexpected(unreadable(raw, format));
    }
    return std::move(decoded_);
  }

  Result<std::string> to_text(std::string_view bytes, Format format) {
    const std::string hint = format == Format::html ? declared_charset(bytes) : std::string();
    const TextEncoding encoding = detect_encoding(bytes, hint);
    if (!encoding.needs_worker || workers_ == nullptr) return to_utf8(bytes, encoding);
    std::string text;
    const WorkerRequest request{"legacy_text", hint, bytes};
    HR_TRY(workers_->run(
        request,
        [&](uint32_t kind, std::string_view frame) -> Status {
          if (kind != static_cast<uint32_t>(WireFrame::text)) {
            return fail(ErrorCode::internal,
                        fmt::format("the worker sent a frame of kind {}", kind));
          }
          text += frame;
          return {};
        },
        cancel_));
    // What comes from a worker is believed only as far as it is checked.
    return to_utf8(text, TextEncoding{"utf-8"});
  }

  const UnpackedBytes& unpacked() const { return unpacked_; }

 private:
  Status run_worker(const WorkerOp& op, std::string_view bytes, Format format) {
    if (workers_ == nullptr) return no_workers(format);
    const WorkerRequest request{std::string(op.op), std::string(op.params), bytes};
    return workers_->run(
        request, [this](uint32_t kind, std::string_view frame) { return take_frame(kind, frame); },
        cancel_);
  }

  Status take_frame(uint32_t kind, std::string_view frame) {
    switch (static_cast<WireFrame>(kind)) {
      case WireFrame::document: {
        HR_ASSIGN(decoded_.document, unpack_document(frame));
        return {};
      }
      case WireFrame::member: {
        HR_ASSIGN(Member member, unpack_member(frame));
        member_bytes_ += member.bytes.size();
        if (member_bytes_ > options_.text_bytes_max) {
          return fail(ErrorCode::too_large, fmt::format("its attachments hold more than {} MiB",
                                                        options_.text_bytes_max >> 20));
        }
        decoded_.members.push_back(std::move(member));
        return {};
      }
      case WireFrame::problem: {
        HR_ASSIGN(MemberProblem problem, unpack_problem(frame));
        decoded_.problems.push_back(std::move(problem));
        return {};
      }
      case WireFrame::unpacked: {
        HR_ASSIGN(unpacked_, unpack_unpacked(frame));
        return {};
      }
      default:
        return fail(ErrorCode::internal, fmt::format("the worker sent a frame of kind {}", kind));
    }
  }

  Status decode_text(RawDocument& raw, Format format) {
    if (raw.bytes.size() > options_.text_bytes_max) {
      return fail(ErrorCode::too_large,
                  fmt::format("{} MiB of text are more than the {} MiB that one document may have",
                              raw.bytes.size() >> 20, options_.text_bytes_max >> 20),
                  std::string(too_large_hint(options_.text_bytes_max)));
    }
    HR_ASSIGN(std::string text, to_text(raw.bytes, format));
    raw.bytes = {};  // a large document's bytes, text and structure are not held all at once
    Document& document = decoded_.document;
    switch (format) {
      case Format::markdown:
        document = decode_markdown(text);
        break;
      case Format::html: {
        HR_ASSIGN(document, decode_html(text, {.is_xhtml = is_named_xhtml(raw.source)}));
        break;
      }
      case Format::json:
      case Format::jsonl:
        if (auto notebook = decode_notebook(text)) {
          document = std::move(*notebook);
        } else {
          HR_ASSIGN(document, decode_json(text));
        }
        break;
      case Format::csv:
        document = decode_csv(text);
        break;
      case Format::latex:
        document = decode_latex(text);
        break;
      case Format::rst:
        document = decode_rst(text);
        break;
      case Format::source_code:
        document = decode_source_code(text, raw.source);
        break;
      default:
        document = decode_plain_text(std::move(text));
        break;
    }
    return {};
  }

  WorkerPool* workers_;
  const DecodeOptions& options_;
  const CancelToken* cancel_;
  Decoded decoded_;
  uint64_t member_bytes_ = 0;
  UnpackedBytes unpacked_;
};

}  // namespace

Decoder::Decoder(WorkerPool* workers, DecodeOptions options)
    : workers_(workers), options_(options) {}

Result<std::string> Decoder::text_of(std::string_view bytes, const CancelToken* cancel) const {
  return DecodeJob(workers_, options_, cancel).to_text(bytes, Format::text);
}

Result<Decoded> Decoder::decode(RawDocument&& raw, Format format, const CancelToken* cancel,
                                UnpackedBytes* unpacked) const {
  if (cancel != nullptr) HR_TRY(cancel->check());
  if (raw.is_text) format = Format::text;
  if (raw.bytes.empty() && !raw.is_text && !raw.file) format = Format::empty;
  DecodeJob job(workers_, options_, cancel);
  Result<Decoded> result = job.run(raw, format);
  if (unpacked != nullptr) *unpacked = job.unpacked();
  if (!result) return result;
  Decoded decoded = std::move(*result);
  Document& document = decoded.document;
  if (document.text.size() > options_.text_bytes_max) {
    return fail(ErrorCode::too_large,
                fmt::format("its text is longer than the {} MiB that one document may have",
                            options_.text_bytes_max >> 20),
                std::string(too_large_hint(options_.text_bytes_max)));
  }
  document.source = std::move(raw.source);
  if (!raw.title.empty()) document.title = std::move(raw.title);
  resolve_links(document);
  if (document.media_type.empty()) document.media_type = std::string(format_media_type(format));
  if (!document.language.empty()) document.metadata.try_emplace("lang", document.language);
  // The source's own columns win over what the file says.
  raw.metadata.merge(document.metadata);
  document.metadata = std::move(raw.metadata);
  raw.bytes.clear();
  raw.bytes.shrink_to_fit();
  return decoded;
}

}  // namespace headrace
