#include "index/vectors.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "base/check.h"
#include "index/vector_kernels.h"
#include "index/vector_precision.h"
#include "index/vectors_state.h"

namespace headrace::index {
namespace {

// Vectors of a merge between two looks at its pages, each of which may bring a page of its own.
constexpr uint64_t kReadsInSight = 4096;

std::unexpected<Error> damaged(std::string_view what) {
  return fail(ErrorCode::damaged, "the vectors of a segment are damaged: " + std::string(what),
              "run verify to see what is affected");
}

}  // namespace

Result<Metric> parse_metric(std::string_view name) {
  if (name == "cosine") return Metric::cosine;
  if (name == "ip" || name == "dot") return Metric::ip;
  if (name == "l2" || name == "euclidean") return Metric::l2;
  return fail(ErrorCode::invalid_argument, "unknown metric '" + std::string(name) + "'",
              "use cosine, ip or l2");
}

std::string_view metric_name(Metric metric) {
  switch (metric) {
    case Metric::cosine:
      return "cosine";
    case Metric::ip:
      return "ip";
    case Metric::l2:
      return "l2";
  }
  return "cosine";
}

Status check_vectors(std::span<const float> vectors, uint32_t dimension, Metric metric) {
  if (dimension == 0 || dimension > kDimensionMax) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("vectors cannot have {} dimensions", dimension),
                fmt::format("use 1 to {}", kDimensionMax));
  }
  if (vectors.size() % dimension != 0) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} values are not a whole number of vectors of dimension {}",
                            vectors.size(), dimension),
                "check the shape of the array");
  }
  for (size_t row = 0; row < vectors.size() / dimension; ++row) {
    const auto vector = vectors.subspan(row * dimension, dimension);
    const uint32_t greatest = vector_kernels().greatest_bits(vector.data(), vector.size());
    if (greatest >= 0x7F800000) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("vector {} holds a value that is not a finite number", row),
                  "remove NaN and infinite values");
    }
    if (metric == Metric::cosine && greatest == 0) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("vector {} is zero and has no direction for the cosine metric", row),
                  "leave such vectors out, or use the metric ip or l2");
    }
  }
  return {};
}

struct VectorSetBuilder::State {
  uint32_t dimension = 0;
  Metric metric = Metric::cosine;
  Element element = Element::f32;
  bool is_chosen = false;  // the element, but for vectors that do not fit
  std::vector<uint32_t> rows;
  std::vector<uint16_t> halves;
  std::vector<float> floats;
  std::vector<float> unit;
  std::vector<float> back;
  std::vector<uint16_t> rounded;

  // Once there are enough rows to tell.
  void choose_element() {
    for (size_t at = 0; at < floats.size(); at += dimension) {
      if (!fits_f16(std::span(floats).subspan(at, dimension), rounded, back)) return;
    }
    const bool apart = tells_rows_apart(dimension, [&](size_t i, std::span<float> out) {
      std::copy_n(floats.data() + i * dimension, dimension, out.data());
    });
    if (!apart) return;
    halves.resize(floats.size());
    vector_kernels().f32_to_f16(floats.data(), halves.data(), floats.size());
    floats = std::vector<float>();
    element = Element::f16;
  }
  void widen() {
    floats.resize(halves.size());
    vector_kernels().f16_to_f32(halves.data(), floats.data(), halves.size());
    halves = std::vector<uint16_t>();
    element = Element::f32;
  }
};

VectorSetBuilder::VectorSetBuilder(uint32_t dimension, Metric metric)
    : state_(std::make_unique<State>()) {
  HR_CHECK(dimension > 0 && dimension <= kDimensionMax, "the dimension is out of range");
  state_->dimension = dimension;
  state_->metric = metric;
  state_->unit.resize(dimension);
  state_->back.resize(dimension);
  state_->rounded.resize(dimension);
}
VectorSetBuilder::~VectorSetBuilder() = default;
VectorSetBuilder::VectorSetBuilder(VectorSetBuilder&&) noexcept = default;

void VectorSetBuilder::expect(size_t count, bool as_f16) {
  State& state = *state_;
  HR_CHECK(state.rows.empty(), "what is expected is said first");
  state.is_chosen = true;
  state.rows.reserve(count);
  if (as_f16) {
    state.element = Element::f16;
    state.halves.reserve(count * state.dimension);
  } else {
    state.floats.reserve(count * state.dimension);
  }
}

