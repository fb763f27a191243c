#include "runtime/input_wait.h"

#include <fmt/format.h>
#include <poll.h>

#include <cerrno>

namespace headrace {

Status wait_for_input(int descriptor, std::string_view name, const CancelToken& cancel) {
  constexpr int kAskedEveryMs = 100;
  while (true) {
    HR_TRY(cancel.check());
    pollfd input{.fd = descriptor, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&input, 1, kAskedEveryMs);
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return os_fail(errno, fmt::format("read {}", name));
  }
}

}  // namespace headrace
