#include "archive_zip.h"

#include <zip.h>

#include <algorithm>
#include <memory>
#include <string>

namespace headrace::archive {
namespace {

struct CloseZip {
  void operator()(zip_t* zip) const { zip_discard(zip); }
};
struct CloseFile {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

Error damaged_member() {
  return Error(ErrorCode::damaged, "its data in the zip archive is damaged",
               "get the archive anew");
}

Error member_error(int code) {
  switch (code) {
    case ZIP_ER_COMPNOTSUPP:
      return Error(ErrorCode::unsupported, "it is compressed in a way that is not supported",
                   "unpack the archive yourself");
    case ZIP_ER_ENCRNOTSUPP:
    case ZIP_ER_NOPASSWD:
    case ZIP_ER_WRONGPASSWD:
      return Error(ErrorCode::encrypted, "it is encrypted and needs a password",
                   "unpack the archive yourself");
    case ZIP_ER_MEMORY:
      return Error(ErrorCode::out_of_budget, "unpacking it needs too much memory",
                   "unpack the archive yourself");
    default:
      return damaged_member();
  }
}

class ZipReader {
 public:
  ZipReader(zip_t* zip, std::string_view bytes, const ExpansionGuard& guard, MemberOutput& output)
      : zip_(zip), archive_bytes_(bytes.size()), guard_(guard), output_(output) {}

  Status read() {
    const zip_int64_t count = zip_get_num_entries(zip_, 0);
    for (zip_int64_t i = 0; i < count && !stopped_; ++i) HR_TRY(take(static_cast<zip_uint64_t>(i)));
    return {};
  }

 private:
  Status take(zip_uint64_t index) {
    zip_stat_t info;
    zip_stat_init(&info);
    if (zip_stat_index(zip_, index, 0, &info) != 0 || info.name == nullptr)
      return output_.problem(
          "", Error(ErrorCode::damaged, "a member of the zip archive has no entry", "get it anew"));
    const std::string_view raw_name = info.name;
    if (raw_name.ends_with('/')) return {};  // a folder
    const std::string name = output_.unique_name(raw_name);
    if ((info.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 && info.encryption_method != ZIP_EM_NONE)
      return output_.problem(name, member_error(ZIP_ER_NOPASSWD));
    const uint64_t size = (info.valid & ZIP_STAT_SIZE) != 0 ? info.size : 0;
    if (size > output_.member_bytes_max()) return output_.too_large(name);
    const std::unique_ptr<zip_file_t, CloseFile> file(zip_fopen_index(zip_, index, 0));
    if (!file) return output_.problem(name, member_error(zip_error_code_zip(zip_get_error(zip_))));
    const int64_t modified_ns = (info.valid & ZIP_STAT_MTIME) != 0 && info.mtime > 0
                                    ? static_cast<int64_t>(info.mtime) * 1'000'000'000
                                    : 0;
    return take_bytes(name, size, modified_ns, file.get());
  }

  Status take_bytes(const std::string& name, uint64_t size, int64_t modified_ns, zip_file_t* file) {
    auto member = output_.begin(name, modified_ns, size);
    constexpr size_t kStep = 256 << 10;
    for (;;) {
      const size_t at = member.bytes().size();
      member.bytes().resize(at + kStep);
      const zip_int64_t got = zip_fread(file, member.bytes().data() + at, kStep);
      if (got < 0) {
        output_.refused(at - member.header_bytes());
        return output_.problem(name, member_error(zip_error_code_zip(zip_file_get_error(file))));
      }
      member.bytes().resize(at + static_cast<size_t>(got));
      total_ += static_cast<uint64_t>(got);
      // All members together are measured against the whole file: parts of it may be used twice.
      if (const Status status = guard_.check(archive_bytes_, total_); !status) {
        stopped_ = true;
        output_.refused(member.size());
        return output_.problem("", status.error());
      }
      if (got == 0) break;
      if (member.size() > output_.member_bytes_max()) {
        output_.refused(member.size());
        return output_.too_large(name);
      }
    }
    return output_.send(std::move(member));
  }

  zip_t* zip_;
  const uint64_t archive_bytes_;
  const ExpansionGuard& guard_;
  MemberOutput& output_;
  uint64_t total_ = 0;
  bool stopped_ = false;
};

}  // namespace

Status read_zip(std::string_view bytes, const ExpansionGuard& guard, MemberOutput& output) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
  if (source == nullptr) return fail(ErrorCode::damaged, "the zip archive cannot be opened");
  const std::unique_ptr<zip_t, CloseZip> zip(zip_open_from_source(source, ZIP_RDONLY, &error));
  zip_error_fini(&error);
  if (!zip) {
    zip_source_free(source);
    return read_zip_from_front(bytes, guard, output);
  }
  return ZipReader(zip.get(), bytes, guard, output).read();
}

}  // namespace headrace::archive
