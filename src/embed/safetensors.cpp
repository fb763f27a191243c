#include "embed/safetensors.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <simdjson.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "base/check.h"
#include "embed/kernels.h"

namespace headrace::embed {
namespace {

constexpr uint64_t kHeaderBytesMax = 100'000'000;  // the format's own limit
constexpr size_t kDimensionsMax = 16;

struct TypeRow {
  std::string_view name;
  uint64_t bits;
  TensorType type;
};
constexpr TypeRow kTypes[] = {
    {"F32", 32, TensorType::f32},      {"F16", 16, TensorType::f16},
    {"BF16", 16, TensorType::bf16},    {"F64", 64, TensorType::other},
    {"I64", 64, TensorType::other},    {"U64", 64, TensorType::other},
    {"I32", 32, TensorType::other},    {"U32", 32, TensorType::other},
    {"I16", 16, TensorType::other},    {"U16", 16, TensorType::other},
    {"I8", 8, TensorType::other},      {"U8", 8, TensorType::other},
    {"BOOL", 8, TensorType::other},    {"F8_E4M3", 8, TensorType::other},
    {"F8_E5M2", 8, TensorType::other}, {"F8_E8M0", 8, TensorType::other},
    {"C64", 64, TensorType::other},    {"F4", 4, TensorType::other},
};

std::unexpected<Error> damaged(std::string_view file, std::string_view what) {
  return fail(ErrorCode::damaged, fmt::format("{}: {}", file, what),
              "download or copy the model again");
}

std::unexpected<Error> damaged_tensor(std::string_view file, std::string_view tensor,
                                      std::string_view what) {
  return damaged(file, fmt::format("tensor \"{}\": {}", tensor.substr(0, 200), what));
}

// Names in messages come from the file: they are quoted only in part, see damaged_tensor().
Result<Tensor> parse_tensor(std::string_view file, std::string_view name,
                            simdjson::dom::element value, uint64_t data_begin,
                            uint64_t data_bytes) {
  Tensor tensor;
  std::string_view type_name;
  if (value["dtype"].get(type_name) != simdjson::SUCCESS)
    return damaged_tensor(file, name, "has no dtype");
  const auto* row = std::ranges::find(kTypes, type_name, &TypeRow::name);
  if (row == std::end(kTypes)) {
    return damaged_tensor(file, name,
                          fmt::format("has the unknown dtype \"{}\"", type_name.substr(0, 40)));
  }
  tensor.type = row->type;
  tensor.type_name = type_name;
  simdjson::dom::array shape;
  if (value["shape"].get(shape) != simdjson::SUCCESS)
    return damaged_tensor(file, name, "has no shape");
  uint64_t count = 1;
  for (const simdjson::dom::element dimension : shape) {
    uint64_t size = 0;
    if (dimension.get(size) != simdjson::SUCCESS)
      return damaged_tensor(file, name, "has a dimension that is not a whole number");
    if (tensor.shape.size() == kDimensionsMax)
      return damaged_tensor(file, name, "has too many dimensions");
    tensor.shape.push_back(size);
    if (__builtin_mul_overflow(count, size, &count))
      return damaged_tensor(file, name, "has a shape beyond 2^64 elements");
  }
  simdjson::dom::array offsets;
  uint64_t begin = 0;
  uint64_t end = 0;
  if (value["data_offsets"].get(offsets) != simdjson::SUCCESS || offsets.size() != 2 ||
      offsets.at(0).get(begin) != simdjson::SUCCESS || offsets.at(1).get(end) != simdjson::SUCCESS)
    return damaged_tensor(file, name, "has no pair of data_offsets");
  if (begin > end || end > data_bytes) {
    return damaged_tensor(file, name,
                          fmt::format("lies at bytes {} to {} of {} bytes of data: the file is cut "
                                      "short or its header is wrong",
                                      begin, end, data_bytes));
  }
  uint64_t bits = 0;
  if (__builtin_mul_overflow(count, row->bits, &bits) || bits % 8 != 0 || bits / 8 != end - begin) {
    return damaged_tensor(file, name,
                          fmt::format("has {} bytes of data, but {} [{}] does not take that many",
                                      end - begin, type_name, fmt::join(tensor.shape, ", ")));
  }
  tensor.begin = data_begin + begin;
  tensor.end = data_begin + end;
  return tensor;
}

// Tensors must lie one after the other and fill the file: anything else is damage or a trick.
Status check_layout(std::string_view file, const TensorMap& tensors, uint64_t data_begin,
                    uint64_t file_bytes) {
  std::vector<std::pair<const Tensor*, std::string_view>> order;
  order.reserve(tensors.size());
  for (const auto& [name, tensor] : tensors) order.emplace_back(&tensor, name);
  std::ranges::sort(
      order, {}, [](const auto& entry) { return std::pair(entry.first->begin, entry.first->end); });
  uint64_t place = data_begin;
  for (const auto& [tensor, name] : order) {
    if (tensor->begin < place) return damaged_tensor(file, name, "overlaps the tensor before it");
    if (tensor->begin > place)
      return damaged_tensor(file, name, "leaves a hole of unused bytes before it");
    place = tensor->end;
  }
  if (place != file_bytes) {
    return damaged(file, fmt::format("{} bytes follow the last tensor", file_bytes - place));
  }
  return {};
}

float from_bfloat(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

// Widens `count` elements to floats; false when one is not finite.
bool widen_piece(TensorType type, const char* bytes, size_t count, float* out) {
  if (type == TensorType::f32) {
    std::memcpy(out, bytes, count * sizeof(float));
  } else {
    for (size_t i = 0; i < count; ++i) {
      uint16_t bits = 0;
      std::memcpy(&bits, bytes + 2 * i, 2);
      out[i] = type == TensorType::f16 ? from_half(bits) : from_bfloat(bits);
    }
  }
  // x - x is 0 for finite x and NaN otherwise; exponents all ones are found without branches.
  uint32_t worst = 0;
  for (size_t i = 0; i < count; ++i) {
    worst = std::max(worst, std::bit_cast<uint32_t>(out[i]) & 0x7f800000u);
  }
  return worst != 0x7f800000u;
}

}  // namespace

uint64_t Tensor::count() const {
  uint64_t product = 1;
  for (const uint64_t size : shape) product *= size;
  return product;
}

Result<TensorMap> parse_safetensors_header(std::string_view json, uint64_t file_bytes,
                                           std::string_view file) {
  const uint64_t data_begin = 8 + json.size();
  HR_CHECK(data_begin <= file_bytes, "the caller has the whole header");
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  const simdjson::padded_string padded(json);
  if (const auto error = parser.parse(padded).get(object); error != simdjson::SUCCESS) {
    return damaged(file, fmt::format("the safetensors header is not a JSON object ({})",
                                     simdjson::error_message(error)));
  }
  TensorMap tensors;
  for (const auto field : object) {
    if (field.key == "__metadata__") continue;
    HR_ASSIGN(Tensor tensor,
              parse_tensor(file, field.key, field.value, data_begin, file_bytes - data_begin));
    if (!tensors.emplace(std::string(field.key), std::move(tensor)).second)
      return damaged_tensor(file, field.key, "is listed twice");
  }
  HR_TRY(check_layout(file, tensors, data_begin, file_bytes));
  return tensors;
}

namespace {

Result<uint64_t> header_bytes(std::string_view first_eight, uint64_t file_bytes,
                              std::string_view file) {
  if (first_eight.size() < 8 || file_bytes < 8)
    return damaged(file, fmt::format("{} bytes are too few for a safetensors file", file_bytes));
  uint64_t size = 0;
  for (int i = 7; i >= 0; --i) size = size << 8 | static_cast<uint8_t>(first_eight[i]);
  if (size > file_bytes - 8 || size > kHeaderBytesMax) {
    const bool pointer = first_eight.starts_with("version ");
    return damaged(
        file, pointer ? std::string("is a Git LFS pointer, not the weights themselves")
                      : fmt::format("the safetensors header claims {} bytes, the file has {}", size,
                                    file_bytes));
  }
  return size;
}

}  // namespace

Result<TensorMap> parse_safetensors(std::string_view bytes, std::string_view file) {
  HR_ASSIGN(const uint64_t size, header_bytes(bytes.substr(0, 8), bytes.size(), file));
  return parse_safetensors_header(bytes.substr(8, size), bytes.size(), file);
}

SafeTensors::SafeTensors(SafeTensors&& other) noexcept
    : path_(std::move(other.path_)),
      parts_(std::exchange(other.parts_, {})),
      tensors_(std::move(other.tensors_)) {}

SafeTensors& SafeTensors::operator=(SafeTensors&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(parts_, other.parts_);
  std::swap(tensors_, other.tensors_);
  return *this;
}

SafeTensors::~SafeTensors() {
  for (const Part& part : parts_) ::close(part.descriptor);
}

namespace {

Status read_fully(int descriptor, const std::string& path, uint64_t offset, std::span<char> out) {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t got = ::pread(descriptor, out.data() + done, out.size() - done,
                                static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return os_fail(errno, fmt::format("read {}", path));
    if (got == 0) return damaged(path, "ends early: it was cut while it was read");
    done += static_cast<size_t>(got);
  }
  return {};
}

}  // namespace

Result<SafeTensors> SafeTensors::open(const std::string& path) {
  return open_all(path, {&path, 1});
}

Result<SafeTensors> SafeTensors::open_all(std::string name, std::span<const std::string> paths) {
  SafeTensors weights(std::move(name));
  for (const std::string& path : paths) HR_TRY(weights.add(path));
  return weights;
}

Status SafeTensors::add(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return os_fail(errno, fmt::format("open {}", path));
  const auto number = static_cast<uint32_t>(parts_.size());
  parts_.push_back({path, descriptor});
  struct stat status{};
  if (::fstat(descriptor, &status) != 0) return os_fail(errno, fmt::format("stat {}", path));
  if (!S_ISREG(status.st_mode)) {
    return fail(ErrorCode::invalid_argument, fmt::format("{}: is not a regular file", path));
  }
  const auto file_bytes = static_cast<uint64_t>(status.st_size);
  char first[8] = {};
  const size_t available = std::min<uint64_t>(8, file_bytes);
  HR_TRY(read_fully(descriptor, path, 0, std::span(first, available)));
  HR_ASSIGN(const uint64_t size,
            header_bytes(std::string_view(first, available), file_bytes, path));
  std::string json(size, '\0');
  HR_TRY(read_fully(descriptor, path, 8, json));
  HR_ASSIGN(TensorMap tensors, parse_safetensors_header(json, file_bytes, path));
  for (auto& [tensor_name, tensor] : tensors) tensor.part = number;
  tensors_.merge(tensors);
  if (!tensors.empty()) {
    const auto& twice = *tensors.begin();
    return damaged_tensor(path, twice.first,
                          fmt::format("is in {} too", path_of(tensors_.at(twice.first))));
  }
  return {};
}

Result<const Tensor*> SafeTensors::find(std::string_view name,
                                        std::span<const uint64_t> shape) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    return fail(ErrorCode::damaged, fmt::format("{}: tensor \"{}\" is missing", path_, name),
                "the file belongs to another model than its config.json says, or is incomplete");
  }
  const Tensor& tensor = found->second;
  if (!std::ranges::equal(tensor.shape, shape)) {
    return fail(
        ErrorCode::damaged,
        fmt::format("{}: tensor \"{}\" has shape [{}], config.json asks for [{}]", path_of(tensor),
                    name, fmt::join(tensor.shape, ", "), fmt::join(shape, ", ")),
        "config.json and model.safetensors belong to different models");
  }
  if (tensor.type == TensorType::other) {
    return fail(ErrorCode::unsupported,
                fmt::format("{}: tensor \"{}\" is {}; F32, F16 and BF16 weights can be read",
                            path_of(tensor), name, tensor.type_name));
  }
  return &tensor;
}

