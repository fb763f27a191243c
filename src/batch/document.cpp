#include "batch/document.h"

namespace headrace {

Hash128 row_hash(const std::string& source, uint32_t position) {
  std::string identity = source;
  identity.push_back('\0');
  identity += std::to_string(position);
  return hash128(identity);
}

std::string row_key(const std::string& source, uint32_t position) {
  return row_hash(source, position).hex();
}

}  // namespace headrace
