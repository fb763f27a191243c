// headrace-worker: the process that decodes hostile bytes for a WorkerPool. Not meant to be started
// by hand.
#include <map>
#include <string>
#include <string_view>

#include "handlers.h"
#include "runtime/worker_main.h"

int main(int argc, char** argv) {
  using namespace headrace;
  const std::map<std::string, WorkerHandler> handlers = {
      {"pdf", handle_pdf},
      {"archive", handle_archive},
      {"office", handle_office},
      {"epub", handle_epub},
      {"rtf", handle_rtf},
      {"xml", handle_xml},
      {"email", handle_email},
      {"legacy_text", handle_legacy_text},
      {"html_legacy", handle_html_legacy},
  };
  const auto prepare = [argc, argv] {
    prepare_formats();
    constexpr std::string_view kPdfium = "--pdfium=";
    for (int i = 1; i < argc; ++i) {
      const std::string_view argument = argv[i];
      if (argument.starts_with(kPdfium)) prepare_pdf(argument.substr(kPdfium.size()));
    }
  };
  return worker_main(argc, argv, handlers, prepare);
}
