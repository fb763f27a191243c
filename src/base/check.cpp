#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace headrace {

void check_failed(const char* condition, const char* file, int line,
                  std::string_view message) noexcept {
  std::fprintf(stderr, "headrace: internal error at %s:%d: %s is false: %.*s\n", file, line,
               condition, static_cast<int>(message.size()), message.data());
  std::abort();
}

}  // namespace headrace
