// A zip archive without its directory, read from the front: see archive_zip.h.
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "archive_zip.h"

namespace headrace::archive {
namespace {

constexpr size_t kLocalHeaderBytes = 30;
constexpr std::string_view kLocalMagic("PK\x03\x04", 4);
constexpr uint16_t kStored = 0, kDeflated = 8;
constexpr uint16_t kEncryptedFlag = 1, kSizesFollowFlag = 8;

uint16_t u16(std::string_view bytes, size_t at) {
  uint16_t value = 0;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}
uint32_t u32(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

enum class Inflated { whole, cut_off, damaged, too_large, bomb };

// Raw deflate data from the front of `bytes`; `used` says how long it was.
Inflated inflate_front(std::string_view bytes, uint64_t size_max, const ExpansionGuard& guard,
                       MemberOutput::Building& member, size_t& used) {
  z_stream state = {};
  if (inflateInit2(&state, -15) != Z_OK) return Inflated::damaged;
  constexpr size_t kStep = 256 << 10;
  Inflated result = Inflated::cut_off;
  std::string_view left = bytes;
  for (;;) {
    const size_t at = member.bytes().size();
    member.bytes().resize(at + kStep);
    state.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(left.data()));
    state.avail_in = static_cast<uInt>(std::min<size_t>(left.size(), 1 << 30));
    const uInt in = state.avail_in;
    state.next_out = reinterpret_cast<Bytef*>(member.bytes().data() + at);
    state.avail_out = kStep;
    const int code = inflate(&state, Z_NO_FLUSH);
    left.remove_prefix(in - state.avail_in);
    member.bytes().resize(at + kStep - state.avail_out);
    if (member.size() > size_max)
      result = Inflated::too_large;
    else if (!guard.check(bytes.size() - left.size(), member.size()))
      result = Inflated::bomb;
    else if (code == Z_STREAM_END)
      result = Inflated::whole;
    else if (code != Z_OK && code != Z_BUF_ERROR)
      result = Inflated::damaged;
    else if (state.avail_out != 0 && left.empty())
      result = Inflated::cut_off;
    else
      continue;
    break;
  }
  inflateEnd(&state);
  used = bytes.size() - left.size();
  return result;
}

Error cut_off() {
  return Error(ErrorCode::damaged, "the zip archive ends too early (truncated)", "get it anew");
}

class FrontReader {
 public:
  FrontReader(std::string_view bytes, const ExpansionGuard& guard, MemberOutput& output)
      : left_(bytes), guard_(guard), output_(output) {}

  Status read() {
    while (left_.size() >= kLocalHeaderBytes && left_.starts_with(kLocalMagic)) {
      HR_ASSIGN(const bool more, take());
      if (!more) return {};
    }
    // Where the directory begins all members have been seen, even if it is itself damaged.
    if (left_.starts_with("PK\x01\x02") || left_.starts_with("PK\x05\x06")) return {};
    return output_.problem("", cut_off());
  }

 private:
  // False when what follows cannot be found (which was reported, of the archive too).
  Result<bool> take() {
    const uint16_t flags = u16(left_, 6), method = u16(left_, 8);
    const uint32_t checksum = u32(left_, 14), packed_size = u32(left_, 18), size = u32(left_, 22);
    const size_t header = kLocalHeaderBytes + u16(left_, 26) + u16(left_, 28);
    if (header > left_.size()) return stop("", cut_off());
    const std::string_view raw_name = left_.substr(kLocalHeaderBytes, u16(left_, 26));
    const bool folder = raw_name.ends_with('/');
    const std::string name = folder ? std::string() : output_.unique_name(raw_name);
    const bool size_known = (flags & kSizesFollowFlag) == 0;
    const std::string_view data = left_.substr(header);
    if (size_known && packed_size > data.size()) return stop(name, cut_off());
    if ((flags & kEncryptedFlag) != 0 || (method != kStored && method != kDeflated)) {
      const bool encrypted = (flags & kEncryptedFlag) != 0;
      HR_TRY(
          output_.problem(name, Error(encrypted ? ErrorCode::encrypted : ErrorCode::unsupported,
                                      encrypted ? "it is encrypted and needs a password"
                                                : "it is compressed in a way that is not supported",
                                      "unpack the archive yourself")));
      return size_known ? go_on(header + packed_size) : stop("", cut_off());
    }
    if (method == kStored) {
      if (!size_known) return stop(name, cut_off());
      if (!folder) HR_TRY(take_stored(name, data.substr(0, packed_size), checksum));
      return go_on(header + packed_size);
    }
    return take_deflated(name, data.substr(0, size_known ? packed_size : data.size()), header,
                         size_known, checksum, size);
  }

