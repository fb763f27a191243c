#include <nlohmann/json.hpp>

#include "plan/ingest.h"

namespace headrace {

std::string IngestReport::to_json() const {
  nlohmann::ordered_json first = nlohmann::ordered_json::array();
  for (const DocumentError& one : failures) {
    first.push_back({{"source", one.source},
                     {"stage", one.stage},
                     {"code", error_code_name(one.error.code())},
                     {"message", one.error.message()}});
  }
  return nlohmann::ordered_json{{"documents",
                                 {{"added", added},
                                  {"updated", updated},
                                  {"unchanged", unchanged},
                                  {"removed", removed},
                                  {"failed", failed}}},
                                {"empty", empty},
                                {"rows", rows},
                                {"tokens", tokens},
                                {"bytes_in", bytes_in},
                                {"seconds", seconds},
                                {"peak_rss_bytes", peak_rss_bytes},
                                {"searchable_seconds", searchable_seconds},
                                {"without_vectors", without_vectors},
                                {"refused", refused},
                                {"failures", std::move(first)},
                                {"embedding",
                                 {{"reused", reused},
                                  {"requests", requests},
                                  {"retries", retries},
                                  {"cost", cost},
                                  {"not_kept", not_kept}}}}
      .dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace headrace
