#include "text_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/lenient_json.h"
#include "base/utf8.h"
#include "commands.h"
#include "runtime/input_wait.h"

namespace headrace::cli {

Result<std::unique_ptr<TextReader>> TextReader::open(const std::string& path) {
  auto reader = std::make_unique<TextReader>();
  reader->name_ = path == "-" ? "standard input" : path;
  reader->records_ = path.ends_with(".jsonl") || path.ends_with(".ndjson");
  if (path != "-") {
    reader->file_ = UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!reader->file_.valid())
      return fail(ErrorCode::not_found, os_error(errno, "open " + path).message(),
                  "check the path");
  }
  return reader;
}

int TextReader::descriptor() const {
  return file_.valid() ? file_.get() : STDIN_FILENO;
}

bool TextReader::ready() const {
  if (at_end_ || buffer_.find('\n', begin_) != std::string::npos) return true;
  pollfd waiting{descriptor(), POLLIN, 0};
  return ::poll(&waiting, 1, 0) > 0;
}

Result<std::optional<std::string>> TextReader::next_line() {
  while (true) {
    const size_t end = buffer_.find('\n', std::max(scanned_, begin_));
    if (end != std::string::npos) {
      std::string line = buffer_.substr(begin_, end - begin_);
      begin_ = scanned_ = end + 1;
      return line;
    }
    if (at_end_) {
      if (begin_ == buffer_.size()) return std::optional<std::string>();
      std::string line = buffer_.substr(begin_);
      begin_ = scanned_ = buffer_.size();
      return line;
    }
    buffer_.erase(0, begin_);
    begin_ = 0;
    scanned_ = buffer_.size();
    if (buffer_.size() > kLineBytesMax) {
      return fail(
          ErrorCode::too_large,
          fmt::format("{} line {}: is over {} MiB", name_, number_ + 1, kLineBytesMax >> 20),
          "cut it into several texts");
    }
    HR_TRY(wait_for_input(descriptor(), name_, interrupt()));
    constexpr size_t kReadBytes = 64UL << 10;
    buffer_.resize(scanned_ + kReadBytes);
    const ssize_t got = ::read(descriptor(), buffer_.data() + scanned_, kReadBytes);
    const int error = errno;
    buffer_.resize(scanned_ + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    HR_TRY(interrupt().check());
    if (got < 0 && error == EINTR) continue;
    if (got < 0) return os_fail(error, "read " + name_);
    at_end_ = got == 0;
  }
}

Result<std::optional<std::string>> TextReader::next() {
  while (true) {
    HR_ASSIGN(auto line, next_line());
    if (!line) return line;
    ++number_;
    if (!records_) {
      if (line->ends_with('\r')) line->pop_back();
      return std::optional(to_valid_utf8(*line));
    }
    if (line->find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::string valid = to_valid_utf8(*line);
    auto parsed = nlohmann::json::parse(valid, nullptr, false);
    if (parsed.is_discarded()) {
      const auto mended = lenient_json(valid);
      if (mended) parsed = nlohmann::json::parse(*mended, nullptr, false);
    }
    std::string why;
    if (parsed.is_discarded()) {
      why = "not JSON";
    } else if (!parsed.is_object()) {
      why = "not a JSON object";
    } else if (!parsed.contains("text")) {
      why = "no \"text\"";
    } else if (!parsed["text"].is_string()) {
      why = fmt::format("\"text\" is no string but {}", parsed["text"].type_name());
    }
    if (!why.empty()) {
      return fail(ErrorCode::damaged, fmt::format("{} line {}: {}", name_, number_, why),
                  "write one {\"text\": …} a line");
    }
    return std::optional(parsed["text"].get<std::string>());
  }
}

}  // namespace headrace::cli
