// The handlers of the document formats: pure decoders (docx.h, pptx.h, …) between a job's input and
// its frames.
#include <string>
#include <utility>

#include "batch/member.h"
#include "decode/html.h"
#include "decode/wire.h"
#include "docx.h"
#include "email.h"
#include "epub.h"
#include "handlers.h"
#include "legacy_text.h"
#include "odf.h"
#include "office_blocks.h"
#include "pptx.h"
#include "rtf.h"
#include "xlsx.h"
#include "xml_document.h"
#include "zip_package.h"

namespace headrace {
namespace {

Status emit_document(WorkerCall& call, Result<Document>&& document) {
  if (!document) return std::unexpected<Error>(std::move(document).error());
  const std::string packed = pack_document(*document);
  *document = Document();  // two copies are enough while the frame is sent
  return call.emit(static_cast<uint32_t>(WireFrame::document), packed);
}

Status emit_file(WorkerCall& call, Result<formats::DecodedFile>&& file) {
  if (!file) return std::unexpected<Error>(std::move(file).error());
  HR_TRY(emit_document(call, std::move(file->document)));
  for (const Member& member : file->members) {
    HR_TRY(call.emit(static_cast<uint32_t>(WireFrame::member), pack_member(member)));
  }
  for (const MemberProblem& problem : file->problems) {
    HR_TRY(call.emit(static_cast<uint32_t>(WireFrame::problem), pack_problem(problem)));
  }
  return {};
}

// Tells how much was unpacked for a document or for none, before either.
Status emit_unpacked(WorkerCall& call, uint64_t before, bool refused) {
  const uint64_t bytes = formats::ZipPackage::bytes_unpacked() - before;
  UnpackedBytes unpacked;
  (refused ? unpacked.refused : unpacked.passed_over) = bytes;
  return call.emit(static_cast<uint32_t>(WireFrame::unpacked), pack_unpacked(unpacked));
}

Result<Document> decode_office(std::string_view format, std::string_view bytes) {
  if (format == "docx") return formats::decode_docx(bytes);
  if (format == "pptx") return formats::decode_pptx(bytes);
  if (format == "xlsx") return formats::decode_xlsx(bytes);
  if (format == "odt" || format == "ods" || format == "odp") {
    return formats::decode_odf(bytes, format);
  }
  return fail(ErrorCode::invalid_argument, "no office format \"" + std::string(format) + "\"");
}

}  // namespace

void prepare_formats() {
  formats::prepare_text_conversion();
}

Status handle_office(WorkerCall& call) {
  const uint64_t before = formats::ZipPackage::bytes_unpacked();
  auto document = decode_office(call.params(), call.input());
  HR_TRY(emit_unpacked(call, before, !document || document->text.empty()));
  return emit_document(call, std::move(document));
}

Status handle_epub(WorkerCall& call) {
  const uint64_t before = formats::ZipPackage::bytes_unpacked();
  auto file = formats::decode_epub(call.input());
  HR_TRY(emit_unpacked(call, before, !file));
  return emit_file(call, std::move(file));
}

Status handle_rtf(WorkerCall& call) {
  return emit_document(call, formats::decode_rtf(call.input()));
}

Status handle_xml(WorkerCall& call) {
  return emit_document(call, formats::decode_xml(call.input()));
}

Status handle_email(WorkerCall& call) {
  return emit_file(call, formats::decode_email(call.input()));
}

Status handle_legacy_text(WorkerCall& call) {
  HR_ASSIGN(const std::string text, formats::decode_legacy_text(call.input(), call.params()));
  return call.emit(static_cast<uint32_t>(WireFrame::text), text);
}

Status handle_html_legacy(WorkerCall& call) {
  HR_ASSIGN(const std::string text, formats::decode_legacy_text(call.input(), call.params()));
  return emit_document(call, decode_html(text));
}

}  // namespace headrace
