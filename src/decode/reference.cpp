#include "decode/reference.h"

#include <algorithm>

#include "base/utf8.h"

namespace headrace {
namespace {

bool is_letter(char c) {
  return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// How long "scheme:" is at the front; 0 when there is none.
size_t scheme_length(std::string_view reference) {
  if (reference.empty() || !is_letter(reference[0])) return 0;
  size_t i = 1;
  while (i < reference.size() &&
         (is_letter(reference[i]) || is_digit(reference[i]) || reference[i] == '+' ||
          reference[i] == '-' || reference[i] == '.'))
    ++i;
  return i < reference.size() && reference[i] == ':' ? i + 1 : 0;
}

std::string percent_decoded(std::string_view text) {
  const auto hex = [](char c) {
    if (is_digit(c)) return c - '0';
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
  };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
      out.push_back(static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2])));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  const bool text_again = is_valid_utf8(out) && std::none_of(out.begin(), out.end(), [](char c) {
                            return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
                          });
  return text_again ? out : std::string(text);
}

// Goes along `path` from the folder that `place` ends with ("…a/b/", "…/", or nothing behind the
// first `fixed` bytes). What leads above the beginning stays as ".." where `may_leave`, else it
// goes.
void follow(std::string& place, size_t fixed, std::string_view path, bool may_leave) {
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    const std::string_view segment = path.substr(0, end);
    const bool last = end == path.size();
    path.remove_prefix(last ? end : end + 1);
    if (segment == "..") {
      std::string_view before = std::string_view(place).substr(fixed);
      const bool rooted = before.starts_with('/');
      if (!before.empty()) before.remove_suffix(1);
      const std::string_view parent = before.substr(before.rfind('/') + 1);
      if (!parent.empty() && parent != "." && parent != "..") {
        place.resize(place.size() - 1 - parent.size());
      } else if (may_leave && !rooted) {
        place += "../";
      }
    } else if (segment != "." && !(segment.empty() && !last)) {
      place += segment;
      if (!last) place.push_back('/');
    }
  }
}

std::string_view without_fragment(std::string_view reference) {
  const size_t hash = reference.find('#');
  if (hash == std::string_view::npos) return reference;
  const std::string_view fragment = reference.substr(hash + 1);
  const bool route = fragment.starts_with('/') || fragment.starts_with('!');
  return route ? reference : reference.substr(0, hash);
}

std::string resolve_in_url(std::string_view base, std::string_view reference) {
  base = base.substr(0, base.find_first_of("?#"));
  const size_t scheme = scheme_length(base);
  if (reference.starts_with("//")) return std::string(base.substr(0, scheme)).append(reference);
  const size_t host_end = std::min(base.find('/', scheme + 2), base.size());
  const std::string_view host = base.substr(0, host_end);
  const std::string_view path = base.substr(host_end);
  if (reference.starts_with('?') || reference.starts_with('#'))
    return std::string(base).append(reference);
  const size_t path_end = std::min(reference.find_first_of("?#"), reference.size());
  std::string found;
  found.reserve(base.size() + reference.size() + 1);
  found += host;
  if (!reference.starts_with('/')) found += path.substr(0, path.rfind('/') + 1);
  if (found.size() == host.size()) found.push_back('/');
  std::string_view way = reference.substr(0, path_end);
  if (way.starts_with('/')) way.remove_prefix(1);
  follow(found, host_end, way, false);
  return found.append(reference.substr(path_end));
}

std::string resolve_in_path(std::string_view base, std::string_view reference) {
  if (reference.starts_with("//")) return std::string("https:").append(reference);
  // Behind the last "!" a path begins that belongs to an archive.
  const size_t member = base.rfind('!') + 1;
  const std::string_view archive = base.substr(0, member);
  const std::string_view path = base.substr(member);
  std::string_view way = reference.substr(0, reference.find_first_of("?#"));
  std::string decoded;
  if (way.find('%') != std::string_view::npos) way = decoded = percent_decoded(way);
  if (way.empty()) return {};
  std::string found;
  found.reserve(base.size() + way.size());
  found += archive;
  if (way.starts_with('/')) {
    if (archive.empty()) found.push_back('/');
    way.remove_prefix(1);
  } else {
    found += path.substr(0, path.rfind('/') + 1);
  }
  follow(found, member, way, archive.empty());
  return found;
}

}  // namespace

bool has_host(std::string_view reference) {
  const size_t scheme = scheme_length(reference);
  return scheme > 0 && reference.substr(scheme).starts_with("//");
}

std::string clean_reference(std::string_view written) {
  if (written.size() > 2 * kReferenceBytesMax) return {};
  const auto is_white = [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7F; };
  while (!written.empty() && is_white(written.front())) written.remove_prefix(1);
  while (!written.empty() && is_white(written.back())) written.remove_suffix(1);
  written = without_fragment(written);
  if (written.empty() || written.starts_with('#')) return {};
  std::string out;
  out.reserve(written.size());
  for (const char c : written) {
    if (c == ' ') {
      out += "%20";
    } else if (!is_white(c)) {
      out.push_back(c);
    }
  }
  if (out.size() > kReferenceBytesMax) return {};
  const size_t scheme = scheme_length(out);
  if (scheme == 0) return out;
  if (!std::string_view(out).substr(scheme).starts_with("//")) return {};
  // Scheme and host do not tell capitals from small letters.
  const size_t host_end = std::min(out.find_first_of("/?#", scheme + 2), out.size());
  const size_t user_end = out.rfind('@', host_end);
  for (size_t i = 0; i < host_end; ++i) {
    const bool user = user_end != std::string::npos && i >= scheme + 2 && i < user_end;
    if (!user && out[i] >= 'A' && out[i] <= 'Z') out[i] = static_cast<char>(out[i] | 0x20);
  }
  return out;
}

std::string resolve_reference(std::string_view base, std::string_view reference) {
  if (reference.empty() || reference.size() > kReferenceBytesMax) return {};
  if (has_host(reference)) {
    return reference == without_fragment(base) ? std::string() : std::string(reference);
  }
  std::string found =
      has_host(base) ? resolve_in_url(base, reference) : resolve_in_path(base, reference);
  if (found.size() > kReferenceBytesMax || found == without_fragment(base)) return {};
  return found;
}

}  // namespace headrace
