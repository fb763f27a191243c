// Kernels for AVX-512 with AMX: products of whole numbers on tiles, all else as with VNNI. Compiled
// with those flags: see kernel_body.h for the rules.
//
// A product of 16 bits is four of 8: with a = 256 ah + al and w = 256 wh + wl, where the lower
// bytes are not negative, a w = 2^16 ah wh + 2^8 (ah wl + al wh) + al wl. All four sums are exact,
// and so is their sum modulo 2^32, which is what the other tables give. Rows and panels therefore
// hold a plane of upper bytes and, behind it, one of lower bytes; both are laid out as those of 8
// bits.
//
// Owns: nothing; tiles are configured when a call begins and released when it ends.
#include "embed/kernels.h"

#if defined(__AMX_TILE__) && defined(__AMX_INT8__) && defined(__AVX512VNNI__)
#include "embed/kernel_avx512.h"

namespace headrace::embed {
namespace {

using Body = KernelBody<Vector>;
using Bytes = Int8Body<Vector, Body>;

constexpr size_t kTileRows = 16;
constexpr size_t kTileBytes = 64;  // of a row: so many inputs, or 16 sums
constexpr size_t kTileColumns = 16;
constexpr size_t kPanel = Body::kPanel;
static_assert(kPanel == 2 * kTileColumns);
// From one group of four inputs to the next in a panel.
constexpr size_t kPanelStride = 4 * kPanel;

struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};

  void set(int tile, size_t count) {
    row_bytes[tile] = kTileBytes;
    rows[tile] = static_cast<uint8_t>(count);
  }
  // As _tile_loadconfig(), of which g++ believes that it reads eight bytes.
  void load() const { asm volatile("ldtilecfg %0" : : "m"(*this)); }
};

// Sums as tiles leave them.
struct alignas(64) Sums {
  int32_t row[kTileRows][kTileColumns];
};

alignas(64) constexpr float kNoBias[kPanelWidthMax] = {};

// What becomes of the sums of 16 bits of up to 16 rows and 16 columns.
struct Finish {
  const float* weight_steps = nullptr;
  const float* bias = kNoBias;
  float* output = nullptr;
  size_t output_stride = 0;
  bool accumulate = false;

  // What the sums of a row are added to. Everything is added in the order of kernel_body.h: results
  // have the same bits as without tiles.
  HR_INLINE __m512 start(size_t row, __m512 of_bias) const {
    if (!accumulate) return of_bias;
    return _mm512_add_ps(_mm512_loadu_ps(output + row * output_stride), of_bias);
  }
  HR_INLINE void put(size_t row, __m512i sum, float step, __m512 value) const {
    float* const at = output + row * output_stride;
    const __m512 scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_set1_ps(step));
    _mm512_storeu_ps(at, _mm512_fmadd_ps(scaled, _mm512_loadu_ps(weight_steps), value));
  }
};

HR_INLINE void activate(Activation activation, size_t rows, float* output, size_t stride) {
  if (activation == Activation::none) return;
  if (rows == kTileRows) {
    Body::activate_rows<static_cast<int>(kTileRows)>(activation, output, stride);
    return;
  }
  for (size_t r = 0; r < rows; ++r) Body::activate_rows<1>(activation, output + r * stride, stride);
}

// --- 16 bits -----------------------------------------------------------------------------------

