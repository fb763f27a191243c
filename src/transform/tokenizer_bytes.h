// The alphabet of byte-level tokenizers: each byte as a visible character (GPT-2's), and back.
//
// Owns: constant tables. Threads: pure functions. Errors: append_bytes_of_symbols() says no.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/utf8.h"

namespace headrace {

namespace detail {

// Printable Latin-1 stands for itself; the other bytes follow in order from U+0100.
constexpr bool stands_for_itself(unsigned byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr std::array<int16_t, 512> make_symbol_bytes() {
  std::array<int16_t, 512> out{};
  out.fill(-1);
  int16_t next = 256;
  for (int16_t byte = 0; byte < 256; ++byte) {
    const bool itself = stands_for_itself(static_cast<unsigned>(byte));
    out[static_cast<size_t>(itself ? byte : next++)] = byte;
  }
  return out;
}

inline constexpr std::array<int16_t, 512> kSymbolBytes = make_symbol_bytes();

constexpr std::array<char32_t, 256> make_byte_symbols() {
  std::array<char32_t, 256> out{};
  for (char32_t symbol = 0; symbol < kSymbolBytes.size(); ++symbol) {
    const int16_t byte = kSymbolBytes[symbol];
    if (byte >= 0) out[static_cast<size_t>(byte)] = symbol;
  }
  return out;
}

inline constexpr std::array<char32_t, 256> kByteSymbols = make_byte_symbols();

}  // namespace detail

// The character that stands for a byte.
constexpr char32_t symbol_of_byte(uint8_t byte) {
  return detail::kByteSymbols[byte];
}

// The byte that a character stands for; -1: none.
constexpr int byte_of_symbol(char32_t symbol) {
  return symbol < detail::kSymbolBytes.size() ? detail::kSymbolBytes[symbol] : -1;
}

// Appends the bytes that the characters of `symbols` stand for; false (with some appended) when one
// stands for none.
inline bool append_bytes_of_symbols(std::string_view symbols, std::string& out) {
  for (size_t at = 0; at < symbols.size();) {
    const CodePoint point = decode_code_point(symbols, at);
    const int byte = byte_of_symbol(point.value);
    if (byte < 0) return false;
    out += static_cast<char>(byte);
    at += point.length;
  }
  return true;
}

}  // namespace headrace
