#include "plan/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "base/utf8.h"

namespace headrace {

namespace {
// Raised when decoding or chunking changes what rows come of the same bytes.
constexpr int kRowVersion = 3;
}  // namespace

std::vector<ModelSpace> Settings::model_spaces() const {
  std::vector<ModelSpace> spaces;
  if (!model.empty()) spaces.push_back({main_space, model});
  spaces.insert(spaces.end(), further_spaces.begin(), further_spaces.end());
  return spaces;
}

void Settings::add_space(const ModelSpace& space) {
  if (model.empty() && !own_vectors) {
    model = space.model;
    precision = "fp32";
    dimensions = 0;
    main_space = space.name;
    return;
  }
  if (space.name == main_space) return;
  const auto same = [&](const ModelSpace& known) { return known.name == space.name; };
  if (std::ranges::none_of(further_spaces, same)) further_spaces.push_back(space);
}

void Settings::drop_space(const std::string& name) {
  std::erase_if(further_spaces, [&](const ModelSpace& known) { return known.name == name; });
  if (name != main_space) return;
  model.clear();
  precision = "fp32";
  dimensions = 0;
  main_space = "default";
  own_vectors = false;
  if (further_spaces.empty()) return;
  auto next = std::ranges::find_if(
      further_spaces, [](const ModelSpace& known) { return !known.model.starts_with("static:"); });
  if (next == further_spaces.end()) next = further_spaces.begin();
  model = next->model;
  main_space = next->name;
  further_spaces.erase(next);
}

std::string Settings::to_json() const {
  nlohmann::json further = nlohmann::json::array();
  for (const ModelSpace& space : further_spaces)
    further.push_back({{"name", space.name}, {"model", space.model}});
  nlohmann::json links = nlohmann::json::array();
  for (const SourceRoot::Link& link : sources.links)
    links.push_back({{"name", link.name}, {"place", link.place}});
  return nlohmann::json{
      {"version", 1},
      {"model", model},
      {"precision", precision},
      {"dimensions", dimensions},
      {"main_space", main_space},
      {"further_spaces", further},
      {"chunk_tokens", chunk_tokens},
      {"overlap", overlap},
      {"embed_headings", embed_headings},
      {"language", language},
      {"own_vectors", own_vectors},
      {"integer_ids", integer_ids},
      {"sources",
       {{"folder", sources.folder}, {"knowledge_base", sources.knowledge_base}, {"links", links}}}}
      .dump();
}

Result<Settings> Settings::from_json(const std::string& json) {
  Settings settings;
  if (json.empty()) return settings;
  const auto parsed = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) {
    return fail(ErrorCode::damaged, "the knowledge base's settings cannot be read",
                "run headrace verify on it");
  }
  settings.model = parsed.value("model", settings.model);
  settings.precision = parsed.value("precision", settings.precision);
  settings.dimensions = parsed.value("dimensions", settings.dimensions);
  settings.main_space = parsed.value("main_space", settings.main_space);
  if (const auto further = parsed.find("further_spaces"); further != parsed.end()) {
    for (const auto& space : *further) {
      if (!space.is_object()) continue;
      settings.further_spaces.push_back({space.value("name", ""), space.value("model", "")});
    }
  }
  settings.chunk_tokens = parsed.value("chunk_tokens", settings.chunk_tokens);
  settings.overlap = parsed.value("overlap", settings.overlap);
  settings.embed_headings = parsed.value("embed_headings", settings.embed_headings);
  settings.language = parsed.value("language", settings.language);
  settings.own_vectors = parsed.value("own_vectors", settings.own_vectors);
  settings.integer_ids = parsed.value("integer_ids", settings.integer_ids);
  if (const auto sources = parsed.find("sources");
      sources != parsed.end() && sources->is_object()) {
    settings.sources.folder = sources->value("folder", "");
    settings.sources.knowledge_base = sources->value("knowledge_base", "");
    if (const auto links = sources->find("links"); links != sources->end()) {
      for (const auto& link : *links) {
        if (link.is_object())
          settings.sources.links.push_back({link.value("name", ""), link.value("place", "")});
      }
    }
  }
  return settings;
}

void complete_own_row(Row& row, const Settings& settings) {
  if (!settings.own_vectors) return;
  if (!row.metadata.contains("id")) {
    int64_t whole = 0;
    const char* const end = row.source.data() + row.source.size();
    const auto read = std::from_chars(row.source.data(), end, whole);
    const bool is_whole = settings.integer_ids && read.ec == std::errc() && read.ptr == end;
    row.metadata["id"] = is_whole ? Value(whole) : Value(row.source);
  }
  if (row.span_end == 0 && !row.text.empty()) {
    row.span_end = count_code_points(row.text);
    row.byte_begin = 0;
  }
}

ChunkOptions Settings::chunk_options() const {
  return {.tokens_max = chunk_tokens, .overlap = overlap, .heading_in_text = embed_headings};
}

std::string Settings::row_fingerprint(const std::string& tokenizer) const {
  return hash128(fmt::format("{}|{}|{}|{}{}", kRowVersion, chunk_tokens, overlap, tokenizer,
                             embed_headings ? "|headings" : ""))
      .hex()
      .substr(0, 16);
}

std::string tokenizer_fingerprint(const Tokenizer& tokenizer) {
  Hasher128 hasher;
  for (size_t id = 0; id < tokenizer.vocabulary_size(); ++id) {
    hasher.update(tokenizer.token(static_cast<int32_t>(id)));
    hasher.update("\n");
  }
  // Options that the vocabulary does not show: case, accents, spaces, other scripts, added tokens.
  std::vector<int32_t> ids;
  tokenizer.encode_ids(
      "The  Cat's naïve café—STRASSE\tend\n don't 12,345.67 [SEP] <s> 東京都 Привет ﬁne e\u0301", 0,
      ids);
  hasher.update({reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(int32_t)});
  return hasher.digest().hex();
}

}  // namespace headrace
