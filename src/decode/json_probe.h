// Whether a text is JSON, and how it ends: for telling formats apart, and JSON that is damaged from
// text that only begins like it. Makes nothing of the values; one pass, no recursion.
//
// Threads: pure function. Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace headrace {

inline constexpr size_t kJsonDepthMax = 10'000;  // as XML and RTF have it

enum class JsonEnd : uint8_t {
  broken,    // it is no JSON
  cut,       // the text ends within the value
  too_deep,  // nested deeper than kJsonDepthMax
  complete,
};

struct JsonProbe {
  JsonEnd end = JsonEnd::broken;
  size_t at = 0;         // behind the value, or as far as it was read
  size_t open = 0;       // brackets that are open there
  size_t members = 0;    // of objects, with their values
  bool is_exact = true;  // what was read is as the standard has it
};

// The value that begins at text[at], or behind white space there. Lenient: a comma before a closing
// bracket, escapes and numbers that there are not; then `is_exact` is false.
JsonProbe probe_json(std::string_view text, size_t at);

// The first place from `at` on that is no white space.
size_t skip_json_space(std::string_view text, size_t at);

}  // namespace headrace
