// The safetensors header parser on any bytes: no crash, and what it accepts is consistent.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "embed/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto tensors = headrace::embed::parse_safetensors(bytes, "fuzz");
  if (!tensors) {
    HR_CHECK(!tensors.error().message().empty(), "an error says what is wrong");
    return 0;
  }
  uint64_t total = 0;
  for (const auto& [name, tensor] : *tensors) {
    HR_CHECK(tensor.begin <= tensor.end && tensor.end <= size, "data lies in the file");
    total += tensor.end - tensor.begin;
  }
  HR_CHECK(total <= size, "tensors do not overlap");
  return 0;
}
