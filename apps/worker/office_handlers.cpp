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

}  // namespace

void prepare_formats() {
  formats::prepare_text_conversion();
}

Status handle_office(WorkerCall& call) {
  const std::string_view format = call.params();
  if (format == "docx") return emit_document(call, formats::decode_docx(call.input()));
  if (format == "pptx") return emit_document(call, formats::decode_pptx(call.input()));
  if (format == "xlsx") return emit_document(call, formats::decode_xlsx(call.input()));
  if (format == "odt" || format == "ods" || format == "odp") {
    return emit_document(call, formats::decode_odf(call.input(), format));
  }
  return fail(ErrorCode::invalid_argument, "no office format \"" + std::string(format) + "\"");
}

Status handle_epub(WorkerCall& call) {
  return emit_file(call, formats::decode_epub(call.input()));
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
