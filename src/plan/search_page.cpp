#include "plan/search_page.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cmath>

#include "base/hash.h"
#include "index/query.h"

namespace headrace {

namespace {

// What must be the same on every page.
std::string fingerprint(const std::string& query, const SearchOptions& options) {
  std::string all = query;
  const auto add = [&](const std::string& part) {
    all += '\0';
    all += part;
  };
  add(options.filter);
  add(options.space);
  add(options.group_by);
  add(options.sort);
  add(options.decay);
  add(fmt::format("{} {} {} {} {} {} {} {}", options.mode ? static_cast<int>(*options.mode) : -1,
                  options.plain, options.title_weight, static_cast<int>(options.fusion.method),
                  options.fusion.text_weight, options.fusion.vector_weight,
                  options.diversity.value_or(-1), options.descending));
  return fmt::format("{:016x}", hash64(all));
}

std::unexpected<Error> bad_cursor(const char* why) {
  return fail(ErrorCode::invalid_argument, fmt::format("the cursor {}", why),
              "give the cursor of the page before, with the same query and options");
}

}  // namespace

Result<PageStart> read_cursor(const std::string& query, const SearchOptions& options) {
  PageStart start;
  if (options.k > kPageDepthMax) {
    return fail(
        ErrorCode::invalid_argument,
        fmt::format("{} hits at once are too many; the limit is {}", options.k, kPageDepthMax),
        "narrow the search with a filter, or export the rows");
  }
  const std::string& cursor = options.cursor;
  if (cursor.empty()) return start;
  // FINGERPRINT-SHOWN-KEY
  if (cursor.size() < 18 || cursor.size() > 100 || cursor[16] != '-') return bad_cursor("is none");
  const size_t dash = cursor.find('-', 17);
  if (dash == std::string::npos) return bad_cursor("is none");
  const auto read = std::from_chars(cursor.data() + 17, cursor.data() + dash, start.offset);
  if (read.ec != std::errc() || read.ptr != cursor.data() + dash) return bad_cursor("is none");
  if (cursor.substr(0, 16) != fingerprint(query, options)) {
    return bad_cursor("belongs to another search");
  }
  if (start.offset > kPageDepthMax) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("pages lead through {} rows at most", kPageDepthMax),
                "narrow the search with a filter, or export the rows");
  }
  start.last_key = cursor.substr(dash + 1);
  return start;
}

std::string write_cursor(const std::string& query, const SearchOptions& options, size_t shown,
                         const std::string& last_key) {
  return fmt::format("{}-{}-{}", fingerprint(query, options), shown, last_key);
}

Result<index::Decay> parse_decay(const std::string& text) {
  const auto wrong = [&] {
    return fail(ErrorCode::invalid_argument, fmt::format("\"{}\" is no decay", text),
                "write COLUMN:HALF-LIFE such as date:30d (s, m, h, d, w or y)");
  };
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == text.size()) return wrong();
  double amount = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data() + colon + 1, end, amount);
  if (read.ec != std::errc() || !(amount > 0) || !std::isfinite(amount)) return wrong();
  static constexpr struct {
    char unit;
    double seconds;
  } kUnits[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}, {'y', 31557600}};
  const std::string_view rest(read.ptr, static_cast<size_t>(end - read.ptr));
  double unit = rest.empty() ? 86400 : 0;
  for (const auto& known : kUnits) {
    if (rest.size() == 1 && rest[0] == known.unit) unit = known.seconds;
  }
  if (unit == 0) return wrong();
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return index::Decay{text.substr(0, colon), amount * unit,
                      std::chrono::duration<double>(now).count()};
}

Result<index::SearchRequest> make_request(const SearchOptions& options, index::SearchMode mode) {
  index::SearchRequest request;
  request.mode = mode;
  request.k = options.k;
  request.plain = options.plain;
  request.title_weight = options.title_weight;
  request.fusion = options.fusion;
  request.diversity = options.diversity;
  if (!options.decay.empty()) {
    HR_ASSIGN(request.decay, parse_decay(options.decay));
  }
  request.group_by = options.group_by;
  request.sort = options.sort;
  request.descending = options.descending;
  request.facet_values_max = options.facet_values_max;
  return request;
}

std::string meaning_of(const std::string& query, const SearchOptions& options) {
  return options.plain ? query : index::query_meaning(query);
}

}  // namespace headrace
