#include "archive_output.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "base/utf8.h"

namespace headrace::archive {

std::string display_name(std::string_view raw) {
  constexpr size_t kNameBytesMax = 4096;
  const std::string clean = to_valid_utf8(raw.substr(0, kNameBytesMax));
  std::string name;
  for (size_t begin = 0; begin <= clean.size();) {
    const size_t end = std::min(clean.find('/', begin), clean.size());
    const std::string_view part(clean.data() + begin, end - begin);
    begin = end + 1;
    if (part.empty() || part == "." || part == "..") continue;
    if (!name.empty()) name += '/';
    for (const char c : part) {
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
        append_code_point(kReplacementCharacter, name);
      } else {
        name += c;
      }
    }
  }
  return name.empty() ? "unnamed" : name;
}

std::string MemberOutput::unique_name(std::string_view raw) {
  const std::string name = display_name(raw);
  // The count stands with the first of a name, so that the next need not try them all again.
  uint32_t& next = seen_[hash64(name)];
  if (next == 0) {
    next = 2;
    return name;
  }
  for (;;) {
    std::string unique = name + " (" + std::to_string(next++) + ")";
    if (seen_.try_emplace(hash64(unique), 2).second) return unique;
  }
}

Status MemberOutput::tell_unpacked() {
  if (unpacked_.passed_over == 0 && unpacked_.refused == 0) return {};
  const UnpackedBytes unpacked = std::exchange(unpacked_, {});
  return call_.emit(static_cast<uint32_t>(WireFrame::unpacked), pack_unpacked(unpacked));
}

MemberOutput::Building MemberOutput::begin(std::string_view name, int64_t modified_ns,
                                           uint64_t bytes_expected) {
  Building member;
  Member header;
  header.name = name;
  header.modified_ns = modified_ns;
  member.packed_ = pack_member(header);
  member.header_bytes_ = member.packed_.size();
  // A size that the archive claims is only believed so far.
  constexpr uint64_t kBelieved = 8ULL << 20;
  member.packed_.reserve(member.header_bytes_ + std::min(bytes_expected, kBelieved));
  return member;
}

Status MemberOutput::send(Building&& member) {
  return call_.emit(static_cast<uint32_t>(WireFrame::member), member.packed_);
}

Status MemberOutput::problem(std::string_view name, Error error) {
  HR_TRY(tell_unpacked());
  const MemberProblem problem{std::string(name), std::move(error)};
  return call_.emit(static_cast<uint32_t>(WireFrame::problem), pack_problem(problem));
}

Status MemberOutput::too_large(std::string_view name) {
  return problem(name, Error(ErrorCode::too_large,
                             "it is larger than the limit of " +
                                 std::to_string(request_.member_bytes_max >> 20) + " MiB",
                             "unpack it and split it"));
}

}  // namespace headrace::archive
