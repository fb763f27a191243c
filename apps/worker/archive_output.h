// MemberOutput: what all kinds of archives do with a member: give it a name fit for showing, keep
// to the limits, send it.
//
// Threads: one. Errors: of the pool (it hung up).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"
#include "batch/archive_request.h"
#include "batch/member.h"
#include "runtime/worker_main.h"

namespace headrace::archive {

// A name inside an archive as a relative path for people and keys: valid UTF-8, no control
// characters, no leading "/", no "." or "..". It is never used to open anything.
std::string display_name(std::string_view raw);

class MemberOutput {
 public:
  MemberOutput(WorkerCall& call, const ArchiveRequest& request) : call_(call), request_(request) {}

  // A member's bytes, put together in place behind what is sent before them.
  class Building {
   public:
    std::string& bytes() { return packed_; }
    size_t header_bytes() const { return header_bytes_; }
    size_t size() const { return packed_.size() - header_bytes_; }

   private:
    friend class MemberOutput;
    std::string packed_;
    size_t header_bytes_ = 0;
  };
  Building begin(std::string_view name, int64_t modified_ns, uint64_t bytes_expected);
  Status send(Building&& member);
  // Bytes that were unpacked and are not sent: told before the next problem, and at the end.
  void passed_over(uint64_t bytes) { unpacked_.passed_over += bytes; }
  void refused(uint64_t bytes) { unpacked_.refused += bytes; }
  Status tell_unpacked();
  // `name` empty: the archive itself.
  Status problem(std::string_view name, Error error);
  Status too_large(std::string_view name);

  // A name that no earlier member has: the second "a" is "a (2)".
  std::string unique_name(std::string_view raw);
  uint64_t member_bytes_max() const { return request_.member_bytes_max; }

 private:
  WorkerCall& call_;
  const ArchiveRequest& request_;
  UnpackedBytes unpacked_;
  // Hashes of names, and the number that the next one of that name gets.
  std::unordered_map<uint64_t, uint32_t> seen_;
};

}  // namespace headrace::archive
