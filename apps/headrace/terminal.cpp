#include "terminal.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "base/utf8.h"

namespace headrace::cli {

namespace {

std::string paint(std::string_view text, std::string_view code, Stream stream) {
  if (!colours_on(stream)) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

const std::chrono::steady_clock::time_point kStart = std::chrono::steady_clock::now();

double elapsed() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - kStart).count();
}

}  // namespace

bool colours_on(Stream stream) {
  static const bool wanted = std::getenv("NO_COLOR") == nullptr;
  return wanted && isatty(stream == Stream::out ? STDOUT_FILENO : STDERR_FILENO) == 1;
}

std::string bold(std::string_view text, Stream stream) {
  return paint(text, "1", stream);
}
std::string dim(std::string_view text, Stream stream) {
  return paint(text, "2", stream);
}
std::string red(std::string_view text, Stream stream) {
  return paint(text, "31;1", stream);
}
std::string green(std::string_view text, Stream stream) {
  return paint(text, "32", stream);
}
std::string yellow(std::string_view text, Stream stream) {
  return paint(text, "33;1", stream);
}

std::string shown(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = decode_code_point(text, at);
    if (point.value == '\n' || point.value == '\r' || point.value == '\t') {
      safe.push_back(' ');
    } else if (point.value < 0x20 || (point.value >= 0x7F && point.value < 0xA0)) {
      append_code_point(kReplacementCharacter, safe);
    } else {
      append_code_point(point.value, safe);
    }
    at += point.length;
  }
  return safe;
}

std::string human_bytes(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string human_count(uint64_t count) {
  std::string digits = std::to_string(count);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<size_t>(at), ",");
  return digits;
}

std::string counted(uint64_t count, std::string_view one, std::string_view many) {
  if (count == 1) return fmt::format("1 {}", one);
  return many.empty() ? fmt::format("{} {}s", human_count(count), one)
                      : fmt::format("{} {}", human_count(count), many);
}

std::string human_seconds(double seconds) {
  if (seconds < 10) return fmt::format("{:.2f} s", seconds);
  if (seconds < 60) return fmt::format("{:.0f} s", seconds);
  const auto whole = static_cast<uint64_t>(seconds);
  if (whole < 3600) return fmt::format("{} m {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} m", whole / 3600, whole / 60 % 60);
}

Result<uint64_t> parse_bytes(const std::string& text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, ec] = std::from_chars(text.data(), end, value);
  std::string unit(rest, end);
  std::transform(unit.begin(), unit.end(), unit.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto wrong = [&] {
    return fail(ErrorCode::invalid_argument, fmt::format("\"{}\" is no size", text),
                "write it like 512MiB or 2GiB");
  };
  if (ec != std::errc{} || !(value >= 0) || value > 1e15) return wrong();
  double factor = 0;
  if (unit.empty() || unit == "b")
    factor = 1;
  else if (unit == "k" || unit == "kib" || unit == "kb")
    factor = 1024;
  else if (unit == "m" || unit == "mib" || unit == "mb")
    factor = 1024.0 * 1024;
  else if (unit == "g" || unit == "gib" || unit == "gb")
    factor = 1024.0 * 1024 * 1024;
  else if (unit == "t" || unit == "tib" || unit == "tb")
    factor = 1024.0 * 1024 * 1024 * 1024;
  else
    return wrong();
  return static_cast<uint64_t>(value * factor);
}

std::string reason_of(const DocumentError& failed) {
  std::string text = failed.error.text();
  const std::string name = failed.source + ": ";
  return text.starts_with(name) ? text.substr(name.size()) : text;
}

void print_error(const Error& error) {
  std::string text = fmt::format("{} {}\n", red("headrace:"), shown(error.message()));
  if (!error.hint().empty()) text += fmt::format("  {}\n", shown(error.hint()));
  // Where nobody can be told, the exit code says it.
  std::fwrite(text.data(), 1, text.size(), stderr);
}

void print_warning(std::string_view text) {
  fmt::print(stderr, "{} {}\n", yellow("headrace:", Stream::err), shown(text));
}

ProgressBar::ProgressBar(const Progress& progress)
    : progress_(progress), visible_(isatty(STDERR_FILENO) == 1) {
  if (visible_) thread_ = Thread([this] { loop(); });
}

ProgressBar::~ProgressBar() {
  if (!visible_) return;
  {
    MutexLock lock(mutex_);
    stop_ = true;
    stop_signal_.notify_all();
  }
  thread_.join();
  fmt::print(stderr, "\r\x1b[K");
}

void ProgressBar::message(const std::string& line) {
  MutexLock lock(mutex_);
  fmt::print(stderr, "{}{}\n", visible_ ? "\r\x1b[K" : "", line);
}

void ProgressBar::loop() {
  MutexLock lock(mutex_);
  while (!stop_) {
    draw();
    stop_signal_.wait_until(mutex_,
                            std::chrono::steady_clock::now() + std::chrono::milliseconds(100));
  }
}

void ProgressBar::draw() {
  const uint64_t done = progress_.documents_done;
  // Attachments and members are done without having been found in a listing.
  const uint64_t found = std::max<uint64_t>(progress_.documents_found, done);
  const uint64_t rows = progress_.rows;
  const uint64_t embedded = progress_.rows_embedded;
  const uint64_t to_embed = progress_.rows_to_embed;
  const bool listed = progress_.listing_done;
  const double seconds = elapsed();
  if (progress_.limiting == JobStage::watching) {
    fmt::print(stderr, "\r\x1b[K{} documents, {} rows; watching for changes (Ctrl-C ends)",
               human_count(done), human_count(rows));
    std::fflush(stderr);
    return;
  }
  if (progress_.limiting == JobStage::indexing) {
    fmt::print(stderr, "\r\x1b[K{} documents, {} rows; putting vectors in lists", human_count(done),
               human_count(rows));
    std::fflush(stderr);
    return;
  }
  const bool embedding = to_embed > 0 && done >= found;
  const double share = to_embed > 0 ? static_cast<double>(embedded) / static_cast<double>(to_embed)
                       : found > 0  ? static_cast<double>(done) / static_cast<double>(found)
                                    : 0.0;
  constexpr int kWidth = 24;
  const int filled = static_cast<int>(std::clamp(share, 0.0, 1.0) * kWidth);
  std::string bar;
  for (int i = 0; i < kWidth; ++i) bar += i < filled ? "━" : "─";
  std::string line = fmt::format("\r\x1b[K{} {}{} documents · {} · {} rows", bar, human_count(done),
                                 listed ? "/" + human_count(found) : "",
                                 human_bytes(progress_.bytes_done), human_count(rows));
  if (to_embed > 0) {
    line += fmt::format(" · {} embedded ({} tokens/s)", human_count(embedded),
                        human_count(static_cast<uint64_t>(static_cast<double>(progress_.tokens) /
                                                          std::max(seconds, 0.1))));
  }
  if (listed && share > 0.02 && share < 1) {
    line += fmt::format(" · {} left", human_seconds(seconds / share - seconds));
  }
  line += embedding ? " · embedding" : " · reading";
  if (progress_.failed > 0) line += fmt::format(" · {} failed", progress_.failed.load());
  fmt::print(stderr, "{}", line);
  std::fflush(stderr);
}

}  // namespace headrace::cli