void quantise_words(const QuantiseWordsCall& call) {
  constexpr float kMost = kInt16InputMax;
  const size_t plane = round_up(call.depth, kTileBytes);
  for (size_t r = 0; r < call.rows; ++r) {
    const float* const row = call.input + r * call.input_stride;
    auto* const high = reinterpret_cast<int8_t*>(call.output + r * call.output_stride);
    int8_t* const low = high + plane;
    __m512 sizes = _mm512_setzero_ps();
    const auto floats = [&](size_t i) HR_INLINE_LAMBDA {
      const size_t left = call.depth - i;
      const auto mask = static_cast<__mmask16>(left >= 16 ? 0xFFFF : (1U << left) - 1);
      return _mm512_maskz_loadu_ps(mask, row + i);
    };
    for (size_t i = 0; i < call.depth; i += 16)
      sizes = _mm512_max_ps(sizes, _mm512_abs_ps(floats(i)));
    const float largest = _mm512_reduce_max_ps(sizes);
    call.steps[r] = largest / kMost;
    const __m512 inverse = _mm512_set1_ps(largest > 0 ? kMost / largest : 0.0f);
    const __m512i most = _mm512_set1_epi32(kInt16InputMax);
    const __m512i least = _mm512_set1_epi32(-kInt16InputMax);
    for (size_t i = 0; i < plane; i += 16) {
      __m512i level = _mm512_setzero_si512();
      if (i < call.depth) level = _mm512_cvtps_epi32(_mm512_mul_ps(floats(i), inverse));
      level = _mm512_min_epi32(_mm512_max_epi32(level, least), most);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(high + i),
                       _mm512_cvtepi32_epi8(_mm512_srai_epi32(level, 8)));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(low + i), _mm512_cvtepi32_epi8(level));
    }
  }
}

// The four sums of each product of a block, and what is to become of them: done row by row while
// the tiles work on the next block.
struct WordBlock {
  Sums upper, upper_lower, lower_upper, lower;
  Finish finish;
  const float* steps = nullptr;
  size_t rows = 0;
  size_t done = 0;
  bool ends_panel = false;  // the second half of a panel's columns

  HR_INLINE void go_on(size_t count) {
    const size_t end = done + count < rows ? done + count : rows;
    const __m512 bias = _mm512_loadu_ps(finish.bias);
    for (; done < end; ++done) {
      const __m512i middle = _mm512_add_epi32(_mm512_load_si512(upper_lower.row[done]),
                                              _mm512_load_si512(lower_upper.row[done]));
      __m512i sum = _mm512_slli_epi32(_mm512_load_si512(upper.row[done]), 8);
      sum = _mm512_slli_epi32(_mm512_add_epi32(sum, middle), 8);
      sum = _mm512_add_epi32(sum, _mm512_load_si512(lower.row[done]));
      finish.put(done, sum, steps[done], finish.start(done, bias));
    }
  }
  HR_INLINE void end(Activation activation) {
    if (rows == 0) return;
    go_on(rows);
    if (ends_panel) activate(activation, rows, finish.output - kTileColumns, finish.output_stride);
    rows = 0;
  }
};

void linear_int16(const LinearInt16Call& call) {
  if (call.rows == 0) return;
  const size_t plane = call.depth;
  const size_t stride = call.input_stride * sizeof(int16_t);
  const auto configure = [](size_t rows) HR_INLINE_LAMBDA {
    TileConfig config;
    for (int tile = 0; tile < 6; ++tile) config.set(tile, rows);
    config.set(6, kTileRows);
    config.set(7, kTileRows);
    config.load();
  };
  const size_t whole = call.rows / kTileRows * kTileRows;
  if (whole > 0) configure(kTileRows);
  const size_t blocks = (call.rows + kTileRows - 1) / kTileRows;
  const size_t share = (2 * plane * kPanel / blocks + 63) / 64 * 64;
  const size_t rows_a_step = (kTileRows * kTileBytes + plane - 1) / plane;
  WordBlock both[2];
  size_t turn = 0;
  for (size_t column = 0; column < call.columns; column += kPanel) {
    const auto* const panel =
        reinterpret_cast<const int8_t*>(call.panels + column / kPanel * call.panel_stride);
    const auto* const next = reinterpret_cast<const char*>(panel) + 2 * call.panel_stride;
    if (whole > 0 && whole < call.rows && column > 0) configure(kTileRows);
    for (size_t r = 0; r < call.rows; r += kTileRows) {
      const size_t rows = call.rows - r < kTileRows ? call.rows - r : kTileRows;
      if (rows < kTileRows) configure(rows);
      for (size_t at = r / kTileRows * share, end = at + share; at < end; at += 64)
        __builtin_prefetch(next + at, 0, 2);
      const auto* const a = reinterpret_cast<const int8_t*>(call.input) + r * stride;
      for (size_t half = 0; half < 2; ++half) {
        WordBlock& block = both[turn];
        turn ^= 1;
        WordBlock& before = both[turn];
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
        const int8_t* b = panel + half * kTileBytes;
        for (size_t k = 0; k < plane; k += kTileBytes, b += kTileRows * kPanelStride) {
          _tile_loadd(4, a + k, stride);
          _tile_loadd(6, b, kPanelStride);
          _tile_loadd(5, a + plane + k, stride);
          _tile_loadd(7, b + plane * kPanel, kPanelStride);
          _tile_dpbssd(0, 4, 6);
          _tile_dpbsud(1, 4, 7);
          _tile_dpbusd(2, 5, 6);
          _tile_dpbuud(3, 5, 7);
          before.go_on(rows_a_step);
        }
        _tile_stored(0, &block.upper, kTileBytes);
        _tile_stored(1, &block.upper_lower, kTileBytes);
        _tile_stored(2, &block.lower_upper, kTileBytes);
        _tile_stored(3, &block.lower, kTileBytes);
        before.end(call.activation);
        const size_t from = column + half * kTileColumns;
        block.finish = {.weight_steps = call.weight_steps + from,
                        .bias = call.bias != nullptr ? call.bias + from : kNoBias,
                        .output = call.output + r * call.output_stride + from,
                        .output_stride = call.output_stride,
                        .accumulate = call.accumulate};
        block.steps = call.steps + r;
        block.rows = rows;
        block.done = 0;
        block.ends_panel = half == 1;
      }
    }
  }
  both[turn ^ 1].end(call.activation);
  _tile_release();
}

