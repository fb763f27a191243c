// Everything that a worker process may send, as a hostile one would: whatever is accepted keeps the
// promises of batch/document.h and packs to something that is accepted again.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"
#include "batch/archive_request.h"
#include "batch/member.h"
#include "decode/pdf_decoder.h"
#include "decode/pdf_pages.h"
#include "decode/wire.h"

using namespace headrace;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 5) {
    case 0:
      if (const auto document = unpack_document(bytes)) {
        HR_CHECK(is_valid_utf8(document->text), "text must be UTF-8");
        for (const Block& block : document->blocks)
          HR_CHECK(block.begin <= block.end && block.end <= document->text.size(),
                   "a block outside");
        HR_CHECK(unpack_document(pack_document(*document)), "packs to what is accepted");
      }
      break;
    case 1:
      if (const auto member = unpack_member(bytes))
        HR_CHECK(unpack_member(pack_member(*member)), "packs to what is accepted");
      break;
    case 2:
      if (const auto problem = unpack_problem(bytes))
        HR_CHECK(unpack_problem(pack_problem(*problem)), "packs to what is accepted");
      break;
    case 3:
      if (const auto pages = unpack_pdf_pages(bytes)) {
        const Document document = assemble_pdf(*pages);
        HR_CHECK(unpack_document(pack_document(document)), "pages make a good document");
      }
      break;
    case 4:
      (void)unpack_archive_request(bytes);
      (void)unpack_unpacked(bytes);
      (void)unpack_pdf_range(bytes);
      break;
  }
  return 0;
}
