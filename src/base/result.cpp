#include "base/result.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

namespace headrace {

std::string_view error_code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
      return "invalid_argument";
    case ErrorCode::not_found:
      return "not_found";
    case ErrorCode::damaged:
      return "damaged";
    case ErrorCode::encrypted:
      return "encrypted";
    case ErrorCode::unsupported:
      return "unsupported";
    case ErrorCode::too_large:
      return "too_large";
    case ErrorCode::timed_out:
      return "timed_out";
    case ErrorCode::crashed:
      return "crashed";
    case ErrorCode::no_space:
      return "no_space";
    case ErrorCode::permission:
      return "permission";
    case ErrorCode::busy:
      return "busy";
    case ErrorCode::changed:
      return "changed";
    case ErrorCode::cancelled:
      return "cancelled";
    case ErrorCode::out_of_budget:
      return "out_of_budget";
    case ErrorCode::io:
      return "io";
    case ErrorCode::internal:
      return "internal";
  }
  return "internal";
}

std::string Error::text() const {
  return hint_.empty() ? message_ : fmt::format("{}; {}", message_, hint_);
}

Error Error::with_context(std::string_view context) && {
  return Error(code_, fmt::format("{}: {}", context, message_), std::move(hint_));
}

Error os_error(int errno_value, std::string_view what) {
  switch (errno_value) {
    case ENOSPC:
    case EDQUOT:
      return Error(ErrorCode::no_space, fmt::format("{}: no space left on device", what),
                   "free some space and run it again; what was acknowledged is kept");
    case ENOENT:
    case ENOTDIR:
      return Error(ErrorCode::not_found, fmt::format("{}: no such file or folder", what));
    case EACCES:
    case EPERM:
    case EROFS:
      return Error(ErrorCode::permission,
                   fmt::format("{}: {}", what, std::generic_category().message(errno_value)),
                   "check who owns it and its permissions");
    case EFBIG:
      return Error(ErrorCode::no_space, fmt::format("{}: the file would be too large", what),
                   "raise the limit of file sizes (ulimit -f); what was acknowledged is kept");
    case ELOOP:
      return Error(ErrorCode::io, fmt::format("{}: the links lead in a circle", what),
                   "remove the link, or point it to a file");
    case EMFILE:
    case ENFILE:
      return Error(ErrorCode::io, fmt::format("{}: too many open files", what),
                   "raise the limit of open files (ulimit -n) and run it again");
    case EAGAIN:
      return Error(ErrorCode::io,
                   fmt::format("{}: {}", what, std::generic_category().message(errno_value)),
                   "raise the limit of processes (ulimit -u), or run less beside it, and run it "
                   "again");
    default:
      return Error(ErrorCode::io,
                   fmt::format("{}: {}", what, std::generic_category().message(errno_value)));
  }
}

}  // namespace headrace
