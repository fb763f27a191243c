#include "plan/render.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace headrace {

namespace {

using Json = nlohmann::ordered_json;

// JSON has no number for what is infinite.
Json number_json(double number) {
  if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
  return number;  // null where it is none
}

Json value_json(const Value& value) {
  return std::visit(
      [](const auto& held) -> Json {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<Held, std::monostate>) {
          return nullptr;
        } else if constexpr (std::is_same_v<Held, double>) {
          return number_json(held);
        } else if constexpr (std::is_same_v<Held, std::vector<double>>) {
          Json items = Json::array();
          for (const double item : held) items.push_back(number_json(item));
          return items;
        } else {
          return held;
        }
      },
      value);
}

Json metadata_object(const Metadata& metadata) {
  Json object = Json::object();
  for (const auto& [name, value] : metadata) object[name] = value_json(value);
  return object;
}

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json text_or_null(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

// Every string of ours is valid UTF-8 already; whatever slipped through must not end a reply.
std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json spaces_of(const index::Info& info) {
  Json spaces = Json::array();
  for (const index::SpaceInfo& known : info.spaces) {
    spaces.push_back({{"name", known.space.name},
                      {"model", known.space.model},
                      {"dimension", known.space.dimension},
                      {"metric", index::metric_name(known.space.metric)},
                      {"rows", known.rows}});
  }
  return spaces;
}

Value value_of(const nlohmann::json& json) {
  switch (json.type()) {
    case nlohmann::json::value_t::boolean:
      return json.get<bool>();
    case nlohmann::json::value_t::number_integer:
      return json.get<int64_t>();
    case nlohmann::json::value_t::number_unsigned: {
      const auto number = json.get<uint64_t>();
      if (number <= static_cast<uint64_t>(INT64_MAX)) return static_cast<int64_t>(number);
      return std::to_string(number);
    }
    case nlohmann::json::value_t::number_float:
      return json.get<double>();
    case nlohmann::json::value_t::string:
      return json.get<std::string>();
    case nlohmann::json::value_t::array: {
      std::vector<Value> items;
      for (const auto& item : json)
        items.push_back(item.is_structured() ? Value(item.dump()) : value_of(item));
      return list_value(items);
    }
    case nlohmann::json::value_t::object:
      return json.dump();
    default:
      return std::monostate{};
  }
}

}  // namespace

std::string error_json(const Error& error) {
  return dump({{"error",
                {{"code", error_code_name(error.code())},
                 {"message", error.message()},
                 {"hint", error.hint()}}}});
}

namespace {

Json explanation_json(const index::Explanation& explanation) {
  Json terms = Json::array();
  for (const auto& term : explanation.terms) {
    terms.push_back({{"term", term.text}, {"tf", term.tf}, {"df", term.df}, {"score", term.score}});
  }
  const auto rank = [](uint32_t place) { return place == 0 ? Json(nullptr) : Json(place); };
  return {
      {"text", or_null(explanation.text)},        {"vector", or_null(explanation.vector)},
      {"text_rank", rank(explanation.text_rank)}, {"vector_rank", rank(explanation.vector_rank)},
      {"decay", or_null(explanation.decay)},      {"terms", terms}};
}

// Of the decoded text; null where the row does not say it.
Json byte_span(const Row& row) {
  if (!row.byte_begin) return nullptr;
  return {*row.byte_begin, *row.byte_begin + row.text.size()};
}

Json hit_json(const Hit& hit) {
  const Row& row = hit.row;
  Json result = {{"key", row.key},
                 {"score", hit.score},
                 {"source", row.source},
                 {"title", row.title},
                 {"text", row.text},
                 {"heading", row.heading},
                 {"modality", row.modality},
                 {"via", text_or_null(row.via)},
                 {"start", or_null(row.start_s)},
                 {"end", or_null(row.end_s)},
                 {"page", row.page == 0 ? Json(nullptr) : Json(row.page)},
                 {"line", row.line == 0 ? Json(nullptr) : Json(row.line)},
                 {"span", {row.span_begin, row.span_end}},
                 {"byte_span", byte_span(row)},
                 {"thumbnail", nullptr},
                 {"metadata", metadata_object(row.metadata)}};
  if (hit.explanation) result["explain"] = explanation_json(*hit.explanation);
  return result;
}

}  // namespace

std::string hits_json(const std::vector<Hit>& hits, double took_ms, const std::string& id) {
  Json reply = Json::object();
  if (!id.empty()) reply["id"] = Json::parse(id, nullptr, false);
  reply["hits"] = Json::array();
  for (const Hit& hit : hits) reply["hits"].push_back(hit_json(hit));
  reply["took_ms"] = took_ms;
  return dump(reply);
}

std::string page_json(const HitPage& page, double took_ms) {
  Json reply = {{"hits", Json::array()}, {"took_ms", took_ms}};
  for (const Hit& hit : page.hits) reply["hits"].push_back(hit_json(hit));
  if (!page.facets.empty()) {
    Json facets = Json::array();
    for (const index::FacetCounts& facet : page.facets) {
      Json values = Json::array();
      for (const auto& count : facet.values) {
        values.push_back({{"value", value_json(count.value)}, {"rows", count.rows}});
      }
      facets.push_back({{"column", facet.column},
                        {"rows", facet.rows},
                        {"distinct", facet.distinct},
                        {"values", values}});
    }
    reply["facets"] = facets;
  }
  if (!page.cursor.empty()) reply["cursor"] = page.cursor;
  return dump(reply);
}