Status SafeTensors::read(std::string_view name, std::span<const uint64_t> shape, uint64_t row,
                         const std::function<void(uint64_t, std::span<const float>)>& take,
                         const std::function<void(std::string_view)>& raw) const {
  HR_ASSIGN(const Tensor* tensor, find(name, shape));
  const uint64_t count = tensor->count();
  HR_CHECK(row > 0 && count % row == 0, "rows divide the tensor");
  const Part& file = parts_[tensor->part];
  const uint64_t size = tensor->type == TensorType::f32 ? 4 : 2;
  const uint64_t piece = std::max<uint64_t>(row, kPieceElements / row * row);
  std::vector<char> bytes(std::min(piece, count) * size);
  std::vector<float> floats(std::min(piece, count));
  for (uint64_t first = 0; first < count; first += piece) {
    const uint64_t here = std::min(piece, count - first);
    const std::span<char> part(bytes.data(), here * size);
    HR_TRY(read_fully(file.descriptor, file.path, tensor->begin + first * size, part));
    if (raw) raw(std::string_view(part.data(), part.size()));
    if (!widen_piece(tensor->type, part.data(), here, floats.data())) {
      const auto* const bad = std::ranges::find_if(
          floats.data(), floats.data() + here, [](float value) { return !std::isfinite(value); });
      return damaged_tensor(file.path, name,
                            fmt::format("holds {} at element {}", *bad,
                                        first + static_cast<uint64_t>(bad - floats.data())));
    }
    take(first, std::span<const float>(floats.data(), here));
  }
  return {};
}

}  // namespace headrace::embed
