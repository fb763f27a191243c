// Jupyter notebooks: Markdown cells as Markdown, code cells as code, each with the text that it
// gave. Pictures and what else a cell shows are left out.
#include <simdjson.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "base/lenient_json.h"
#include "decode/reference.h"
#include "decode/text_formats.h"

namespace headrace {
namespace {

using simdjson::dom::element;

// Of the outputs of one cell: logs and printed tables may be longer than all else.
constexpr size_t kOutputBytesMax = 16 << 10;

// Texts are strings or lists of lines, each with its line break.
std::string text_of(simdjson::simdjson_result<element> field) {
  element value;
  std::string_view view;
  if (field.get(value) != simdjson::SUCCESS) return {};
  if (value.get_string().get(view) == simdjson::SUCCESS) return std::string(view);
  simdjson::dom::array lines;
  std::string text;
  if (value.get_array().get(lines) != simdjson::SUCCESS) return {};
  for (const element line : lines) {
    if (line.get_string().get(view) == simdjson::SUCCESS) text += view;
  }
  return text;
}

// What a terminal shows: without colours, and of a line that was written over its last state.
std::string shown_text(std::string_view printed) {
  std::string text;
  size_t line = 0;
  for (size_t i = 0; i < printed.size(); ++i) {
    const char c = printed[i];
    if (c == '\x1B') {
      if (i + 1 < printed.size() && printed[i + 1] == '[') {
        ++i;
        while (i + 1 < printed.size() && (printed[i + 1] < '@' || printed[i + 1] > '~')) ++i;
      }
      ++i;
    } else if (c == '\r') {
      const bool last = i + 1 == printed.size() || printed[i + 1] == '\n';
      if (!last) text.resize(line);
    } else if (c == '\n' || c == '\t' || static_cast<unsigned char>(c) >= 0x20) {
      text.push_back(c);
      if (c == '\n') line = text.size();
    }
  }
  return text;
}

class NotebookReader {
 public:
  // Nothing when this is no notebook.
  std::optional<Document> read(std::string_view json) {
    const simdjson::padded_string padded(json);
    simdjson::dom::parser parser;
    simdjson::dom::object root;
    int64_t version = 0;
    auto error = parser.parse(padded).get_object().get(root);
    // Numbers of plots are often NaN.
    const auto mended = error != simdjson::SUCCESS ? lenient_json(json) : std::nullopt;
    if (mended) error = parser.parse(*mended).get_object().get(root);
    if (error != simdjson::SUCCESS ||
        root["nbformat"].get_int64().get(version) != simdjson::SUCCESS)
      return std::nullopt;
    simdjson::dom::array cells;
    if (root["cells"].get_array().get(cells) == simdjson::SUCCESS) {
      read_cells(cells);
    } else if (simdjson::dom::array sheets;  // before version 4
               root["worksheets"].get_array().get(sheets) == simdjson::SUCCESS) {
      for (const element sheet : sheets) {
        if (sheet["cells"].get_array().get(cells) == simdjson::SUCCESS) read_cells(cells);
      }
    } else {
      return std::nullopt;
    }
    read_properties(root["metadata"]);
    return std::move(document_);
  }

 private:
  void read_properties(simdjson::simdjson_result<element> properties) {
    const std::string title = text_of(properties["title"]);
    if (!title.empty()) document_.title = title;
    if (document_.title.empty()) {
      const auto heading =
          std::find_if(document_.blocks.begin(), document_.blocks.end(),
                       [](const Block& block) { return block.kind == BlockKind::heading; });
      if (heading != document_.blocks.end())
        document_.title = document_.text.substr(heading->begin, heading->end - heading->begin);
    }
    std::string language = text_of(properties["language_info"]["name"]);
    if (language.empty()) language = text_of(properties["kernelspec"]["language"]);
    if (!language.empty()) document_.metadata.try_emplace("code_language", std::move(language));
    document_.media_type = "application/x-ipynb+json";
  }