std::string space_json(const SpaceReport& report) {
  return dump({{"name", report.name},
               {"model", report.model},
               {"dimension", report.dimension},
               {"rows", report.rows},
               {"added", report.added},
               {"tokens", report.tokens},
               {"refused", report.refused},
               {"not_kept", report.not_kept},
               {"seconds", report.seconds},
               {"interrupted", report.interrupted}});
}

std::string spaces_json(const index::Info& info, const Settings& settings) {
  Json spaces = spaces_of(info);
  for (Json& space : spaces) space["main"] = space["name"] == settings.main_space;
  return dump({{"rows", info.rows}, {"spaces", spaces}});
}

static Json info_object(const index::Info& info) {
  return {{"rows", info.rows},
          {"documents", info.documents},
          {"failed", info.failed},
          {"segments", info.segments},
          {"bytes_on_disk", info.bytes_on_disk},
          {"log_bytes", info.log_bytes},
          {"language", info.language},
          {"spaces", spaces_of(info)}};
}

std::string info_json(const index::Info& info) {
  return dump(info_object(info));
}

std::string info_json(const index::Info& info, const std::vector<index::SegmentInfo>& segments) {
  Json all = info_object(info);
  all["segment_list"] = Json::array();
  for (const index::SegmentInfo& segment : segments) {
    all["segment_list"].push_back({{"file", segment.file},
                                   {"rows", segment.rows},
                                   {"deleted_rows", segment.deleted_rows},
                                   {"documents", segment.documents},
                                   {"bytes", segment.bytes},
                                   {"late_files", segment.late_files},
                                   {"vectors", segment.vectors}});
  }
  return dump(all);
}

std::string backup_json(const index::BackupReport& report) {
  return dump({{"manifest", report.manifest},
               {"files", report.files},
               {"linked", report.linked},
               {"bytes", report.bytes}});
}

std::string history_json(const index::History& history, std::span<const index::PastState> states) {
  Json list = Json::array();
  for (const index::PastState& state : states) {
    list.push_back({{"number", state.manifest},
                    {"published", static_cast<double>(state.published_ms) / 1000},
                    {"bytes", state.bytes}});
  }
  return dump(
      {{"keep_states", history.count}, {"keep_seconds", history.seconds}, {"states", list}});
}

std::string repair_json(const index::RepairReport& report) {
  return dump({{"changed", report.changed()},
               {"rows", report.rows},
               {"documents", report.documents},
               {"lost", report.lost},
               {"moved", report.moved}});
}

namespace {

Json error_list(const std::vector<DocumentError>& errors) {
  Json list = Json::array();
  for (const DocumentError& known : errors) {
    list.push_back({{"source", known.source},
                    {"stage", known.stage},
                    {"code", error_code_name(known.error.code())},
                    {"message", known.error.message()},
                    {"hint", known.error.hint()}});
  }
  return list;
}

}  // namespace

std::string errors_json(const std::vector<DocumentError>& errors) {
  return dump({{"errors", error_list(errors)}});
}

std::string failures_json(const StreamFailures& failures) {
  Json codes = Json::object();
  for (const auto& [code, count] : failures.by_code) codes[error_code_name(code)] = count;
  return dump(
      {{"errors", error_list(failures.first)}, {"count", failures.count}, {"codes", codes}});
}

std::string verify_json(const index::VerifyReport& report,
                        const std::vector<index::RecallReport>& recall) {
  Json json = {
      {"ok", report.ok()}, {"checked_bytes", report.checked_bytes}, {"problems", report.problems}};
  for (const index::RecallReport& measured : recall) {
    json["recall"].push_back({{"space", measured.space},
                              {"target", measured.target},
                              {"recall", measured.recall},
                              {"queries", measured.queries}});
  }
  return dump(json);
}

std::string export_row_json(const Row& row) {
  return dump({{"key", row.key},
               {"source", row.source},
               {"position", row.position},
               {"title", row.title},
               {"text", row.text},
               {"heading", row.heading},
               {"modality", row.modality},
               {"via", text_or_null(row.via)},
               {"start", or_null(row.start_s)},
               {"end", or_null(row.end_s)},
               {"page", row.page == 0 ? Json(nullptr) : Json(row.page)},
               {"span", {row.span_begin, row.span_end}},
               {"byte_span", byte_span(row)},
               {"metadata", metadata_object(row.metadata)}});
}

std::string metadata_json(const Metadata& metadata) {
  return dump(metadata_object(metadata));
}

Result<Metadata> metadata_from_json(const std::string& json) {
  Metadata metadata;
  if (json.empty()) return metadata;
  const auto parsed = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) {
    return fail(ErrorCode::invalid_argument, "metadata is no JSON object",
                "give metadata as an object of names and values");
  }
  for (const auto& [name, value] : parsed.items()) metadata[name] = value_of(value);
  return metadata;
}

}  // namespace headrace