// --- 8 bits ------------------------------------------------------------------------------------

void quantise(const QuantiseCall& call) {
  Bytes::quantise(call);
  const size_t done = round_up(call.depth, kInt8Step);
  const size_t padded = round_up(call.depth, kTileBytes);
  for (size_t r = 0; done < padded && r < call.rows; ++r) {
    uint8_t* const row = call.output + r * call.output_stride;
    for (size_t i = done; i < padded; ++i) row[i] = 0;
  }
}

// The sums of `depth` inputs from `begin`: up to two blocks of rows, a panel's columns.
HR_INLINE void multiply(const LinearInt8Call& call, size_t begin, size_t depth, size_t first_row,
                        const int8_t* panel, size_t rows, Sums* sums) {
  const uint8_t* const a = call.input + first_row * call.input_stride + begin;
  const int8_t* b = panel + begin * kPanel;
  const bool two = rows > kTileRows;
  _tile_zero(0);
  _tile_zero(1);
  if (two) {
    _tile_zero(2);
    _tile_zero(3);
  }
  for (size_t k = 0; k < depth; k += kTileBytes, b += kTileRows * kPanelStride) {
    _tile_loadd(6, b, kPanelStride);
    _tile_loadd(7, b + kTileBytes, kPanelStride);
    _tile_loadd(4, a + k, call.input_stride);
    _tile_dpbusd(0, 4, 6);
    _tile_dpbusd(1, 4, 7);
    if (two) {
      _tile_loadd(5, a + kTileRows * call.input_stride + k, call.input_stride);
      _tile_dpbusd(2, 5, 6);
      _tile_dpbusd(3, 5, 7);
    }
  }
  _tile_stored(0, &sums[0], kTileBytes);
  _tile_stored(1, &sums[1], kTileBytes);
  if (two) {
    _tile_stored(2, &sums[2], kTileBytes);
    _tile_stored(3, &sums[3], kTileBytes);
  }
}

