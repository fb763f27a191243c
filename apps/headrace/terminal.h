// Terminal: colours, the progress bar and messages for people. Colours and bars appear only on a
// terminal (and never with NO_COLOR); everything here goes to stderr except hits on stdout.
//
// Owns: the bar's thread while a ProgressBar lives. Threads: one user each. Errors: none.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "base/result.h"
#include "batch/document.h"
#include "plan/progress.h"
#include "runtime/thread_pool.h"

namespace headrace::cli {

enum class Stream : uint8_t { out, err };
bool colours_on(Stream stream);

std::string bold(std::string_view text, Stream stream = Stream::out);
std::string dim(std::string_view text, Stream stream = Stream::out);
std::string red(std::string_view text, Stream stream = Stream::err);
std::string green(std::string_view text, Stream stream = Stream::out);
std::string yellow(std::string_view text, Stream stream = Stream::out);

// Text from outside (documents, names, messages about them) on one line that commands nothing:
// line breaks and tabs become spaces, other control characters and bytes that are no UTF-8 become
// U+FFFD.
std::string shown(std::string_view text);

std::string human_bytes(uint64_t bytes);  // "12.3 MiB"
std::string human_count(uint64_t count);  // "1,234"
// "1 row", "1,234 rows"; of other words the plural is given.
std::string counted(uint64_t count, std::string_view one, std::string_view many = {});
std::string human_seconds(double seconds);  // "1 m 05 s"
// "512", "64MiB", "1GiB", "2g" → bytes.
Result<uint64_t> parse_bytes(const std::string& text);

// What is wrong with a document and what to do, without the name that it begins with.
std::string reason_of(const DocumentError& failed);
// Prints "headrace: message" and the hint below it.
void print_error(const Error& error);
// Prints "headrace: text" in yellow, of what is worth knowing and no failure.
void print_warning(std::string_view text);

// Redraws one line on stderr ten times a second; nothing where stderr is no terminal.
class ProgressBar {
 public:
  explicit ProgressBar(const Progress& progress);
  ~ProgressBar();
  // Prints a line above the bar.
  void message(const std::string& line);

 private:
  void loop();
  void draw();

  const Progress& progress_;
  const bool visible_;
  Mutex mutex_;
  CondVar stop_signal_;
  bool stop_ HR_GUARDED_BY(mutex_) = false;
  Thread thread_;
};

}  // namespace headrace::cli
