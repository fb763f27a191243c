#include "archive_tar.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

namespace headrace::archive {
namespace {

constexpr size_t kExtendedHeaderMax = 1 << 20;

// A number field: octal digits, or base 256 when the first bit is set. Nothing for nonsense.
std::optional<uint64_t> number_field(std::string_view field) {
  if (!field.empty() && (static_cast<unsigned char>(field[0]) & 0x80) != 0) {
    if ((static_cast<unsigned char>(field[0]) & 0x40) != 0) return std::nullopt;  // negative
    uint64_t value = static_cast<unsigned char>(field[0]) & 0x3F;
    for (const char c : field.substr(1)) {
      if (value >> 55 != 0) return std::nullopt;
      value = value << 8 | static_cast<unsigned char>(c);
    }
    return value;
  }
  while (field.starts_with(' ')) field.remove_prefix(1);
  uint64_t value = 0;
  for (const char c : field) {
    if (c < '0' || c > '7') break;
    value = value << 3 | static_cast<uint64_t>(c - '0');
  }
  return value;
}

std::string_view text_field(std::string_view field) {
  return field.substr(0, std::min(field.find('\0'), field.size()));
}

// What pax ("x", "g") and GNU ("L") headers say about the member that follows.
struct Overrides {
  std::optional<std::string> name;
  std::optional<uint64_t> size;
  std::optional<int64_t> modified_s;
  bool sparse = false;
};

// Records "LENGTH key=value\n".
void parse_pax(std::string_view records, Overrides& out) {
  while (!records.empty()) {
    size_t length = 0;
    const auto [end, error] =
        std::from_chars(records.data(), records.data() + records.size(), length);
    const auto digits = static_cast<size_t>(end - records.data());
    if (error != std::errc() || length <= digits + 1 || length > records.size()) return;
    std::string_view record = records.substr(digits + 1, length - digits - 1);
    records.remove_prefix(length);
    if (record.ends_with('\n')) record.remove_suffix(1);
    const size_t equals = record.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view key = record.substr(0, equals), value = record.substr(equals + 1);
    if (key == "path") out.name = value;
    if (key.starts_with("GNU.sparse.")) out.sparse = true;
    uint64_t number = 0;
    const auto parsed = std::from_chars(value.data(), value.data() + value.size(), number);
    if (parsed.ec != std::errc()) continue;
    if (key == "size") out.size = number;
    if (key == "mtime")
      out.modified_s = static_cast<int64_t>(std::min<uint64_t>(number, 1ULL << 33));
  }
}

class TarReader {
 public:
  TarReader(std::string_view front, ByteStream& stream, MemberOutput& output)
      : front_(front), stream_(stream), output_(output) {}

  Status read() {
    std::string block(kTarBlock, '\0');
    for (;;) {
      const Result<size_t> got = read_bytes(block.data(), kTarBlock);
      if (!got) return output_.problem("", lost(got.error()));
      if (*got == 0) return {};
      if (*got < kTarBlock) return output_.problem("", cut_off());
      if (std::all_of(block.begin(), block.end(), [](char c) { return c == '\0'; })) return drain();
      if (!is_tar_header(block))
        return output_.problem(
            "", Error(ErrorCode::damaged, "the tar archive is damaged: what follows is no member",
                      "get it anew"));
      HR_ASSIGN(const bool more, take_member(block));
      if (!more) return {};
    }
  }

 private:
  // Reads what lies behind the end, because only the end of a compressed stream has its checksum.
  Status drain() {
    std::string sink(1 << 16, '\0');
    for (;;) {
      const Result<size_t> got = read_bytes(sink.data(), sink.size());
      if (!got)
        return output_.problem("",
                               Error(got.error()).with_context("the archive is damaged somewhere"));
      if (*got < sink.size()) return {};
    }
  }