// What the sums of a group of inputs stand for, in the order of kernel_int8.h; `weights` are the
// group's for these columns.
HR_INLINE void finish_bytes(const LinearInt8Call& call, size_t group, size_t first, size_t count,
                            size_t column, const int8_t* weights, const Sums& sums) {
  const bool accumulate = group > 0 || call.accumulate;
  const size_t place = group * call.weight_stride + column;
  const __m512 bias = _mm512_loadu_ps(call.bias != nullptr ? call.bias + column : kNoBias);
  const __m512 weight_sums = _mm512_loadu_ps(call.weight_sums + place);
  const __m512 weight_steps = _mm512_loadu_ps(call.weight_steps + place);
  const Int8Scale* const scales = call.scales + group * call.scale_stride + first;
  for (size_t i = 0; i < count; ++i) {
    const Int8Scale& scale = scales[i];
    float* const at = call.output + (first + i) * call.output_stride + column;
    const __m512 start = accumulate ? _mm512_loadu_ps(at) : bias;
    const __m512 value = _mm512_fmadd_ps(_mm512_set1_ps(scale.least), weight_sums, start);
    const __m512i pick = Vector::four_bytes(Bytes::kPick[scale.place % 4]);
    const __m512i weight = Vector::dot_four(pick, weights + scale.place / 4 * kPanelStride);
    const __m512 far = _mm512_mul_ps(_mm512_cvtepi32_ps(weight), _mm512_set1_ps(scale.beyond));
    const __m512 sum = _mm512_cvtepi32_ps(_mm512_load_si512(sums.row[i]));
    const __m512 scaled = _mm512_fmadd_ps(sum, _mm512_set1_ps(scale.step), far);
    _mm512_storeu_ps(at, _mm512_fmadd_ps(scaled, weight_steps, value));
  }
}

void linear_int8(const LinearInt8Call& call) {
  if (call.rows == 0) return;
  // Two blocks of rows at a time: sums wait for the ones before them otherwise.
  const auto configure = [](size_t rows) HR_INLINE_LAMBDA {
    const size_t first = rows < kTileRows ? rows : kTileRows;
    const size_t second = rows - first;
    TileConfig config;
    config.set(0, first);
    config.set(1, first);
    config.set(4, first);
    if (second > 0) {
      config.set(2, second);
      config.set(3, second);
      config.set(5, second);
    }
    config.set(6, kTileRows);
    config.set(7, kTileRows);
    config.load();
  };
  constexpr size_t kRows = 2 * kTileRows;
  const size_t whole = call.rows / kRows * kRows;
  if (whole > 0) configure(kRows);
  Sums sums[4];
  for (size_t column = 0; column < call.columns; column += kPanel) {
    const int8_t* const panel = call.panels + column / kPanel * call.panel_stride;
    const auto* const next = reinterpret_cast<const char*>(panel + call.panel_stride);
    const size_t blocks = (call.rows + kRows - 1) / kRows;
    const size_t share = (call.depth * kPanel / blocks + 63) / 64 * 64;
    if (whole > 0 && whole < call.rows && column > 0) configure(kRows);
    for (size_t r = 0; r < call.rows; r += kRows) {
      const size_t rows = call.rows - r < kRows ? call.rows - r : kRows;
      if (rows < kRows) configure(rows);
      for (size_t at = r / kRows * share, end = at + share; at < end; at += 64)
        __builtin_prefetch(next + at, 0, 2);
      for (size_t begin = 0, group = 0; begin < call.depth; begin += kInt8Group, ++group) {
        const size_t left = call.depth - begin;
        multiply(call, begin, left < kInt8Group ? left : kInt8Group, r, panel, rows, sums);
        for (size_t part = 0; part < (rows > kTileRows ? 4U : 2U); ++part) {
          const size_t first = r + part / 2 * kTileRows;
          const size_t from = column + part % 2 * kTileColumns;
          finish_bytes(call, group, first,
                       r + rows - first < kTileRows ? r + rows - first : kTileRows, from,
                       panel + begin * kPanel + part % 2 * kTileBytes, sums[part]);
        }
      }
      float* const output = call.output + r * call.output_stride + column;
      activate(call.activation, rows > kTileRows ? kTileRows : rows, output, call.output_stride);
      if (rows > kTileRows) {
        activate(call.activation, rows - kTileRows, output + kTileRows * call.output_stride,
                 call.output_stride);
      }
    }
  }
  _tile_release();
}

constexpr Kernels make_table() {
  Kernels table = Body::table("avx512amx");
  table.depth_step = kTileBytes;
  table.words_in_planes = true;
  table.quantise = quantise;
  table.linear_int8 = linear_int8;
  table.quantise_words = quantise_words;
  table.linear_int16 = linear_int16;
  return table;
}
constexpr Kernels kTable = make_table();

}  // namespace

const Kernels* avx512amx_kernels() {
  return &kTable;
}

}  // namespace headrace::embed

#else

namespace headrace::embed {
const Kernels* avx512amx_kernels() {
  return nullptr;
}
}  // namespace headrace::embed

#endif
