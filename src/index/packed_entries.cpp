#include "index/packed_entries.h"

#include <algorithm>
#include <bit>
#include <string>

#include "base/hash.h"

namespace headrace::index {
namespace {

constexpr uint32_t kMagic = 0x4B505248;  // "HRPK"
constexpr uint32_t kVersion = 1;
// A block: checksum u32, bits of an entry u16, then for each field its line and where its bits are.
constexpr size_t kBlockHeadBytes = 6;
constexpr size_t kFieldHeadBytes = 19;  // base u64, step u64, first bit u16, bits u8
constexpr size_t kTrailerBytes = 32;
// Any number is read by two loads.
constexpr size_t kSpareBytes = 16;

std::unexpected<Error> damaged() {
  return fail(ErrorCode::damaged, "a packed table is malformed");
}

// A field of a block: value i = base + step · i + what its bits hold.
struct Line {
  uint64_t base = 0;
  uint64_t step = 0;
  uint32_t bits = 64;
};

Line line_with(std::span<const uint64_t> values, size_t fields, size_t count, uint64_t step) {
  // Differences to the first value, as signed numbers: what they span is what must be stored.
  int64_t least = 0;
  int64_t most = 0;
  for (size_t i = 0; i < count; ++i) {
    const auto off = static_cast<int64_t>(values[i * fields] - values[0] - step * i);
    least = std::min(least, off);
    most = std::max(most, off);
  }
  const uint64_t span = static_cast<uint64_t>(most) - static_cast<uint64_t>(least);
  const auto bits = static_cast<uint32_t>(std::bit_width(span));
  if (bits > 56) return {};
  return {values[0] + static_cast<uint64_t>(least), step, bits};
}

Line line_of(std::span<const uint64_t> values, size_t fields, size_t count) {
  Line best = line_with(values, fields, count, 0);
  if (count > 1) {
    const auto rise = static_cast<int64_t>(values[(count - 1) * fields] - values[0]);
    const auto step = static_cast<uint64_t>(rise / static_cast<int64_t>(count - 1));
    const Line sloped = line_with(values, fields, count, step);
    if (sloped.bits < best.bits) best = sloped;
  }
  return best;
}

}  // namespace

Status PackedEntriesWriter::add(std::span<const uint64_t> values) {
  pending_.insert(pending_.end(), values.begin(), values.end());
  ++count_;
  return count_ % kPackedBlockEntries == 0 ? flush() : Status{};
}

Status PackedEntriesWriter::flush() {
  const size_t count = pending_.size() / fields_;
  if (count == 0) return {};
  std::array<Line, kPackedFieldsMax> lines;
  FieldWriter head;
  uint32_t entry_bits = 0;
  for (uint32_t f = 0; f < fields_; ++f) {
    lines[f] = line_of(std::span(pending_).subspan(f), fields_, count);
    head.u64(lines[f].base);
    head.u64(lines[f].step);
    head.number(static_cast<uint16_t>(entry_bits));
    head.u8(static_cast<uint8_t>(lines[f].bits));
    entry_bits += lines[f].bits;
  }
  std::string packed((count * entry_bits + 7) / 8, '\0');
  uint64_t at = 0;
  for (size_t i = 0; i < count; ++i) {
    for (uint32_t f = 0; f < fields_; ++f) {
      const Line& line = lines[f];
      uint64_t value = pending_[i * fields_ + f] - line.base - line.step * i;
      for (uint32_t left = line.bits; left > 0;) {
        const auto shift = static_cast<uint32_t>(at % 8);
        const uint32_t some = std::min(left, 8 - shift);
        packed[at / 8] = static_cast<char>(static_cast<uint8_t>(packed[at / 8]) |
                                           static_cast<uint8_t>((value & 0xFF) << shift));
        value >>= some;
        at += some;
        left -= some;
      }
    }
  }
  FieldWriter block;
  block.number(static_cast<uint16_t>(entry_bits));
  block.raw(head.view());
  block.raw(packed);
  FieldWriter checksum;
  checksum.u32(static_cast<uint32_t>(hash64(block.view())));
  directory_.u64(written_);
  written_ += checksum.size() + block.size();
  pending_.clear();
  HR_TRY(out_.append(checksum.view()));
  return out_.append(block.view());
}

Status PackedEntriesWriter::finish() {
  HR_TRY(flush());
  FieldWriter end;
  end.bytes().resize(kSpareBytes);
  end.raw(directory_.view());
  end.u64(written_);
  end.u32(count_);
  end.u32(fields_);
  end.u64(0);
  end.u32(kVersion);
  end.u32(kMagic);
  return out_.append(end.view());
}

Result<PackedEntries> PackedEntries::open(std::string_view bytes, uint32_t fields) {
  if (bytes.size() < kSpareBytes + kTrailerBytes) return damaged();
  FieldReader trailer(bytes.substr(bytes.size() - kTrailerBytes));
  const uint64_t blocks_end = trailer.u64();
  PackedEntries table;
  table.count_ = trailer.u32();
  table.fields_ = trailer.u32();
  const uint64_t features = trailer.u64();
  const uint32_t version = trailer.u32();
  if (trailer.u32() != kMagic) return damaged();
  if (version != kVersion || features != 0) {
    return fail(ErrorCode::unsupported, "a packed table was written by a newer version",
                "use a newer Headrace");
  }
  const uint64_t blocks = (uint64_t{table.count_} + kPackedBlockEntries - 1) / kPackedBlockEntries;
  const uint64_t left = bytes.size() - kSpareBytes - kTrailerBytes;
  if (table.fields_ != fields || fields == 0 || fields > kPackedFieldsMax || blocks_end > left ||
      left - blocks_end != blocks * 8 || table.count_ >= kDroppedRow) {
    return damaged();
  }
  table.directory_ = bytes.substr(blocks_end + kSpareBytes, blocks * 8);
  table.bytes_ = bytes.substr(0, blocks_end + kSpareBytes);
  const size_t head_bytes = kBlockHeadBytes + fields * kFieldHeadBytes;
  uint64_t before = 0;
  for (uint64_t i = 0; i < blocks; ++i) {
    const auto begin = load_number<uint64_t>(table.directory_.data() + i * 8);
    if (begin != before || blocks_end - begin < head_bytes) return damaged();
    const char* const block = bytes.data() + begin;
    const uint64_t entry_bits = load_number<uint16_t>(block + 4);
    const uint64_t entries =
        std::min<uint64_t>(kPackedBlockEntries, table.count_ - i * kPackedBlockEntries);
    const uint64_t size = head_bytes + (entries * entry_bits + 7) / 8;
    if (size > blocks_end - begin) return damaged();
    for (uint32_t f = 0; f < fields; ++f) {
      const char* const head = block + kBlockHeadBytes + f * kFieldHeadBytes;
      const uint64_t bits = load_number<uint8_t>(head + 18);
      if (bits > 64 || load_number<uint16_t>(head + 16) + bits > entry_bits) return damaged();
    }
    before = begin + size;
  }
  if (before != blocks_end) return damaged();
  return table;
}

std::string_view PackedEntries::block(uint32_t number) const {
  const auto begin = load_number<uint64_t>(directory_.data() + uint64_t{number} * 8);
  const uint64_t end = (uint64_t{number} + 2) * 8 > directory_.size()
                           ? bytes_.size() - kSpareBytes
                           : load_number<uint64_t>(directory_.data() + (uint64_t{number} + 1) * 8);
  return bytes_.substr(begin, end - begin);
}

bool PackedEntries::holds(uint32_t entry) const {
  if (entry >= count_) return false;
  const std::string_view bytes = block(entry / kPackedBlockEntries);
  return load_number<uint32_t>(bytes.data()) == static_cast<uint32_t>(hash64(bytes.substr(4)));
}

uint64_t PackedEntries::get(uint32_t entry, uint32_t field) const {
  if (entry >= count_) return 0;
  const char* const bytes =
      bytes_.data() +
      load_number<uint64_t>(directory_.data() + uint64_t{entry / kPackedBlockEntries} * 8);
  const uint64_t i = entry % kPackedBlockEntries;
  const char* const head = bytes + kBlockHeadBytes + field * kFieldHeadBytes;
  const uint64_t line = load_number<uint64_t>(head) + load_number<uint64_t>(head + 8) * i;
  const uint32_t bits = load_number<uint8_t>(head + 18);
  if (bits == 0) return line;
  const uint64_t at = i * load_number<uint16_t>(bytes + 4) + load_number<uint16_t>(head + 16);
  const char* const from = bytes + kBlockHeadBytes + fields_ * kFieldHeadBytes + at / 8;
  const auto shift = static_cast<uint32_t>(at % 8);
  uint64_t value = load_number<uint64_t>(from) >> shift;
  if (shift + bits > 64) value |= load_number<uint64_t>(from + 8) << (64 - shift);
  if (bits < 64) value &= (uint64_t{1} << bits) - 1;
  return line + value;
}

}  // namespace headrace::index
