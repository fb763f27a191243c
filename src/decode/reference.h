// From what a document writes as the address of another (href) to that address.
//
// What is found: URLs with a host ("https://…", "file:///…"). From a document that was found by its
// path also paths: those of the files beside it, in the form that `source` has for them, so that a
// link can be compared with it. Fragments are dropped, since a link names a document; those that
// are routes of a page ("#/a", "#!a") stay.
// What is left out: fragments alone, the document itself, and schemes that name no document
// (javascript:, mailto:, data:, tel:, …).
//
// Threads: pure functions. Errors: none; what is no address comes back empty.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace headrace {

// Longer ones are left out.
inline constexpr size_t kReferenceBytesMax = 2048;
// Of one document; the rest is left out.
inline constexpr size_t kDocumentLinksMax = size_t{1} << 17;
inline constexpr size_t kDocumentLinkBytesMax = size_t{16} << 20;

// `written` without white space and control characters, percent-encoded where it must be; empty
// when it is left out whatever the document's place is.
std::string clean_reference(std::string_view written);

// A clean reference that stands in the document at `base`: a URL, or a path as `source` has it
// ("docs/a.html", "OUTER.zip!dir/a.html"). `base` may itself be a reference without a host (<base
// href="../">); then what comes back may be one too.
std::string resolve_reference(std::string_view base, std::string_view reference);

// "https://host/…"
bool has_host(std::string_view reference);

}  // namespace headrace
