#include "embed/precision.h"

#include <fmt/format.h>

#include "embed/kernels.h"

namespace headrace {

std::string_view precision_name(Precision precision) {
  switch (precision) {
    case Precision::fp32:
      return "fp32";
    case Precision::bf16:
      return "bf16";
    case Precision::int16:
      return "int16";
    case Precision::int8:
      return "int8";
    case Precision::table:
      return "static";
  }
  return "fp32";
}

std::string_view rounding_name(Precision precision) {
  return precision == Precision::int8 ? "int8 groups of 192, one value beyond"
                                      : precision_name(precision);
}

Precision default_precision() {
  return embed::kernels().fast_words ? Precision::int16 : Precision::fp32;
}

Result<Precision> parse_precision(std::string_view name) {
  if (name.empty() || name == "auto") return default_precision();
  for (const Precision precision :
       {Precision::fp32, Precision::bf16, Precision::int16, Precision::int8, Precision::table}) {
    if (name == precision_name(precision)) return precision;
  }
  return fail(ErrorCode::invalid_argument, fmt::format("there is no precision \"{}\"", name),
              "the precisions are auto, fp32, bf16, int16, int8 and static");
}

}  // namespace headrace
