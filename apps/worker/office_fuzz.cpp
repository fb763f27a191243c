// Fuzzes DOCX, PPTX, XLSX, OpenDocument and EPUB. The first byte chooses: a whole container, or the
// bytes as one of its XML parts (a mutated container rarely gets past its checksums).
#include <cstdint>
#include <string>
#include <string_view>

#include "decode/test_zip.h"
#include "docx.h"
#include "epub.h"
#include "fuzz_document.h"
#include "odf.h"
#include "pptx.h"
#include "xlsx.h"

namespace {

using headrace::TestZip;

void check(const headrace::Result<headrace::Document>& document) {
  if (document) headrace::formats::check_document(*document);
}

std::string relationship(std::string_view type, std::string_view target) {
  return "<Relationships><Relationship Id=\"r\" Type=\"t/" + std::string(type) + "\" Target=\"" +
         std::string(target) + "\"/></Relationships>";
}

void fuzz_pptx(std::string_view slide) {
  TestZip zip;
  zip.add("ppt/presentation.xml", "<presentation><sldId r:id=\"r\"/></presentation>");
  zip.add("ppt/_rels/presentation.xml.rels", relationship("slide", "slide.xml"));
  zip.add("ppt/slide.xml", slide);
  zip.add("ppt/_rels/slide.xml.rels", relationship("notesSlide", "slide.xml"));
  check(headrace::formats::decode_pptx(zip.bytes()));
}

void fuzz_xlsx(std::string_view part, bool as_sheet) {
  TestZip zip;
  zip.add("xl/workbook.xml", "<workbook><sheet name=\"s\" r:id=\"r\"/></workbook>");
  std::string relations = relationship("worksheet", "sheet.xml");
  relations.insert(relations.find("</"),
                   "<Relationship Id=\"q\" Type=\"t/sharedStrings\" Target=\"strings.xml\"/>"
                   "<Relationship Id=\"p\" Type=\"t/styles\" Target=\"styles.xml\"/>");
  zip.add("xl/_rels/workbook.xml.rels", relations);
  zip.add("xl/sheet.xml",
          as_sheet ? part : "<sheetData><row><c t=\"s\"><v>0</v></c></row></sheetData>");
  zip.add("xl/strings.xml", as_sheet ? "<sst><si><t>a</t></si></sst>" : part);
  zip.add("xl/styles.xml", as_sheet ? "<s><cellXfs><xf numFmtId=\"22\"/></cellXfs></s>" : part);
  check(headrace::formats::decode_xlsx(zip.bytes()));
}

void fuzz_epub(std::string_view part) {
  TestZip zip;
  zip.add("META-INF/container.xml", "<c><rootfile full-path=\"p.opf\"/></c>");
  zip.add("p.opf", part);
  zip.add("a.xhtml", part);
  const auto file = headrace::formats::decode_epub(zip.bytes());
  if (file) headrace::formats::check_document(file->document);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view part(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 8) {
    case 0:
      check(headrace::formats::decode_docx(part));
      break;
    case 1: {
      TestZip zip;
      zip.add("word/document.xml", part);
      zip.add("word/_rels/document.xml.rels", relationship("styles", "document.xml"));
      check(headrace::formats::decode_docx(zip.bytes()));
      break;
    }
    case 2:
      fuzz_pptx(part);
      break;
    case 3:
      fuzz_xlsx(part, true);
      break;
    case 4:
      fuzz_xlsx(part, false);
      break;
    case 5: {
      TestZip zip;
      zip.add("content.xml", part);
      zip.add("meta.xml", part);
      check(headrace::formats::decode_odf(zip.bytes(), "odt"));
      break;
    }
    case 6:
      fuzz_epub(part);
      break;
    default:
      check(headrace::formats::decode_xlsx(part));
      break;
  }
  return 0;
}
