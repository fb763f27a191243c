// Texts: cut into terms in several languages; both ways to ask must agree, positions ascend.
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/check.h"
#include "index/analyzer.h"

using namespace headrace;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::array<std::unique_ptr<index::Analyzer>, 4> analyzers = {
      std::move(index::Analyzer::create("en").value()),
      std::move(index::Analyzer::create("de").value()),
      std::move(index::Analyzer::create("ja").value()),
      std::move(index::Analyzer::create("none").value())};
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto& analyzer : analyzers) {
    const auto spans = analyzer->analyze_with_spans(text);
    size_t i = 0;
    uint32_t last = 0;
    const uint32_t end = analyzer->analyze(text, [&](std::string_view term, uint32_t position) {
      HR_CHECK(i < spans.size() && spans[i].term == term && spans[i].position == position,
               "spans and terms agree");
      HR_CHECK(position >= last && spans[i].end <= text.size() && spans[i].begin < spans[i].end,
               "positions ascend, spans lie in the text");
      last = position;
      ++i;
    });
    HR_CHECK(i == spans.size() && (i == 0 || end > last), "all terms were given");
  }
  return 0;
}
