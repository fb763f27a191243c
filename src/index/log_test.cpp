#include "index/log.h"

#include <gtest/gtest.h>

#include "env/simulated_file_system.h"

namespace headrace::index {
namespace {

constexpr const char* kPath = "/log";

std::unique_ptr<LogWriter> make_log(FileSystem& files, uint32_t version = kLogVersion) {
  LogHeader header{7, 0, 3, {1, 2}};
  header.version = version;
  auto log = LogWriter::create(files, kPath, header);
  EXPECT_TRUE(log);
  return std::move(*log);
}

void commit(LogWriter& log, std::string_view payload, bool sync = true) {
  log.add(LogFrameType::settings, payload);
  ASSERT_TRUE(log.write_and_sync(log.close_transaction(), sync));
  log.acknowledge();
}

Result<std::vector<std::string>> payloads(FileSystem& files) {
  HR_ASSIGN(const auto log, LogReader::open(files, kPath, 7));
  HR_ASSIGN(const FileStat known, files.stat(kPath));
  HR_TRY(log->scan(known.size));
  std::vector<std::string> found;
  HR_TRY(log->replay(0, [&](const LogFrame& frame) -> Status {
    if (frame.type != LogFrameType::commit) found.emplace_back(frame.payload);
    return {};
  }));
  return found;
}

using Payloads = std::vector<std::string>;

TEST(Log, GivesBackWhatWasCommitted) {
  SimulatedFileSystem files;
  const auto log = make_log(files);
  EXPECT_EQ(payloads(files).value(), Payloads{});
  commit(*log, "one");
  commit(*log, "two");
  log->add(LogFrameType::settings, "never committed");
  ASSERT_TRUE(log->write_buffer());
  EXPECT_EQ(payloads(files).value(), (Payloads{"one", "two"}));
}

TEST(Log, ReopenCutsWhatWasNeverAcknowledged) {
  SimulatedFileSystem files;
  {
    const auto log = make_log(files);
    commit(*log, "one");
    log->add(LogFrameType::settings, "torn");
    ASSERT_TRUE(log->write_buffer());
  }
  const auto reader = LogReader::open(files, kPath, 7);
  ASSERT_TRUE(reader && (*reader)->scan(files.stat(kPath)->size));
  auto log = LogWriter::reopen(files, kPath, (*reader)->end(), (*reader)->chain(),
                               (*reader)->next_transaction());
  ASSERT_TRUE(log);
  EXPECT_EQ(files.stat(kPath)->size, (*reader)->end());
  commit(**log, "two");
  EXPECT_EQ(payloads(files).value(), (Payloads{"one", "two"}));
}

TEST(Log, ATornEndIsNoDamageAndDamageIsNoTornEnd) {
  SimulatedFileSystem files;
  const auto log = make_log(files);
  commit(*log, "one");
  const uint64_t first_end = log->end();
  commit(*log, "two");
  const uint64_t bits = files.stat(kPath)->size * 8;
  for (uint64_t bit = kLogHeaderBytes * 8; bit < bits; ++bit) {
    files.flip_bit(kPath, bit);
    const auto found = payloads(files);
    if (bit < first_end * 8) {
      ASSERT_FALSE(found) << "bit " << bit << " of an earlier transaction";
      ASSERT_EQ(found.error().code(), ErrorCode::damaged);
      ASSERT_NE(found.error().message().find(kPath), std::string::npos);
    } else {
      ASSERT_EQ(found.value(), Payloads{"one"}) << "bit " << bit;
    }
    files.flip_bit(kPath, bit);
  }
}

TEST(Log, EveryCutGivesWholeTransactions) {
  SimulatedFileSystem files;
  const auto log = make_log(files);
  commit(*log, "one");
  const uint64_t first_end = log->end();
  commit(*log, "two");
  for (uint64_t size = kLogHeaderBytes; size < log->end(); ++size) {
    const auto cut = files.after_kill();
    cut->cut(kPath, size);
    ASSERT_EQ(payloads(*cut).value(), size < first_end ? Payloads{} : Payloads{"one"});
  }
}

TEST(Log, EarlyAcknowledgedTransactionsMayBeTornBeforeLaterOnes) {
  for (const bool synced : {true, false}) {
    SimulatedFileSystem files;
    const auto log = make_log(files, kLogVersionAsync);
    commit(*log, "one", synced);
    const uint64_t first_end = log->end();
    commit(*log, "two", false);
    files.flip_bit(kPath, (first_end - 1) * 8);
    const auto found = payloads(files);
    if (synced) {
      EXPECT_FALSE(found) << "the second one says that the first was durable";
    } else {
      EXPECT_EQ(found.value(), Payloads{});
    }
  }
}

TEST(Log, HeaderIsChecked) {
  SimulatedFileSystem files;
  commit(*make_log(files), "one");
  for (uint64_t bit = 0; bit < kLogHeaderBytes * 8; ++bit) {
    files.flip_bit(kPath, bit);
    ASSERT_FALSE(LogReader::open(files, kPath, 7));
    files.flip_bit(kPath, bit);
  }
  EXPECT_EQ(LogReader::open(files, kPath, 8).error().code(), ErrorCode::damaged);
  ASSERT_TRUE(LogReader::open(files, kPath, 7));
}

TEST(Log, AFailedWriteIsTakenBack) {
  SimulatedFileSystem files;
  const auto log = make_log(files);
  commit(*log, "one");
  files.set_capacity(files.used_bytes() + 20);
  log->add(LogFrameType::settings, "too much");
  const Status full = log->write_and_sync(log->close_transaction());
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code(), ErrorCode::no_space);
  log->roll_back(log->last_failure_was_sync());
  EXPECT_FALSE(log->unfit());
  files.set_capacity(1 << 20);
  commit(*log, "two");
  EXPECT_EQ(payloads(files).value(), (Payloads{"one", "two"}));
}

TEST(Log, AFailedSyncMakesItUnfit) {
  SimulatedFileSystem files;
  const auto log = make_log(files);
  commit(*log, "one");
  log->add(LogFrameType::settings, "lost");
  files.fail_change(files.changes() + 1, SimulatedFault::lost_sync);
  ASSERT_FALSE(log->write_and_sync(log->close_transaction()));
  log->roll_back(log->last_failure_was_sync());
  EXPECT_TRUE(log->unfit());
  EXPECT_EQ(payloads(files).value(), Payloads{"one"});
}

TEST(Log, SalvageGivesWholeTransactionsAroundADamagedPlace) {
  SimulatedFileSystem files;
  const auto log = make_log(files);
  commit(*log, "one");
  const uint64_t first_end = log->end();
  commit(*log, "two");
  const uint64_t second_end = log->end();
  commit(*log, "three");
  for (uint64_t bit = first_end * 8; bit < second_end * 8; bit += 3) {
    files.flip_bit(kPath, bit);
    Payloads found;
    const auto salvage = salvage_log(files, kPath, [&](std::vector<LogFrame>& frames) -> Status {
      for (const LogFrame& frame : frames) found.emplace_back(frame.payload);
      return {};
    });
    ASSERT_TRUE(salvage);
    ASSERT_EQ(found, (Payloads{"one", "three"})) << "bit " << bit;
    ASSERT_EQ(salvage->lost, 1U);
    files.flip_bit(kPath, bit);
  }
}

}  // namespace
}  // namespace headrace::index
