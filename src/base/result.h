// Result and Error: how every room of Headrace reports what went wrong.
//
// No exception crosses a room's border. A function that can fail returns Result<T>; the caller
// either handles the Error or passes it on with HR_TRY. An Error always answers three questions a
// user has: what happened, to which thing, and what to do about it.
//
// Owns: its strings. Threads: a value, as safe as an int. Errors: it is one.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace headrace {

// What kind of failure this is. The names (error_code_name) are part of the public contract:
// `headrace errors`, Python exceptions and JSON replies carry them.
enum class ErrorCode : uint8_t {
  invalid_argument,  // the caller asked for something that makes no sense        exit 2
  not_found,         // a file, model, key or knowledge base that is not there    exit 1
  damaged,           // bytes that break their own format's rules                 exit 1
  encrypted,         // would need a password
  unsupported,       // understood, but not something we read or do
  too_large,         // beyond a limit; the message names the limit
  timed_out,         // a deadline passed
  crashed,           // a worker process died on this input
  no_space,          // the disk or quota is full
  permission,        // the system refused access
  busy,              // another writer holds it
  changed,           // the input changed while it was read
  cancelled,         // Ctrl-C or a caller's cancellation
  out_of_budget,     // the byte budget cannot hold even this one thing
  io,                // any other failure of the operating system
  internal,          // a bug of ours
};

std::string_view error_code_name(ErrorCode code);

class Error {
 public:
  Error(ErrorCode code, std::string message, std::string hint = {})
      : code_(code), message_(std::move(message)), hint_(std::move(hint)) {}

  ErrorCode code() const { return code_; }
  // One sentence: what happened, to which file or thing.
  const std::string& message() const { return message_; }
  // One sentence: what to do about it. May be empty.
  const std::string& hint() const { return hint_; }
  // message and hint as one line for people: "message; hint".
  std::string text() const;

  // Puts "context: " before the message, for callers that know more (the file, the row).
  Error with_context(std::string_view context) &&;

 private:
  ErrorCode code_;
  std::string message_;
  std::string hint_;
};

template <typename T>
using Result = std::expected<T, Error>;
using Status = std::expected<void, Error>;

inline std::unexpected<Error> fail(ErrorCode code, std::string message, std::string hint = {}) {
  return std::unexpected<Error>(Error(code, std::move(message), std::move(hint)));
}

// The Error for the operating system's `errno_value` while doing `what` (e.g. "write /kb/log").
// ENOSPC and EDQUOT become no_space and the message says "no space left".
Error os_error(int errno_value, std::string_view what);
inline std::unexpected<Error> os_fail(int errno_value, std::string_view what) {
  return std::unexpected<Error>(os_error(errno_value, what));
}

}  // namespace headrace

#define HR_CONCAT_INNER(a, b) a##b
#define HR_CONCAT(a, b) HR_CONCAT_INNER(a, b)

// HR_TRY(expr): return the error of a Status (or Result whose value is not wanted).
#define HR_TRY(...) HR_TRY_INNER(HR_CONCAT(hr_status_, __COUNTER__), __VA_ARGS__)
#define HR_TRY_INNER(status, ...)                                           \
  do {                                                                      \
    if (auto status = (__VA_ARGS__); !status)                               \
      return std::unexpected<::headrace::Error>(std::move(status).error()); \
  } while (false)

// HR_ASSIGN(auto x, expr): x is the value of a Result, or its error is returned.
#define HR_ASSIGN(declaration, ...) \
  HR_ASSIGN_INNER(HR_CONCAT(hr_result_, __COUNTER__), declaration, __VA_ARGS__)
#define HR_ASSIGN_INNER(result, declaration, ...)                                    \
  auto result = (__VA_ARGS__);                                                       \
  if (!result) return std::unexpected<::headrace::Error>(std::move(result).error()); \
  declaration = std::move(*result)
