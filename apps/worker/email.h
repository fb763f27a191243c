// A mail (RFC 5322 with MIME) → Document and attachments: the subject as title and heading, the
// body from its plain or its HTML form, sender, receivers and date as metadata; attachments, mails
// inside of mails and the messages of an mbox file as members to be decoded on their own.
//
// Threads: pure function. Errors: damaged (no header fields at all), encrypted (S/MIME or PGP).
#pragma once

#include <string_view>

#include "base/result.h"
#include "office_blocks.h"

namespace headrace::formats {

Result<DecodedFile> decode_email(std::string_view bytes);

}  // namespace headrace::formats
