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
  std::optional<std::string> name, sparse_name;
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
    // What a sparse member is called; its path is made up then.
    if (key == "GNU.sparse.name") out.sparse_name = value;
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
      : ahead_(front), stream_(stream), output_(output) {}

  // Damage ends nothing: what is a member again behind it is read.
  Status read() {
    std::string block(kTarBlock, '\0');
    bool at_end = false;  // behind its mark: anything may stand there
    for (;;) {
      const Result<size_t> got = read_bytes(block.data(), kTarBlock);
      if (!got) {
        // Only the end of a compressed stream has its checksum.
        const Error& error = got.error();
        HR_TRY(tell_damage());
        return output_.problem(
            "",
            at_end ? Error(error).with_context("the archive is damaged somewhere") : lost(error));
      }
      if (*got == 0) return tell_damage();
      if (*got < kTarBlock) {
        if (at_end || searching_) return tell_damage();
        HR_TRY(tell_damage());
        return output_.problem("", cut_off());
      }
      if (is_zero(block)) {
        at_end = true;
      } else if (is_tar_header(block)) {
        at_end = searching_ = false;
        HR_ASSIGN(const bool more, take_member(block));
        if (!more) return tell_damage();
      } else if (!at_end) {
        note_damage();
      }
    }
  }

 private:
  void note_damage() {
    if (!std::exchange(searching_, true) && places_damaged_++ == 0) damaged_behind_ = last_name_;
    next_ = {};
  }

  Status tell_damage() {
    if (places_damaged_ == 0) return {};
    const std::string where = damaged_behind_.empty() ? "at its beginning"
                              : places_damaged_ == 1
                                  ? "behind " + damaged_behind_
                                  : "in " + std::to_string(places_damaged_) +
                                        " places, the first behind " + damaged_behind_;
    return output_.problem("", Error(ErrorCode::damaged,
                                     "the tar archive is damaged " + where +
                                         ": what stands there is no member; others were read",
                                     "get it anew"));
  }

  // False when the archive cannot be read any further (which was reported).
  Result<bool> take_member(std::string_view header) {
    const char type = header[156];
    const std::optional<uint64_t> field = number_field(header.substr(124, 12));
    const bool extended = type == 'x' || type == 'g' || type == 'L' || type == 'K';
    const std::optional<uint64_t> given = extended ? field : next_.size ? next_.size : field;
    if (!given || *given > (1ULL << 62)) {
      note_damage();
      return true;
    }
    uint64_t size = *given;
    if (extended) return take_extended(type, size);
    Overrides overrides = std::exchange(next_, {});
    const bool is_link_or_folder = type >= '1' && type <= '6';
    if (is_link_or_folder && size > 0) {
      HR_ASSIGN(const bool has_bytes, bytes_follow());
      if (!has_bytes) size = 0;
    }
    const bool is_file =
        type == '0' || type == '\0' || type == '7' || type == 'S' || (type == '1' && size > 0);
    if (!is_file) return pass_over(rounded(size));
    if (overrides.sparse_name) overrides.name = overrides.sparse_name;
    const std::string raw_name = overrides.name ? *overrides.name : plain_name(header);
    if (raw_name.ends_with('/')) return pass_over(rounded(size));  // a folder, the old way
    const std::string name = output_.unique_name(raw_name);
    last_name_ = name;
    if (type == 'S' || overrides.sparse) {
      HR_TRY(output_.problem(name, Error(ErrorCode::unsupported, "it is stored as a sparse file",
                                         "unpack it yourself")));
      HR_ASSIGN(const bool more, type == 'S' ? pass_over_map(header) : Result<bool>(true));
      return more ? pass_over(rounded(size)) : Result<bool>(false);
    }
    if (size > output_.member_bytes_max()) {
      HR_TRY(output_.too_large(name));
      return pass_over(rounded(size));
    }
    const int64_t modified_s =
        overrides.modified_s ? *overrides.modified_s
                             : static_cast<int64_t>(std::min<uint64_t>(
                                   number_field(header.substr(136, 12)).value_or(0), 1ULL << 33));
    return take_bytes(name, size, modified_s);
  }

  // Programs differ in whether the size of a link or a folder says how many bytes follow: where a
  // header does, or the end, none do.
  Result<bool> bytes_follow() {
    std::string block(kTarBlock, '\0');
    HR_ASSIGN(const size_t got, read_bytes(block.data(), kTarBlock));
    block.resize(got);
    ahead_.insert(0, block);
    return got == kTarBlock && !is_zero(block) && !is_tar_header(block);
  }

  // GNU's map of a sparse member goes on in blocks of its own that the size does not count.
  Result<bool> pass_over_map(std::string_view header) {
    constexpr size_t kGoesOnInHeader = 482, kGoesOn = 504;
    std::string block(kTarBlock, '\0');
    for (bool goes_on = header[kGoesOnInHeader] != '\0'; goes_on;
         goes_on = block[kGoesOn] != '\0') {
      const Result<size_t> got = read_bytes(block.data(), kTarBlock);
      if (!got || *got < kTarBlock) {
        HR_TRY(output_.problem("", got ? cut_off() : lost(got.error())));
        return false;
      }
    }
    return true;
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
        output_.refused(at - member.header_bytes() + (got ? *got : 0));
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
      note_damage();
      return true;
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
      // Not what fills the last block of a member: it is no more than that.
      if (bytes >= kTarBlock) output_.passed_over(got ? *got : 0);
      if (!got || *got == 0) {
        HR_TRY(output_.problem("", got ? cut_off() : lost(got.error())));
        return false;
      }
      left -= *got;
    }
    return true;
  }

  Result<size_t> read_bytes(char* buffer, size_t size) {
    const size_t from_ahead = ahead_.copy(buffer, size);
    ahead_.erase(0, from_ahead);
    if (from_ahead == size) return size;
    HR_ASSIGN(const size_t rest, stream_.read(buffer + from_ahead, size - from_ahead));
    return from_ahead + rest;
  }

  static bool is_zero(std::string_view block) {
    return std::ranges::all_of(block, [](char c) { return c == '\0'; });
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

  std::string ahead_;  // bytes read from the stream that are still to be taken
  ByteStream& stream_;
  MemberOutput& output_;
  Overrides next_;
  std::string last_name_;   // of the member before
  bool searching_ = false;  // for a member behind damage
  uint64_t places_damaged_ = 0;
  std::string damaged_behind_;  // the first of them
};

}  // namespace

bool is_tar_header(std::string_view block) {
  if (block.size() < kTarBlock) return false;
  uint64_t sum = 0;
  int64_t signed_sum = 0;  // as some old programs counted
  for (size_t i = 0; i < kTarBlock; ++i) {
    const char c = i >= 148 && i < 156 ? ' ' : block[i];
    sum += static_cast<unsigned char>(c);
    signed_sum += static_cast<signed char>(c);
  }
  const std::optional<uint64_t> stored = number_field(block.substr(148, 8));
  return stored && (*stored == sum || static_cast<int64_t>(*stored) == signed_sum) &&
         block[0] != '\0';
}

Status read_tar(std::string_view front, ByteStream& stream, MemberOutput& output) {
  return TarReader(front, stream, output).read();
}

}  // namespace headrace::archive
