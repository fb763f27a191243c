// Feeder, the part that takes files of records apart: JSONL and tables whose text column is named.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/utf8.h"
#include "decode/text_formats.h"
#include "plan/feeder.h"
#include "runtime/unique_fd.h"
#include "sources/file_reader.h"
#include "sources/record_names.h"

namespace headrace {

namespace {

constexpr size_t kLineBufferBytes = 1 << 20;
constexpr size_t kEncodingSampleBytes = 4096;

}  // namespace

Status Feeder::feed_records(const std::string& name, std::string bytes, Container& container) {
  if (is_wide(detect_encoding(std::string_view(bytes).substr(0, kEncodingSampleBytes), {}))) {
    auto text = in_utf8(name, std::move(bytes));
    if (!text) return unreadable_text(name, std::move(text).error(), container);
    bytes = std::move(*text);
  }
  RecordNames names;
  return read_jsonl(
      name, bytes, context_.options.columns,
      {[&](RawDocument&& raw) {
         name_by_content(raw, container);
         raw.source = names.unique(std::move(raw.source));
         return feed_record(std::move(raw), Format::text, container);
       },
       [&](DocumentError problem) { return container_problem(std::move(problem), container); }});
}

// As the same file is read without a column: in whatever encoding it is.
Result<std::string> Feeder::in_utf8(const std::string& name, std::string bytes) {
  if (valid_utf8_prefix(bytes) == bytes.size() && bytes.find('\0') == std::string::npos)
    return bytes;
  auto text = context_.decoder.text_of(bytes, &context_.parts.cancel);
  if (!text) return std::unexpected(std::move(text).error().with_context(name));
  return text;
}

Status Feeder::unreadable_text(const std::string& name, Error error, Container& container) {
  if (error.code() == ErrorCode::cancelled) return std::unexpected(std::move(error));
  container.damaged = true;
  return container_problem({name, "read", std::move(error)}, container);
}

Status Feeder::feed_table(const std::string& name, std::string bytes, Container& container) {
  auto text = in_utf8(name, std::move(bytes));
  if (!text) return unreadable_text(name, std::move(text).error(), container);
  RecordNames names;
  return read_csv_records(name, *text, context_.options.columns,
                          {[&](RawDocument&& raw) {
                             name_by_content(raw, container);
                             raw.source = names.unique(std::move(raw.source));
                             return feed_record(std::move(raw), Format::text, container);
                           },
                           [&](DocumentError problem) {
                             // Not one of its lines: the table itself is what failed.
                             container.damaged = container.damaged || problem.source == name;
                             return container_problem(std::move(problem), container);
                           }});
}

Status Feeder::feed_csv_file(const FileEntry& entry) {
  return feed_whole_file(entry, [this, &entry](std::string&& bytes, Container& container) {
    return feed_table(entry.source, std::move(bytes), container);
  });
}

Status Feeder::feed_wide_jsonl_file(const FileEntry& entry) {
  return feed_whole_file(entry, [this, &entry](std::string&& bytes, Container& container) {
    return feed_records(entry.source, std::move(bytes), container);
  });
}

Status Feeder::feed_whole_file(const FileEntry& entry,
                               const std::function<Status(std::string&&, Container&)>& feed) {
  HR_TRY(reserve_reading(std::min(entry.stamp.size_bytes, context_.options.document_bytes_max)));
  auto file = read_file(entry.path, context_.options.document_bytes_max);
  if (!file) return deliver_unread(entry, std::move(file).error());
  Container container{entry.source, file->stamp, hash128(file->bytes)};
  HR_TRY(feed(std::move(file->bytes), container));
  reading_.release();
  return end_container(container);
}

// Read in pieces, so that a file of any size needs the memory of its longest line.
Status Feeder::feed_jsonl_file(const FileEntry& entry) {
  const UniqueFd file(open(entry.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) {
    return deliver_unread(entry, os_error(errno, fmt::format("open {}", entry.source)));
  }
  // What is written to it meanwhile is the next run's: reading it would never end.
  struct stat info{};
  if (fstat(file.get(), &info) != 0)
    return deliver_unread(entry, os_error(errno, fmt::format("stat {}", entry.source)));
  auto left = static_cast<uint64_t>(info.st_size);
  Container container{entry.source, entry.stamp, {}};
  Hasher128 hasher;
  std::string buffer;
  uint64_t line = 0;
  RecordNames names;
  const auto feed_line = [&](std::string_view text) -> Status {
    ++line;
    if (line == 1 && text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (text.find_first_not_of(" \t") == std::string_view::npos) return {};
    auto record = parse_json_record(entry.source, line, text, context_.options.columns);
    if (record) {
      record->source = names.unique(std::move(record->source));
      return feed_record(std::move(*record), Format::text, container);
    }
    return container_problem(
        {fmt::format("{}:{}", entry.source, line), "read", std::move(record).error()}, container);
  };
  bool passing_over = false;  // in the rest of a line that is too long
  while (true) {
    const size_t kept = buffer.size();
    const size_t most = std::min<uint64_t>(left, kLineBufferBytes);
    buffer.resize(kept + most);
    const ssize_t got = read(file.get(), buffer.data() + kept, most);
    if (got < 0 && errno != EINTR) {
      return container_problem(
          {entry.source, "read", os_error(errno, fmt::format("read {}", entry.source))}, container);
    }
    buffer.resize(kept + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0) break;
    if (got < 0) continue;
    left -= static_cast<uint64_t>(got);
    hasher.update(std::string_view(buffer).substr(kept));
    size_t begin = 0;
    if (passing_over) {
      const size_t end = buffer.find('\n');
      passing_over = end == std::string::npos;
      begin = passing_over ? buffer.size() : end + 1;
    }
    for (size_t end = buffer.find('\n', std::max(begin, kept)); end != std::string::npos;
         end = buffer.find('\n', begin)) {
      HR_TRY(feed_line(std::string_view(buffer).substr(begin, end - begin)));
      begin = end + 1;
    }
    buffer.erase(0, begin);
    // A long line is there twice while it is parsed.
    if (buffer.size() > 2 * kLineBufferBytes) HR_TRY(reserve_reading(3 * buffer.size()));
    if (buffer.size() > context_.options.document_bytes_max) {
      ++line;
      HR_TRY(container_problem(
          {fmt::format("{}:{}", entry.source, line), "read",
           Error(ErrorCode::too_large,
                 fmt::format("{}:{}: the line is longer than {} bytes", entry.source, line,
                             context_.options.document_bytes_max),
                 context_.options.document_bytes_max >= kDocumentBytesMax
                     ? "split the record; the other lines are indexed"
                     : "split the record, or raise --memory; the other lines are indexed")},
          container));
      buffer = {};
      reading_.release();
      passing_over = true;
    }
  }
  if (!buffer.empty()) HR_TRY(feed_line(buffer));
  reading_.release();
  container.content_hash = hasher.digest();
  return end_container(container);
}

}  // namespace headrace
