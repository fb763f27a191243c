// ZipPackage: the zip container that office files and books are made of, read from memory with
// every size bounded: what a member declares, what it really expands to, how many times larger it
// grows, and all members together.
//
// Owns: the libzip handle. The bytes given to open() must outlive it. Threads: one thread.
// Errors: damaged (not a zip, cut off, wrong checksum, member missing), encrypted, too_large.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

struct zip;

namespace headrace::formats {

inline constexpr uint64_t kMemberBytesMax = 512ULL << 20;
inline constexpr uint64_t kPackageBytesMax = 1ULL << 30;
// Members of this size and more may be at most so many times larger than their compressed form.
// (Deflate reaches 1,032; the XML of real sheets stays below 100.)
inline constexpr uint64_t kRatioBytesMin = 32ULL << 20;
inline constexpr uint64_t kRatioMax = 300;

class ZipPackage {
 public:
  // `what`: the format's name for messages, such as "DOCX".
  static Result<ZipPackage> open(std::string_view bytes, std::string what);

  // Whether there is a member of that name; a leading '/' does not count, nor does case.
  bool has(std::string_view name) const;
  // The whole member. A member that is not there is damaged.
  Result<std::string> read(std::string_view name);
  // read(), decoded to UTF-8 for XmlReader.
  Result<std::string> read_xml(std::string_view name);
  const std::string& what() const { return what_; }

  // What all packages of this process have unpacked so far. It has one thread.
  static uint64_t bytes_unpacked();

 private:
  struct Closer {
    void operator()(struct zip* archive) const;
  };
  explicit ZipPackage(struct zip* archive, std::string what);

  std::unique_ptr<struct zip, Closer> archive_;
  std::string what_;
  uint64_t bytes_read_ = 0;
};

}  // namespace headrace::formats
