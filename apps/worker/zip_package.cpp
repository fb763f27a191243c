#include "zip_package.h"

#include <zip.h>

#include <algorithm>

#include "xml_reader.h"

namespace headrace::formats {
namespace {

struct FileCloser {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

std::string_view strip_slash(std::string_view name) {
  while (name.starts_with('/')) name.remove_prefix(1);
  return name;
}

// Password-protected Office files are OLE2 containers with a stream of this name.
bool is_encrypted_ole(std::string_view bytes) {
  static constexpr char kName[] = "E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e";
  return bytes.find(std::string_view(kName, sizeof(kName) - 1)) != std::string_view::npos;
}

std::unexpected<Error> open_failure(std::string_view bytes, const std::string& what,
                                    zip_error_t& error) {
  if (bytes.empty()) {
    return fail(ErrorCode::damaged, "the " + what + " file is empty", "restore it from a copy");
  }
  if (bytes.starts_with("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1")) {
    if (is_encrypted_ole(bytes)) {
      return fail(ErrorCode::encrypted, "the " + what + " file is protected by a password",
                  "save it without a password");
    }
    return fail(ErrorCode::unsupported,
                "the file is in the binary Office format of before 2007, not " + what,
                "save it as DOCX, XLSX or PPTX");
  }
  if (!bytes.starts_with("PK")) {
    return fail(ErrorCode::damaged, "the content is not a zip container, so not " + what,
                "check that the file is what its name says");
  }
  return fail(ErrorCode::damaged,
              "the " + what + " file is cut off or damaged: " + zip_error_strerror(&error),
              "restore it from a copy");
}

std::unexpected<Error> too_large(const std::string& what, std::string_view name,
                                 const std::string& why) {
  return fail(ErrorCode::too_large,
              "the member " + std::string(name) + " of the " + what + " file " + why,
              "if the file is genuine, save it in smaller parts");
}

std::unexpected<Error> member_failure(const std::string& what, std::string_view name,
                                      zip_error_t* error) {
  const int code = zip_error_code_zip(error);
  if (code == ZIP_ER_NOPASSWD || code == ZIP_ER_WRONGPASSWD || code == ZIP_ER_ENCRNOTSUPP) {
    return fail(ErrorCode::encrypted,
                "the member " + std::string(name) + " of the " + what + " file is encrypted",
                "save it without a password");
  }
  if (code == ZIP_ER_COMPNOTSUPP) {
    return fail(ErrorCode::unsupported, "the member " + std::string(name) + " of the " + what +
                                            " file is compressed by a method that is not read");
  }
  return fail(ErrorCode::damaged,
              "the member " + std::string(name) + " of the " + what +
                  " file cannot be read: " + zip_error_strerror(error),
              "restore the file from a copy");
}

uint64_t unpacked_by_all = 0;

}  // namespace

uint64_t ZipPackage::bytes_unpacked() {
  return unpacked_by_all;
}

void ZipPackage::Closer::operator()(struct zip* archive) const {
  zip_discard(archive);
}

ZipPackage::ZipPackage(struct zip* archive, std::string what)
    : archive_(archive), what_(std::move(what)) {}

Result<ZipPackage> ZipPackage::open(std::string_view bytes, std::string what) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
  struct zip* archive = nullptr;
  if (source && !bytes.empty()) archive = zip_open_from_source(source, ZIP_RDONLY, &error);
  if (!archive) {
    if (source) zip_source_free(source);
    auto failure = open_failure(bytes, what, error);
    zip_error_fini(&error);
    return failure;
  }
  zip_error_fini(&error);
  return ZipPackage(archive, std::move(what));
}

bool ZipPackage::has(std::string_view name) const {
  const std::string key(strip_slash(name));
  return zip_name_locate(archive_.get(), key.c_str(), ZIP_FL_NOCASE) >= 0;
}

Result<std::string> ZipPackage::read(std::string_view name) {
  const std::string key(strip_slash(name));
  zip_int64_t index = zip_name_locate(archive_.get(), key.c_str(), 0);
  if (index < 0) index = zip_name_locate(archive_.get(), key.c_str(), ZIP_FL_NOCASE);
  if (index < 0) {
    return fail(ErrorCode::damaged,
                "the zip container has no member " + key + ", so it is no sound " + what_ + " file",
                "check that the file is what its name says");
  }
  const auto position = static_cast<zip_uint64_t>(index);
  zip_stat_t stat;
  if (zip_stat_index(archive_.get(), position, 0, &stat) != 0) {
    return member_failure(what_, key, zip_get_error(archive_.get()));
  }
  if ((stat.valid & ZIP_STAT_ENCRYPTION_METHOD) && stat.encryption_method != ZIP_EM_NONE) {
    return fail(ErrorCode::encrypted, "the members of the " + what_ + " file are encrypted",
                "save it without a password");
  }
  const uint64_t declared = stat.valid & ZIP_STAT_SIZE ? stat.size : 0;
  const uint64_t packed =
      std::max<uint64_t>(stat.valid & ZIP_STAT_COMP_SIZE ? stat.comp_size : 0, 1);
  if (declared > kMemberBytesMax) return too_large(what_, key, "is larger than 512 MiB");
  const uint64_t bound = std::min({kMemberBytesMax, kPackageBytesMax - bytes_read_,
                                   std::max(kRatioBytesMin, packed * kRatioMax)});
  if (declared > bound) {
    return too_large(what_, key,
                     "expands to " + std::to_string(declared / packed) +
                         " times its size, as a decompression bomb does");
  }
  const std::unique_ptr<zip_file_t, FileCloser> file(zip_fopen_index(archive_.get(), position, 0));
  if (!file) return member_failure(what_, key, zip_get_error(archive_.get()));
  std::string bytes;
  bytes.resize(std::min<uint64_t>(declared, 4ULL << 20) + 1);
  size_t filled = 0;
  while (true) {
    if (filled == bytes.size()) bytes.resize(std::min<uint64_t>(bytes.size() * 2, bound + 1));
    const zip_int64_t got = zip_fread(file.get(), bytes.data() + filled, bytes.size() - filled);
    if (got < 0) return member_failure(what_, key, zip_file_get_error(file.get()));
    if (got == 0) break;
    filled += static_cast<size_t>(got);
    unpacked_by_all += static_cast<uint64_t>(got);
    if (filled > bound) return too_large(what_, key, "expands like a decompression bomb");
  }
  bytes.resize(filled);
  bytes_read_ += filled;
  return bytes;
}

Result<std::string> ZipPackage::read_xml(std::string_view name) {
  HR_ASSIGN(std::string bytes, read(name));
  auto text = xml_to_utf8(std::move(bytes));
  if (!text) return std::unexpected<Error>(std::move(text).error().with_context(name));
  return text;
}

}  // namespace headrace::formats