void VectorSetBuilder::add(uint32_t row, std::span<const float> vector) {
  State& state = *state_;
  HR_CHECK(vector.size() == state.dimension, "a vector has the wrong dimension");
  HR_CHECK(state.rows.empty() || row > state.rows.back(), "rows must be added in ascending order");
  if (state.metric == Metric::cosine) {
    vector = at_unit_length(vector, state.unit);
  }
  const bool narrow = state.element == Element::f16;
  const bool undecided = !state.is_chosen && state.rows.size() < kPrecisionSample;
  if (narrow && !fits_f16(vector, state.rounded, state.back)) state.widen();
  state.rows.push_back(row);
  if (state.element == Element::f16) {
    state.halves.insert(state.halves.end(), state.rounded.begin(), state.rounded.end());
    return;
  }
  state.floats.insert(state.floats.end(), vector.begin(), vector.end());
  if (undecided && state.rows.size() == kPrecisionSample) state.choose_element();
}

uint64_t VectorSetBuilder::memory_bytes() const {
  const State& state = *state_;
  return state.rows.capacity() * sizeof(uint32_t) + state.halves.capacity() * sizeof(uint16_t) +
         state.floats.capacity() * sizeof(float);
}

uint32_t VectorSetBuilder::count() const {
  return static_cast<uint32_t>(state_->rows.size());
}

namespace {

struct Layout {
  uint32_t dimension = 0;
  Metric metric = Metric::cosine;
  Element element = Element::f16;
};

Status write_head(SectionSink& out) {
  std::string head;
  put(head, kVectorsMagic);
  put(head, kVectorsVersion);
  head.resize(kVectorsHeadBytes);
  return out.append(head);
}

Status write_tail(SectionSink& out, const Layout& layout, std::span<const uint32_t> rows) {
  const bool listed =
      !rows.empty() && rows.back() - rows.front() != static_cast<uint32_t>(rows.size() - 1);
  if (listed) {
    HR_TRY(out.append({reinterpret_cast<const char*>(rows.data()), rows.size_bytes()}));
  }
  const uint64_t element_bytes = layout.element == Element::f16 ? 2 : 4;
  std::string trailer;
  put(trailer, layout.dimension);
  put(trailer, static_cast<uint32_t>(rows.size()));
  trailer += static_cast<char>(layout.metric);
  trailer += static_cast<char>(layout.element);
  trailer += static_cast<char>(listed ? 1 : 0);
  trailer += '\0';
  put(trailer, listed || rows.empty() ? uint32_t{0} : rows.front());
  put(trailer, uint64_t{kVectorsHeadBytes});
  put(trailer, kVectorsHeadBytes + rows.size() * layout.dimension * element_bytes);
  trailer.resize(52);
  put(trailer, uint32_t{0});
  put(trailer, kVectorsVersion);
  put(trailer, kVectorsMagic);
  return out.append(trailer);
}

}  // namespace

Status VectorSetBuilder::finish(SectionSink& out) {
  const State& state = *state_;
  HR_TRY(write_head(out));
  if (state.element == Element::f16) {
    HR_TRY(out.append({reinterpret_cast<const char*>(state.halves.data()),
                       state.halves.size() * sizeof(uint16_t)}));
  } else {
    HR_TRY(out.append(
        {reinterpret_cast<const char*>(state.floats.data()), state.floats.size() * sizeof(float)}));
  }
  return write_tail(out, {state.dimension, state.metric, state.element}, state.rows);
}

VectorSet::VectorSet(std::unique_ptr<State> state) : state_(std::move(state)) {}
VectorSet::~VectorSet() = default;
VectorSet::VectorSet(VectorSet&&) noexcept = default;
VectorSet& VectorSet::operator=(VectorSet&&) noexcept = default;

Result<VectorSet> VectorSet::open_lists(std::string_view section) {
  ByteReader end(section.substr(section.size() - 12));
  const auto features = end.number<uint32_t>();
  const auto version = end.number<uint32_t>();
  if (end.number<uint32_t>() != kVectorsMagic) return damaged("no trailer");
  if (version < kListsVersionOldest || version > kListsVersion || features != 0) {
    return fail(ErrorCode::unsupported, "the vectors of a segment were written by a newer version",
                "open it with that version of headrace");
  }
  auto state = std::make_unique<State>();
  HR_ASSIGN(state->lists, VectorLists::open(section));
  state->dimension = state->lists->dimension();
  state->count = state->lists->count();
  state->metric = state->lists->metric();
  return VectorSet(std::move(state));
}

