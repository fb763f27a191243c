#include "index/log_follower.h"

#include <fmt/format.h>

namespace headrace::index {

Status LogFollower::read_file(const std::function<Status(const LogFrame&)>& visit) {
  HR_ASSIGN(const FileStat known, files_.stat(path_of(current_)));
  if (known.size == size_) return {};
  HR_TRY(reader_->scan(known.size));
  size_ = known.size;
  if (reader_->end() == given_) return {};
  HR_TRY(reader_->replay(given_, visit));
  given_ = reader_->end();
  return {};
}

Status LogFollower::read(const std::function<Status(const LogFrame&)>& visit) {
  if (!reader_) {
    HR_ASSIGN(reader_, LogReader::open(files_, path_of(current_), current_));
  }
  HR_TRY(read_file(visit));
  while (current_ < last_) {
    HR_ASSIGN(auto next, LogReader::open(files_, path_of(current_ + 1), current_ + 1));
    if (next->header().previous_end != reader_->end() ||
        next->header().first_transaction != reader_->next_transaction()) {
      return fail(
          ErrorCode::damaged,
          fmt::format("{} does not end where {} goes on", path_of(current_), path_of(current_ + 1)),
          "headrace repair keeps what both still prove; or restore a backup");
    }
    reader_ = std::move(next);
    ++current_;
    given_ = size_ = 0;
    HR_TRY(read_file(visit));
  }
  return {};
}

Result<bool> LogFollower::was_taken_back() const {
  if (!reader_) return false;
  HR_ASSIGN(const FileStat known, files_.stat(path_of(current_)));
  return known.size < reader_->end();
}

}  // namespace headrace::index