  // False when the archive cannot be read any further (which was reported).
  Result<bool> take_member(std::string_view header) {
    const char type = header[156];
    const std::optional<uint64_t> field = number_field(header.substr(124, 12));
    const bool extended = type == 'x' || type == 'g' || type == 'L' || type == 'K';
    const std::optional<uint64_t> size = extended ? field : next_.size ? next_.size : field;
    if (!size || *size > (1ULL << 62)) {
      HR_TRY(output_.problem("", Error(ErrorCode::damaged,
                                       "the tar archive gives an impossible size", "get it anew")));
      return false;
    }
    if (extended) return take_extended(type, *size);
    Overrides overrides = std::exchange(next_, {});
    const bool regular = type == '0' || type == '\0' || type == '7';
    if (!regular && type != 'S') return pass_over(rounded(*size));
    const std::string raw_name = overrides.name ? *overrides.name : plain_name(header);
    if (raw_name.ends_with('/')) return pass_over(rounded(*size));  // a folder, the old way
    const std::string name = output_.unique_name(raw_name);
    if (type == 'S' || overrides.sparse) {
      HR_TRY(output_.problem(name, Error(ErrorCode::unsupported, "it is stored as a sparse file",
                                         "unpack it yourself")));
      return pass_over(rounded(*size));
    }
    if (*size > output_.member_bytes_max()) {
      HR_TRY(output_.too_large(name));
      return pass_over(rounded(*size));
    }
    const int64_t modified_s =
        overrides.modified_s ? *overrides.modified_s
                             : static_cast<int64_t>(std::min<uint64_t>(
                                   number_field(header.substr(136, 12)).value_or(0), 1ULL << 33));
    return take_bytes(name, *size, modified_s);
  }

  Result<bool> take_bytes(const std::string& name, uint64_t size, int64_t modified_s) {
    auto member = output_.begin(name, modified_s * 1'000'000'000, size);
    constexpr uint64_t kStep = 1 << 20;
    for (uint64_t left = size; left > 0;) {
      const size_t step = static_cast<size_t>(std::min(left, kStep));
      const size_t at = member.bytes().size();
      member.bytes().resize(at + step);
      const Result<size_t> got = read_bytes(member.bytes().data() + at, step);
      if (!got || *got < step) {
        HR_TRY(output_.problem(name, got ? cut_off() : got.error()));
        return false;
      }
      left -= step;
    }
    HR_TRY(output_.send(std::move(member)));
    return pass_over(padding(size));
  }

  Result<bool> take_extended(char type, uint64_t size) {
    if (size > kExtendedHeaderMax) {
      HR_TRY(output_.problem("", Error(ErrorCode::damaged,
                                       "the tar archive has a header without end", "get it anew")));
      return false;
    }
    std::string records(static_cast<size_t>(size), '\0');
    const Result<size_t> got = read_bytes(records.data(), records.size());
    if (!got || *got < records.size()) {
      HR_TRY(output_.problem("", got ? cut_off() : lost(got.error())));
      return false;
    }
    if (type == 'x') parse_pax(records, next_);
    if (type == 'L') next_.name = std::string(text_field(records));
    return pass_over(padding(size));
  }

  Result<bool> pass_over(uint64_t bytes) {
    std::string sink(static_cast<size_t>(std::min<uint64_t>(bytes, 1 << 20)), '\0');
    for (uint64_t left = bytes; left > 0;) {
      const size_t step = static_cast<size_t>(std::min<uint64_t>(left, sink.size()));
      const Result<size_t> got = read_bytes(sink.data(), step);
      if (!got || *got == 0) {
        HR_TRY(output_.problem("", got ? cut_off() : lost(got.error())));
        return false;
      }
      left -= *got;
    }
    return true;
  }

  Result<size_t> read_bytes(char* buffer, size_t size) {
    const size_t from_front = front_.copy(buffer, size);
    front_.remove_prefix(from_front);
    if (from_front == size) return size;
    HR_ASSIGN(const size_t rest, stream_.read(buffer + from_front, size - from_front));
    return from_front + rest;
  }

  static uint64_t rounded(uint64_t size) { return (size + kTarBlock - 1) / kTarBlock * kTarBlock; }
  static uint64_t padding(uint64_t size) { return rounded(size) - size; }
  static std::string plain_name(std::string_view header) {
    std::string name(text_field(header.substr(0, 100)));
    const bool ustar = header.substr(257, 6) == std::string_view("ustar\0", 6);
    const std::string_view prefix = text_field(header.substr(345, 155));
    return ustar && !prefix.empty() ? std::string(prefix) + "/" + name : name;
  }
  static Error cut_off() {
    return Error(ErrorCode::damaged, "the tar archive ends too early (truncated)", "get it anew");
  }
  static Error lost(const Error& error) {
    return Error(error).with_context("the rest of the archive cannot be read");
  }

  std::string_view front_;
  ByteStream& stream_;
  MemberOutput& output_;
  Overrides next_;
};

}  // namespace

bool is_tar_header(std::string_view block) {
  if (block.size() < kTarBlock) return false;
  uint64_t sum = 0;
  for (size_t i = 0; i < kTarBlock; ++i)
    sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(block[i]);
  const std::optional<uint64_t> stored = number_field(block.substr(148, 8));
  return stored && *stored == sum && block[0] != '\0';
}

Status read_tar(std::string_view front, ByteStream& stream, MemberOutput& output) {
  return TarReader(front, stream, output).read();
}

}  // namespace headrace::archive
