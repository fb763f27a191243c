#include "index/vector_lists.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "base/check.h"
#include "index/vector_kernels.h"
#include "index/vector_lists_format.h"
#include "index/vectors_state.h"

namespace headrace::index {
namespace {

std::unexpected<Error> damaged(std::string_view what) {
  return fail(ErrorCode::damaged, "the vectors of a segment are damaged: " + std::string(what),
              "run verify to see what is affected");
}

std::vector<float> floats(ByteReader& in, uint64_t count) {
  const std::string_view bytes = in.bytes(count * sizeof(float));
  std::vector<float> values(bytes.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

bool all_finite(std::span<const float> values) {
  float poison = 0;
  for (const float x : values) poison += x * 0.0f;
  return poison == 0;
}

ListsTrailer read_trailer(std::string_view section) {
  ByteReader in(section.substr(section.size() - kListsTrailerBytes));
  ListsTrailer trailer;
  trailer.dimension = in.number<uint32_t>();
  trailer.count = in.number<uint32_t>();
  trailer.metric = in.number<uint8_t>();
  trailer.element = in.number<uint8_t>();
  in.number<uint16_t>();
  trailer.list_count = in.number<uint32_t>();
  trailer.basis_size = in.number<uint32_t>();
  trailer.groups = in.number<uint32_t>();
  trailer.coded = in.number<uint32_t>();
  trailer.efforts = in.number<uint32_t>();
  for (uint64_t& part : trailer.parts) part = in.number<uint64_t>();
  return trailer;
}

// Basis and centroids, with which an epoch begins.
void read_wide_parts(ByteReader& in, VectorEpoch& epoch) {
  const size_t padded = padded_length(epoch.dimension);
  const size_t stride = padded_length(epoch.basis_size);
  epoch.basis.assign(epoch.basis_size * padded, 0);
  for (uint32_t i = 0; i < epoch.basis_size; ++i) {
    const std::string_view row = in.bytes(size_t{epoch.dimension} * 4);
    std::memcpy(epoch.basis.data() + i * padded, row.data(), row.size());
  }
  epoch.centroids.assign(epoch.list_count * stride, 0);
  for (uint32_t i = 0; i < epoch.list_count; ++i) {
    const std::string_view row = in.bytes(size_t{epoch.basis_size} * 2);
    vector_kernels().f16_to_f32(reinterpret_cast<const uint16_t*>(row.data()),
                                epoch.centroids.data() + i * stride, epoch.basis_size);
  }
}

}  // namespace

VectorEpoch VectorLists::whole_epoch() const {
  VectorEpoch epoch = epoch_;
  ByteReader in(epoch_part_);
  read_wide_parts(in, epoch);
  return epoch;
}

Result<std::unique_ptr<VectorLists>> VectorLists::open(std::string_view section) {
  if (section.size() < kVectorsHeadBytes + kListsTrailerBytes) return damaged("too short");
  const ListsTrailer trailer = read_trailer(section);
  if (trailer.metric > 2 || trailer.element != kElementSplit || trailer.dimension == 0 ||
      trailer.dimension > kDimensionMax || trailer.count == 0 || trailer.list_count == 0 ||
      trailer.list_count > kListCountMax || trailer.basis_size == 0 ||
      trailer.basis_size > trailer.dimension || trailer.groups == 0 || trailer.groups % 2 != 0 ||
      trailer.groups > 2 * kCodePairsMax || trailer.coded > trailer.basis_size ||
      trailer.efforts == 0 || trailer.efforts > 64) {
    return damaged("its description makes no sense");
  }
  const uint64_t end = section.size() - kListsTrailerBytes;
  uint64_t before = kVectorsHeadBytes;
  for (const uint64_t part : trailer.parts) {
    if (part < before || part > end || part % kListsPartAlignment != 0) {
      return damaged("its parts do not fit together");
    }
    before = part;
  }
  if (before != end) return damaged("its parts do not fit together");
  const auto part = [&](ListsPart which) {
    const auto i = static_cast<size_t>(which);
    return section.substr(trailer.parts[i], trailer.parts[i + 1] - trailer.parts[i]);
  };
  std::unique_ptr<VectorLists> lists(new VectorLists());
  lists->metric_ = static_cast<Metric>(trailer.metric);
  lists->count_ = trailer.count;
  const bool euclidean = lists->metric_ == Metric::l2;
  const auto version = load<uint32_t>(section.data() + 4);

  VectorEpoch& epoch = lists->epoch_;
  epoch.dimension = trailer.dimension;
  epoch.basis_size = trailer.basis_size;
  epoch.list_count = trailer.list_count;
  ByteReader in(part(ListsPart::epoch));
  const uint64_t epoch_bytes =
      uint64_t{epoch.basis_size} * epoch.dimension * 4 +
      uint64_t{epoch.list_count} * epoch.basis_size * 2 + uint64_t{trailer.groups} * 2 +
      uint64_t{trailer.coded} * kCodeWords * 4 + (uint64_t{epoch.basis_size} + 1) * 8;
  if (in.left() < epoch_bytes) return damaged("its epoch is cut short");
  lists->epoch_part_ = part(ListsPart::epoch);
  read_wide_parts(in, epoch);
  uint64_t coded = 0;
  for (uint32_t g = 0; g < trailer.groups; ++g) {
    epoch.widths.push_back(in.number<uint16_t>());
    coded += epoch.widths.back();
  }
  if (coded != trailer.coded) return damaged("its groups make no sense");
  // Words may follow at an odd half: copied out, never read in place.
  epoch.codebook = floats(in, uint64_t{trailer.coded} * kCodeWords);
  epoch.spread = floats(in, uint64_t{epoch.basis_size} + 1);
  epoch.noise = floats(in, uint64_t{epoch.basis_size} + 1);
  if (in.failed() || !all_finite(epoch.basis) || !all_finite(epoch.centroids) ||
      !all_finite(epoch.codebook) || !all_finite(epoch.spread) || !all_finite(epoch.noise)) {
    return damaged("its epoch makes no sense");
  }

  ByteReader sizes(part(ListsPart::lists));
  lists->begins_.push_back(0);
  lists->block_begins_.push_back(0);
  for (uint32_t i = 0; i < trailer.list_count; ++i) {
    const uint64_t size = sizes.number<uint32_t>();
    if (size > trailer.count - lists->begins_.back()) return damaged("its lists make no sense");
    lists->begins_.push_back(lists->begins_.back() + static_cast<uint32_t>(size));
    lists->block_begins_.push_back(
        lists->block_begins_.back() +
        static_cast<uint32_t>((size + kCodesPerBlock - 1) / kCodesPerBlock));
  }
  const std::vector<float> residuals = floats(sizes, trailer.list_count);
  if (sizes.failed() || lists->begins_.back() != trailer.count || !all_finite(residuals)) {
    return damaged("its lists make no sense");
  }
  lists->bounds_ = std::make_unique<ListBounds>(epoch, lists->metric_, residuals, version);
  lists->rotation_ = std::make_unique<WholeRotation>(epoch);

  if (version >= kListsVersionResiduals) {
    lists->centroids_ = epoch.centroids_in_space();
    const size_t padded = padded_length(epoch.dimension);
    for (uint32_t i = 0; i < epoch.list_count; ++i) {
      const float* const centroid = lists->centroids_.data() + i * padded;
      lists->lengths_.push_back(std::sqrt(vector_kernels().dot_f32(centroid, centroid, padded)));
    }
  }
  // A search has them in smaller forms. (Assigning braces would keep the room.)
  epoch.basis = std::vector<float>();
  epoch.centroids = std::vector<float>();

  lists->codes_ = part(ListsPart::codes);
  lists->bytes_ = part(ListsPart::bytes);
  lists->low_ = part(ListsPart::low);
  lists->rows_ = part(ListsPart::rows);
  lists->order_ = part(ListsPart::order);
  lists->head_bytes_ = bytes_row_head(euclidean, version);
  lists->bytes_stride_ = bytes_row_bytes(epoch.dimension, euclidean, version);
  lists->low_stride_ = low_row_bytes(epoch.dimension);
  const uint64_t count = trailer.count;
  if (lists->codes_.size() < uint64_t{lists->block_count()} * code_block_bytes(epoch.pairs()) ||
      lists->bytes_.size() < count * lists->bytes_stride_ ||
      lists->low_.size() < count * lists->low_stride_ + kLowPlaneSpare ||
      lists->rows_.size() < count * 4 || lists->order_.size() < count * 4) {
    return damaged("its planes are cut short");
  }
  ByteReader efforts(part(ListsPart::efforts));
  lists->efforts_.resize(kEffortDepths);
  for (EffortTable& depth : lists->efforts_) {
    depth.near_distance = efforts.number<float>();
    for (auto* const table : {&depth.near, &depth.far}) {
      for (uint32_t i = 0; i < trailer.efforts; ++i) {
        ListEffort effort;
        effort.loss = efforts.number<float>();
        effort.reach = efforts.number<float>();
        effort.margin = efforts.number<float>();
        table->push_back(effort);
      }
    }
  }
  if (efforts.failed()) return damaged("its efforts are cut short");
  return lists;
}

uint32_t VectorLists::row_ascending(uint32_t i) const {
  const auto place = load<uint32_t>(order_.data() + size_t{i} * 4);
  return place < count_ ? row(place) : UINT32_MAX;
}

std::optional<uint32_t> VectorLists::place_ascending(uint32_t i) const {
  const auto place = load<uint32_t>(order_.data() + size_t{i} * 4);
  return place < count_ ? std::optional(place) : std::nullopt;
}

std::optional<uint32_t> VectorLists::find(uint32_t wanted) const {
  if (covers_all_rows()) return wanted < count_ ? place_ascending(wanted) : std::nullopt;
  uint32_t low = 0;
  uint32_t high = count_;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (row_ascending(middle) < wanted) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == count_ || row_ascending(low) != wanted) return std::nullopt;
  return place_ascending(low);
}

void VectorLists::decode(uint32_t place, std::span<float> out) const {
  const float unit = scale(place);
  const int8_t* const bytes = high(place);
  const uint8_t* const bits = low(place);
  for (size_t i = 0; i < out.size(); ++i) {
    const size_t bit = i * 3;
    const uint32_t two = static_cast<uint32_t>(bits[bit / 8]) |
                         (static_cast<uint32_t>(bit % 8 > 5 ? bits[bit / 8 + 1] : 0) << 8);
    const auto fine = static_cast<int32_t>((two >> (bit % 8)) & 7);
    out[i] = unit * static_cast<float>(8 * bytes[i] + fine - 4);
  }
  if (lengths_.empty()) return;
  // The correction is what the rounded vector lacks along the centroid.
  const uint32_t list = list_of(place);
  const float length = lengths_[list];
  const float lacking = fine_correction(place) * unit * std::sqrt(static_cast<float>(out.size()));
  const float times = 1 + (length > 0 ? lacking / length : 0.0f);
  const std::span<const float> near = centroid(list);
  for (size_t i = 0; i < out.size(); ++i) out[i] += times * near[i];
}

ListEfforts VectorLists::efforts(double recall, size_t k) const {
  // The fewer answers, the less the last of them leaves to the first.
  const double few_answers = k < 10 ? 0.6 + 0.04 * static_cast<double>(k) : 1.0;
  const auto loss = static_cast<float>((1.0 - recall) * few_answers);
  // The entry that loses no more than allowed; in between, by the logarithm of the loss.
  const auto entry = [&](const std::vector<ListEffort>& table) {
    for (size_t i = 0; i < table.size(); ++i) {
      if (table[i].loss > loss) continue;
      if (i == 0 || table[i].loss <= 0 || loss <= 0) return table[i];
      const ListEffort& before = table[i - 1];
      const float share = std::log(before.loss / loss) / std::log(before.loss / table[i].loss);
      return ListEffort{loss, before.reach + share * (table[i].reach - before.reach),
                        before.margin + share * (table[i].margin - before.margin)};
    }
    return table.back();
  };
  const auto depth = [&](const EffortTable& table) {
    return ListEfforts{table.near_distance, entry(table.near), entry(table.far)};
  };
  const auto worse = [](const ListEffort& a, const ListEffort& b) {
    return ListEffort{a.loss, std::max(a.reach, b.reach), std::max(a.margin, b.margin)};
  };
  if (k <= 10) return depth(efforts_[0]);
  const ListEfforts many = depth(efforts_[1]);
  if (k >= 100) return many;
  const ListEfforts few = depth(efforts_[0]);
  return {std::min(few.near_distance, many.near_distance), worse(few.near, many.near),
          worse(few.far, many.far)};
}

Status VectorLists::check() const {
  uint32_t before = 0;
  for (uint32_t i = 0; i < count_; ++i) {
    const uint32_t now = row_ascending(i);
    if (now == UINT32_MAX || (i > 0 && now <= before)) return damaged("its rows are not in order");
    before = now;
    if (!(scale(i) * 0.0f == 0)) return damaged("a value is not a finite number");
  }
  return {};
}

}  // namespace headrace::index