  void read_cells(const simdjson::dom::array& cells) {
    for (const element cell : cells) {
      const std::string kind = text_of(cell["cell_type"]);
      if (kind == "code") {
        const std::string input = text_of(cell["input"]);  // before version 4
        add(BlockKind::code, 0, input.empty() ? text_of(cell["source"]) : input);
        read_outputs(cell["outputs"]);
      } else if (kind == "markdown") {
        add_markdown(text_of(cell["source"]));
      } else if (kind == "heading") {
        int64_t level = 1;
        if (cell["level"].get_int64().get(level) != simdjson::SUCCESS) level = 1;
        add(BlockKind::heading, static_cast<uint8_t>(std::clamp<int64_t>(level, 1, 6)),
            text_of(cell["source"]));
      } else {
        add(BlockKind::paragraph, 0, text_of(cell["source"]));
      }
    }
  }

  void read_outputs(simdjson::simdjson_result<element> field) {
    simdjson::dom::array outputs;
    if (field.get_array().get(outputs) != simdjson::SUCCESS) return;
    std::string shown;
    for (const element output : outputs) {
      std::string text;
      const std::string kind = text_of(output["output_type"]);
      if (kind == "stream") {
        text = text_of(output["text"]);
      } else if (kind == "error" || kind == "pyerr") {
        text = text_of(output["ename"]) + ": " + text_of(output["evalue"]);
      } else if (!shows_picture(output)) {
        text = text_of(output["data"]["text/plain"]);
        if (text.empty()) text = text_of(output["text"]);
      }
      text = shown_text(std::string_view(text).substr(0, kOutputBytesMax));
      if (text.empty()) continue;
      if (!shown.empty() && !shown.ends_with('\n')) shown.push_back('\n');
      shown += text;
      if (shown.size() > kOutputBytesMax) break;
    }
    add(BlockKind::code, 0, shown.substr(0, kOutputBytesMax));
  }

  // The text beside a picture only says that there is one.
  static bool shows_picture(element output) {
    simdjson::dom::object data;
    if (output["data"].get_object().get(data) != simdjson::SUCCESS) return false;
    return std::any_of(data.begin(), data.end(), [](const simdjson::dom::key_value_pair& field) {
      return field.key.starts_with("image/") || field.key.starts_with("application/");
    });
  }

  void separate() {
    if (!document_.text.empty()) document_.text += "\n\n";
  }

  void add(BlockKind kind, uint8_t level, const std::string& source) {
    const std::string text = to_utf8(source, TextEncoding{"utf-8", false});
    const size_t begin = text.find_first_not_of('\n');
    const size_t last = text.find_last_not_of(" \t\n");
    if (last == std::string::npos || begin == std::string::npos) return;
    separate();
    const size_t at = document_.text.size();
    document_.text += std::string_view(text).substr(begin, last + 1 - begin);
    document_.blocks.push_back(
        {static_cast<uint32_t>(at), static_cast<uint32_t>(document_.text.size()), kind, level, 0});
  }

  void add_markdown(const std::string& source) {
    std::string text = to_utf8(source, TextEncoding{"utf-8", false});
    if (text.starts_with("---")) text.insert(0, "\n");  // a rule; cells have no front matter
    const Document cell = decode_markdown(text);
    if (cell.blocks.empty()) return;
    separate();
    const uint32_t from = cell.blocks.front().begin;
    const uint32_t to = cell.blocks.back().end;
    const auto at = static_cast<uint32_t>(document_.text.size());
    document_.text += std::string_view(cell.text).substr(from, to - from);
    for (Block block : cell.blocks) {
      block.begin = block.begin - from + at;
      block.end = block.end - from + at;
      document_.blocks.push_back(block);
    }
    for (const Link& link : cell.links) {
      if (link.at >= from && link.at < to && document_.links.size() < kDocumentLinksMax)
        document_.links.push_back({link.at - from + at, link.target});
    }
  }

  Document document_;
};

}  // namespace

std::optional<Document> decode_notebook(std::string_view utf8) {
  // Most JSON is none, and is not parsed for that.
  if (utf8.find("\"nbformat\"") == std::string_view::npos) return std::nullopt;
  return NotebookReader().read(utf8);
}

}  // namespace headrace