Result<VectorSet> VectorSet::open(std::string_view section) {
  if (section.size() < kVectorsHeadBytes + kVectorsTrailerBytes) return damaged("too short");
  if (load<uint32_t>(section.data()) != kVectorsMagic) return damaged("no head");
  if (load<uint32_t>(section.data() + 4) >= kListsVersionOldest) return open_lists(section);
  ByteReader trailer(section.substr(section.size() - kVectorsTrailerBytes));
  auto state = std::make_unique<State>();
  state->dimension = trailer.number<uint32_t>();
  state->count = trailer.number<uint32_t>();
  const auto metric = trailer.number<uint8_t>();
  const auto element = trailer.number<uint8_t>();
  const auto row_kind = trailer.number<uint8_t>();
  trailer.number<uint8_t>();
  state->first_row = trailer.number<uint32_t>();
  const auto vectors_offset = trailer.number<uint64_t>();
  const auto rows_offset = trailer.number<uint64_t>();
  trailer.bytes(20);
  const auto features = trailer.number<uint32_t>();
  const auto version = trailer.number<uint32_t>();
  if (trailer.number<uint32_t>() != kVectorsMagic) return damaged("no trailer");
  if (version != kVectorsVersion || features != 0) {
    return fail(ErrorCode::unsupported, "the vectors of a segment were written by a newer version",
                "open it with that version of headrace");
  }
  if (metric > 2 || element > 1 || row_kind > 1 || state->dimension == 0 ||
      state->dimension > kDimensionMax) {
    return damaged("its description makes no sense");
  }
  state->metric = static_cast<Metric>(metric);
  state->element = static_cast<Element>(element);
  state->rows_listed = row_kind == 1;
  const uint64_t end = section.size() - kVectorsTrailerBytes;
  const uint64_t vectors_bytes = uint64_t{state->count} * state->stride();
  const uint64_t rows_bytes = state->rows_listed ? uint64_t{state->count} * 4 : 0;
  if (vectors_offset != kVectorsHeadBytes || rows_offset > end ||
      rows_offset - vectors_offset != vectors_bytes || end - rows_offset != rows_bytes) {
    return damaged("its parts do not fit together");
  }
  if (!state->rows_listed && uint64_t{state->first_row} + state->count > UINT32_MAX) {
    return damaged("its rows make no sense");
  }
  state->vectors = section.substr(vectors_offset, vectors_bytes);
  state->rows = section.substr(rows_offset, rows_bytes);
  return VectorSet(std::move(state));
}

uint32_t VectorSet::dimension() const {
  return state_->dimension;
}
Metric VectorSet::metric() const {
  return state_->metric;
}
uint32_t VectorSet::count() const {
  return state_->count;
}
uint32_t VectorSet::row_at(uint32_t i) const {
  return state_->row_at(i);
}

std::optional<uint32_t> VectorSet::State::find(uint32_t row) const {
  if (lists) return lists->find(row);
  if (!rows_listed) {
    return row >= first_row && row - first_row < count ? std::optional(row - first_row)
                                                       : std::nullopt;
  }
  uint32_t low = 0;
  uint32_t high = count;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (row_at(middle) < row) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < count && row_at(low) == row ? std::optional(low) : std::nullopt;
}

bool VectorSet::covers(uint32_t row) const {
  return state_->find(row).has_value();
}

bool VectorSet::wants_lists() const {
  return !state_->lists && state_->count >= kListedVectorsMin;
}

void VectorSet::State::decode(uint32_t i, std::span<float> out) const {
  if (lists) {
    lists->decode(i, out);
  } else if (element == Element::f16) {
    vector_kernels().f16_to_f32(reinterpret_cast<const uint16_t*>(at(i)), out.data(), out.size());
  } else {
    std::memcpy(out.data(), at(i), stride());
  }
}

bool VectorSet::vector(uint32_t row, std::span<float> out) const {
  const auto i = state_->find(row);
  if (!i) return false;
  HR_CHECK(out.size() == state_->dimension, "the vector has another dimension");
  state_->decode(*i, out);
  return true;
}

Status VectorSet::check() const {
  if (state_->lists) HR_TRY(state_->lists->check());
  for (uint32_t i = 1; state_->rows_listed && i < state_->count; ++i) {
    if (row_at(i) <= row_at(i - 1)) return damaged("its rows are not in order");
  }
  std::vector<float> values(state_->dimension);
  for (uint32_t i = 0; i < state_->count; ++i) {
    if (!vector(row_at(i), values)) return damaged("a row's vector is missing");
    float poison = 0;
    for (const float x : values) poison += x * 0.0f;
    if (!(poison == 0)) return damaged("a value is not a finite number");
  }
  return {};
}