  Status take_stored(const std::string& name, std::string_view data, uint32_t checksum) {
    if (data.size() > output_.member_bytes_max()) return output_.too_large(name);
    auto member = output_.begin(name, 0, data.size());
    member.bytes() += data;
    return send_checked(name, std::move(member), checksum);
  }

  Result<bool> take_deflated(const std::string& name, std::string_view data, size_t header,
                             bool size_known, uint32_t checksum, uint32_t size) {
    auto member = output_.begin(name, 0, size);
    size_t used = 0;
    const Inflated inflated = inflate_front(data, output_.member_bytes_max(), guard_, member, used);
    if (inflated != Inflated::whole) output_.refused(member.size());
    switch (inflated) {
      case Inflated::whole:
        break;
      case Inflated::cut_off:
        return stop(name, cut_off());
      case Inflated::bomb:
        return stop(name, Error(ErrorCode::too_large, "it is a decompression bomb"));
      case Inflated::too_large:
        HR_TRY(output_.too_large(name));
        return size_known ? go_on(header + data.size()) : stop("", cut_off());
      case Inflated::damaged:
        HR_TRY(output_.problem(
            name, Error(ErrorCode::damaged, "its data is damaged", "get the archive anew")));
        return size_known ? go_on(header + data.size()) : stop("", cut_off());
    }
    size_t next = header + used;
    if (!size_known) {
      // Checksum and sizes follow, with or without a mark before them.
      std::string_view rest = left_.substr(next);
      const size_t mark = rest.starts_with(std::string_view("PK\x07\x08", 4)) ? 4 : 0;
      if (rest.size() < mark + 12) return stop(name, cut_off());
      checksum = u32(rest, mark);
      next += mark + 12;
    }
    HR_TRY(send_checked(name, std::move(member), checksum));
    return go_on(next);
  }

  Status send_checked(const std::string& name, MemberOutput::Building&& member, uint32_t checksum) {
    const std::string_view bytes = std::string_view(member.bytes()).substr(member.header_bytes());
    const uLong sum = crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
    if (sum != checksum) {
      output_.refused(member.size());
      return output_.problem(name,
                             Error(ErrorCode::damaged, "its checksum in the zip archive is wrong",
                                   "get the archive anew"));
    }
    return output_.send(std::move(member));
  }

  bool go_on(size_t bytes) {
    left_.remove_prefix(std::min(bytes, left_.size()));
    return true;
  }
  Result<bool> stop(std::string_view name, Error error) {
    HR_TRY(output_.problem(name, std::move(error)));
    // The member is one loss, all that may have followed it another.
    if (!name.empty()) HR_TRY(output_.problem("", cut_off()));
    return false;
  }

  std::string_view left_;
  const ExpansionGuard& guard_;
  MemberOutput& output_;
};

}  // namespace

Status read_zip_from_front(std::string_view bytes, const ExpansionGuard& guard,
                           MemberOutput& output) {
  if (!bytes.starts_with(kLocalMagic))
    return fail(ErrorCode::damaged, "the zip archive is damaged: it has no directory",
                "get it anew");
  return FrontReader(bytes, guard, output).read();
}

}  // namespace headrace::archive