namespace {

// A vector that goes into the result of a merge.
struct MergedVector {
  uint32_t row;
  uint32_t input;
  uint32_t i;  // in the order of storage
};

Result<std::vector<MergedVector>> place_merged(std::span<const MergeInput<VectorSet>> inputs,
                                               const Layout& layout) {
  std::vector<MergedVector> places;
  for (uint32_t input = 0; input < inputs.size(); ++input) {
    const VectorSet::State& set = inputs[input].part->state();
    if (set.dimension != layout.dimension || set.metric != layout.metric) {
      return fail(ErrorCode::internal, "vectors of different spaces cannot be merged");
    }
    for (uint32_t i = 0; i < set.count; ++i) {
      const uint32_t row = set.lists ? set.lists->row(i) : set.row_at(i);
      if (row >= inputs[input].row_map.size()) return damaged("it has more rows than its segment");
      const uint32_t target = inputs[input].row_map[row];
      if (target != kDroppedRow) places.push_back({target, input, i});
    }
  }
  std::ranges::sort(places, [](const MergedVector& a, const MergedVector& b) {
    return std::tie(a.row, b.input) < std::tie(b.row, a.input);  // later inputs first
  });
  const auto repeated = std::ranges::unique(places, {}, &MergedVector::row);
  places.erase(repeated.begin(), repeated.end());
  return places;
}

// As what the result is written: in binary16 where that loses nothing, or all came in it.
Element merged_element(std::span<const MergeInput<VectorSet>> inputs,
                       std::span<const MergedVector> places, uint32_t dimension) {
  const auto state_of = [&](const MergedVector& place) -> const VectorSet::State& {
    return inputs[place.input].part->state();
  };
  const auto is_half = [&](const MergedVector& place) {
    return !state_of(place).lists && state_of(place).element == Element::f16;
  };
  if (std::ranges::all_of(places, is_half)) return Element::f16;
  if (places.size() < kPrecisionSample) return Element::f32;
  const bool apart = tells_rows_apart(dimension, [&](size_t i, std::span<float> out) {
    const MergedVector& place = places[i * places.size() / kPrecisionSample];
    state_of(place).decode(place.i, out);
  });
  if (!apart) return Element::f32;
  std::vector<float> wide(dimension);
  std::vector<float> back(dimension);
  std::vector<uint16_t> halves(dimension);
  for (const MergedVector& place : places) {
    if (is_half(place)) continue;
    state_of(place).decode(place.i, wide);
    if (!fits_f16(wide, halves, back)) return Element::f32;
  }
  return Element::f16;
}

// The epoch of the largest input that has one.
std::optional<VectorEpoch> epoch_before(std::span<const MergeInput<VectorSet>> inputs) {
  const VectorLists* largest = nullptr;
  for (const MergeInput<VectorSet>& input : inputs) {
    const VectorLists* const lists = input.part->state().lists.get();
    if (lists != nullptr && (largest == nullptr || lists->count() > largest->count())) {
      largest = lists;
    }
  }
  if (largest == nullptr) return std::nullopt;
  return largest->whole_epoch();
}

}  // namespace

Status merge_vectors(std::span<const MergeInput<VectorSet>> inputs,
                     const VectorMergeOptions& options, SectionSink& out) {
  if (inputs.empty()) {
    return fail(ErrorCode::internal, "a merge of vectors needs at least one input");
  }
  Layout layout = {inputs[0].part->dimension(), inputs[0].part->metric(), Element::f32};
  HR_ASSIGN(const std::vector<MergedVector> places, place_merged(inputs, layout));
  std::vector<uint32_t> rows;
  rows.reserve(places.size());
  for (const MergedVector& place : places) rows.push_back(place.row);
  if (options.lists && places.size() >= kListedVectorsMin) {
    std::atomic<uint64_t> reads = 0;
    const VectorSource source = [&](size_t i, std::span<float> vector) {
      if (options.let_go &&
          (reads.fetch_add(1, std::memory_order_relaxed) + 1) % kReadsInSight == 0)
        options.let_go();
      inputs[places[i].input].part->state().decode(places[i].i, vector);
    };
    const std::optional<VectorEpoch> before = epoch_before(inputs);
    HR_ASSIGN(const bool written, write_vector_lists(out, layout.dimension, layout.metric, rows,
                                                     source, before ? &*before : nullptr,
                                                     options.cancelled, options.list_memory_bytes));
    if (written) return {};
  }
  layout.element = merged_element(inputs, places, layout.dimension);
  HR_TRY(write_head(out));
  std::vector<float> wide(layout.dimension);
  std::vector<uint16_t> halves(layout.dimension);
  std::string buffer;
  for (const MergedVector& place : places) {
    const VectorSet::State& set = inputs[place.input].part->state();
    if (!set.lists && set.element == layout.element) {
      buffer.append(set.at(place.i), set.stride());
    } else {
      set.decode(place.i, wide);
      if (layout.element == Element::f16) {
        vector_kernels().f32_to_f16(wide.data(), halves.data(), wide.size());
        buffer.append(reinterpret_cast<const char*>(halves.data()), halves.size() * 2);
      } else {
        buffer.append(reinterpret_cast<const char*>(wide.data()), wide.size() * sizeof(float));
      }
    }
    if (buffer.size() > (1 << 20)) {
      HR_TRY(out.append(buffer));
      buffer.clear();
    }
  }
  HR_TRY(out.append(buffer));
  return write_tail(out, layout, rows);
}

}  // namespace headrace::index
