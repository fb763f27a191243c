// Archives through the real worker: ctest sets HEADRACE_WORKER.
#include "sources/archive.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "runtime/unique_fd.h"

namespace headrace {
namespace {

using namespace std::string_literals;

// --- archives made by hand -------------------------------------------------------------------

std::string little(uint64_t value, size_t bytes) {
  std::string out;
  for (size_t i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}

uint32_t crc32_of(std::string_view bytes) {
  uint32_t crc = 0xFFFFFFFF;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int k = 0; k < 8; ++k) crc = crc >> 1 ^ (0xEDB88320u & (0u - (crc & 1)));
  }
  return ~crc;
}

// Deflate without compression.
std::string stored_deflate(std::string_view bytes) {
  std::string out;
  do {
    const std::string_view part = bytes.substr(0, 65535);
    bytes.remove_prefix(part.size());
    out += static_cast<char>(bytes.empty() ? 1 : 0);
    out += little(part.size(), 2) + little(~part.size() & 0xFFFF, 2);
    out += part;
  } while (!bytes.empty());
  return out;
}

std::string gzip_of(std::string_view bytes) {
  return "\x1f\x8b\x08\0\0\0\0\0\0\xff"s + stored_deflate(bytes) + little(crc32_of(bytes), 4) +
         little(bytes.size(), 4);
}

// One run-length block stands for 128 KiB: how bombs are made.
std::string zstd_zeros(size_t blocks) {
  std::string out = "\x28\xb5\x2f\xfd\x00\x58"s;
  for (size_t i = 0; i < blocks; ++i)
    out += little((131072u << 3) | 1u << 1 | (i + 1 == blocks), 3) + "\0"s;
  return out;
}
std::string zstd_raw(std::string_view bytes) {
  return "\x28\xb5\x2f\xfd\x00\x58"s + little(bytes.size() << 3 | 1, 3) + std::string(bytes);
}

std::string octal(uint64_t value, size_t width) {
  std::string out(width - 1, '0');
  for (size_t i = width - 1; i-- > 0; value >>= 3) out[i] = static_cast<char>('0' + (value & 7));
  return out + '\0';
}

std::string with_checksum(std::string header) {
  header.replace(148, 8, "        ");
  uint64_t sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  return header.replace(148, 8, octal(sum, 7) + ' ');
}

std::string tar_header(std::string name, uint64_t size, char type = '0') {
  name.resize(100);
  std::string header = name + octal(0644, 8) + octal(0, 8) + octal(0, 8) + octal(size, 12) +
                       octal(1000000000, 12) + "        " + type + std::string(100, '\0') +
                       "ustar\00000"s;
  header.resize(512);
  return with_checksum(header);
}

std::string tar_member(const std::string& name, std::string bytes, char type = '0') {
  std::string member = tar_header(name, bytes.size(), type);
  bytes.resize((bytes.size() + 511) / 512 * 512);
  return member + bytes;
}
const std::string kTarEnd(1024, '\0');

struct ZipEntry {
  std::string name, bytes;
  uint16_t method = 0;  // 0 stored, 8 deflated (given unpacked, packed here without compression)
  uint16_t flags = 0;
  bool wrong_checksum = false;
};

std::string zip_of(const std::vector<ZipEntry>& entries) {
  std::string out, directory;
  for (const ZipEntry& entry : entries) {
    const std::string data = entry.method == 8 ? stored_deflate(entry.bytes) : entry.bytes;
    const std::string middle = little(entry.flags, 2) + little(entry.method, 2) + little(0x21, 4) +
                               little(crc32_of(entry.bytes) ^ (entry.wrong_checksum ? 1 : 0), 4) +
                               little(data.size(), 4) + little(entry.bytes.size(), 4) +
                               little(entry.name.size(), 2) + little(0, 2);
    directory += "PK\x01\x02"s + little(20, 2) + little(20, 2) + middle + little(0, 2) +
                 little(0, 2) + little(0, 2) + little(0, 4) + little(out.size(), 4) + entry.name;
    out += "PK\x03\x04"s + little(20, 2) + middle + entry.name + data;
  }
  const size_t at = out.size();
  return out + directory + "PK\x05\x06"s + little(0, 4) + little(entries.size(), 2) +
         little(entries.size(), 2) + little(directory.size(), 4) + little(at, 4) + little(0, 2);
}

// --- the worker ------------------------------------------------------------------------------

class Archive : public testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("HEADRACE_WORKER") == nullptr)
      GTEST_SKIP() << "HEADRACE_WORKER does not name the worker (ctest does)";
    auto pool = WorkerPool::create({.workers_max = 1});
    ASSERT_TRUE(pool) << pool.error().text();
    pool_ = std::move(*pool);
  }

  std::string outer_name_ = "dir/outer.txt.gz";

  // Members as "name=bytes", problems as "name!code".
  std::vector<std::string> expand(const std::string& kind, std::string_view bytes,
                                  uint64_t member_bytes_max = 64 << 20) {
    std::vector<std::string> found;
    passed_over_ = refused_ = 0;
    status_ = expand_archive(
        *pool_, {.outer_name = outer_name_, .kind = kind, .member_bytes_max = member_bytes_max},
        {.bytes = bytes},
        [&](Member&& member) -> Status {
          last_modified_ns_ = member.modified_ns;
          found.push_back(member.name + "=" + member.bytes);
          return {};
        },
        [&](MemberProblem&& problem) -> Status {
          EXPECT_FALSE(problem.error.message().empty());
          message_ = problem.error.message();
          found.push_back(problem.name + "!" + std::string(error_code_name(problem.error.code())));
          return {};
        },
        [&](const UnpackedBytes& unpacked) -> Status {
          passed_over_ += unpacked.passed_over;
          refused_ += unpacked.refused;
          return {};
        });
    return found;
  }

  std::unique_ptr<WorkerPool> pool_;
  Status status_;
  std::string message_;
  int64_t last_modified_ns_ = 0;
  uint64_t passed_over_ = 0;
  uint64_t refused_ = 0;
};
using Found = std::vector<std::string>;

TEST_F(Archive, ReadsTar) {
  const std::string tar = tar_member("folder/", "", '5') + tar_member("folder/a.txt", "alpha") +
                          tar_member("link", "", '2') + tar_member("empty", "") +
                          tar_member("b.txt", std::string(1000, 'b')) + kTarEnd;
  EXPECT_EQ(expand("tar", tar),
            (Found{"folder/a.txt=alpha", "empty=", "b.txt=" + std::string(1000, 'b')}));
  EXPECT_TRUE(status_);
  EXPECT_EQ(last_modified_ns_, 1000000000LL * 1000000000);
}

TEST_F(Archive, ReadsLongNamesOfGnuAndPax) {
  const std::string long_name = std::string(200, 'n') + ".txt";
  const std::string record = "path=" + long_name + "\n";
  const std::string pax = std::to_string(record.size() + 4) + " " + record;
  const std::string tar = tar_member("././@LongLink", long_name + '\0', 'L') +
                          tar_member("cut", "gnu") + tar_member("header", pax, 'x') +
                          tar_member("cut", "pax") + kTarEnd;
  EXPECT_EQ(expand("tar", tar), (Found{long_name + "=gnu", long_name + " (2)=pax"}));
}

TEST_F(Archive, NamesAreOnlyForShowing) {
  const std::string tar = tar_member("/etc/passwd", "1") + tar_member("../../up", "2") +
                          tar_member("./a//b", "3") + tar_member("bad\xff\n", "4") +
                          tar_member("..", "5") + kTarEnd;
  EXPECT_EQ(expand("tar", tar),
            (Found{"etc/passwd=1", "up=2", "a/b=3", "bad\xEF\xBF\xBD\xEF\xBF\xBD=4", "unnamed=5"}));
}

TEST_F(Archive, ATruncatedTarGivesItsGoodFront) {
  const std::string tar = tar_member("a", "alpha") + tar_member("b", std::string(5000, 'b'));
  EXPECT_EQ(expand("tar", tar.substr(0, 3000)), (Found{"a=alpha", "b!damaged"}));
  EXPECT_EQ(expand("tar", tar.substr(0, 1224)), (Found{"a=alpha", "!damaged"}));
  const std::string garbage = tar_member("a", "alpha") + std::string(512, 'x') + kTarEnd;
  EXPECT_EQ(expand("tar", garbage), (Found{"a=alpha", "!damaged"}));
  EXPECT_TRUE(status_);
}

TEST_F(Archive, WhatFollowsDamageInATarIsRead) {
  const std::string a = tar_member("a", "alpha"), b = tar_member("b", "beta"),
                    c = tar_member("c", "gamma"), d = tar_member("d", "delta");
  std::string damaged = b;
  damaged[3] ^= 1;
  EXPECT_EQ(expand("tar", a + damaged + c + d + kTarEnd),
            (Found{"a=alpha", "c=gamma", "d=delta", "!damaged"}));
  EXPECT_NE(message_.find("behind a"), std::string::npos) << message_;
  // A size that cannot be, in a header that is right otherwise.
  std::string impossible = tar_header("b", 0);
  impossible.replace(124, 12, std::string(1, '\x80') + std::string(11, '\xff'));
  EXPECT_EQ(expand("tar", a + with_checksum(impossible) + c + kTarEnd),
            (Found{"a=alpha", "c=gamma", "!damaged"}));
  // Zeros where a member was, and archives one behind the other, are no end.
  EXPECT_EQ(expand("tar", a + std::string(4096, '\0') + c + kTarEnd + a + kTarEnd),
            (Found{"a=alpha", "c=gamma", "a (2)=alpha"}));
  // What says how a member is called goes with it.
  EXPECT_EQ(expand("tar", a + tar_member("././@LongLink", "b\0"s, 'L') + damaged + c + kTarEnd),
            (Found{"a=alpha", "c=gamma", "!damaged"}));
  // Behind the end anything may stand.
  EXPECT_EQ(expand("tar", a + kTarEnd + std::string(3000, 'x')), (Found{"a=alpha"}));
  EXPECT_TRUE(status_);
}

TEST_F(Archive, LinksInATarTakeNoMembersWithThem) {
  const std::string a = tar_member("a", "alpha"), b = tar_member("b", "beta");
  // Old programs give a link, or a folder, the size of what it stands for, without the bytes.
  for (const char type : {'1', '2', '5', '3'}) {
    EXPECT_EQ(expand("tar", a + tar_header("link", 5, type) + b + kTarEnd),
              (Found{"a=alpha", "b=beta"}))
        << type;
    EXPECT_EQ(expand("tar", a + tar_header("link", 5000, type) + kTarEnd), (Found{"a=alpha"}));
  }
  // Others give a hard link its bytes: then it is a file like any other.
  EXPECT_EQ(expand("tar", a + tar_member("hard", "alpha", '1') + b + kTarEnd),
            (Found{"a=alpha", "hard=alpha", "b=beta"}));
  EXPECT_EQ(expand("tar", a + tar_member("folder", "list", '5') + b + kTarEnd),
            (Found{"a=alpha", "b=beta"}));
  EXPECT_TRUE(status_);
}

TEST_F(Archive, SparseMembersOfATarAreNamedAndPassedOver) {
  const std::string b = tar_member("b", "beta");
  // GNU's old way: the map goes on in blocks of its own, which the size does not count.
  std::string old = tar_header("old", 512, 'S');
  old[482] = 1;
  std::string more(512, '\0');
  more[504] = 1;
  EXPECT_EQ(expand("tar", with_checksum(old) + more + std::string(512, '\0') +
                              std::string(512, 'x') + b + kTarEnd),
            (Found{"old!unsupported", "b=beta"}));
  const std::string pax = "22 GNU.sparse.major=1\n28 GNU.sparse.name=real.txt\n";
  EXPECT_EQ(expand("tar", tar_member("h", pax, 'x') + tar_member("GNUSparseFile.0/real.txt", "x") +
                              b + kTarEnd),
            (Found{"real.txt!unsupported", "b=beta"}));
  EXPECT_TRUE(status_);
}

TEST_F(Archive, MembersBeyondTheLimitAreNamed) {
  const std::string tar =
      tar_member("large", std::string(5000, 'x')) + tar_member("small", "s") + kTarEnd;
  EXPECT_EQ(expand("tar", tar, 1000), (Found{"large!too_large", "small=s"}));
  EXPECT_EQ(expand("zip", zip_of({{"large", std::string(5000, 'x')}, {"small", "s"}}), 1000),
            (Found{"large!too_large", "small=s"}));
  EXPECT_EQ(expand("gzip", gzip_of(std::string(5000, 'x')), 1000), (Found{"!too_large"}));
}

TEST_F(Archive, ReadsCompressedSingleFilesByTheirOwnName) {
  EXPECT_EQ(expand("gzip", gzip_of("hello")), (Found{"outer.txt=hello"}));
  EXPECT_EQ(expand("gzip", gzip_of("one ") + gzip_of("two")), (Found{"outer.txt=one two"}));
  EXPECT_EQ(expand("gzip", gzip_of("")), (Found{"outer.txt="}));
  outer_name_ = "dir/a.zip!outer.txt.gz";
  EXPECT_EQ(expand("gzip", gzip_of("hello")), (Found{"outer.txt=hello"}));
  outer_name_ = "dir/outer.txt.gz";
  EXPECT_EQ(expand("zstd", zstd_raw("hello")), (Found{"outer.txt=hello"}));
  EXPECT_EQ(expand("zstd", zstd_raw("one ") + zstd_raw("two")), (Found{"outer.txt=one two"}));
  const std::string bzip2 =
      "\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\x6d\x8a\xbd\xdf\x00\x00\x06\xd9\x80\x00\x10\x40\x00\x10\x00\x3e\x28\x40\x30\x20\x00\x21\xa8\x18\x87\xe9\x08\x06\x80\x35\x20\xa1\x4f\x86\x31\xab\x17\x72\x45\x38\x50\x90\x6d\x8a\xbd\xdf"s;
  EXPECT_EQ(expand("bzip2", bzip2), (Found{"outer.txt=packed by bzip2\n"}));
  const std::string xz =
      "\xfd\x37\x7a\x58\x5a\x00\x00\x01\x69\x22\xde\x36\x02\x00\x21\x01\x16\x00\x00\x00\x74\x2f\xe5\xa3\x01\x00\x0c\x70\x61\x63\x6b\x65\x64\x20\x62\x79\x20\x78\x7a\x0a\x00\x00\x00\x00\xb2\x84\x85\x15\x00\x01\x21\x0d\x75\xdc\xa8\xd2\x90\x42\x99\x0d\x01\x00\x00\x00\x00\x01\x59\x5a"s;
  EXPECT_EQ(expand("xz", xz), (Found{"outer.txt=packed by xz\n"}));
  for (const auto& [kind, bytes] :
       {std::pair("gzip"s, gzip_of(std::string(3000, 'x'))), std::pair("bzip2"s, bzip2),
        std::pair("xz"s, xz), std::pair("zstd"s, zstd_raw(std::string(3000, 'x')))}) {
    for (const size_t keep : {size_t{5}, bytes.size() / 2, bytes.size() - 1}) {
      const Found found = expand(kind, std::string_view(bytes).substr(0, keep));
      EXPECT_TRUE(!status_ || found == Found{"!damaged"}) << kind << keep;
      EXPECT_TRUE(status_ || status_.error().code() == ErrorCode::damaged);
    }
  }
}

TEST_F(Archive, ReadsCompressedTars) {
  const std::string tar = tar_member("a", "alpha") + tar_member("b", "beta") + kTarEnd;
  EXPECT_EQ(expand("gzip", gzip_of(tar)), (Found{"a=alpha", "b=beta"}));
  EXPECT_EQ(expand("zstd", zstd_raw(tar)), (Found{"a=alpha", "b=beta"}));
  std::string wrong = gzip_of(tar);
  wrong[wrong.size() - 6] ^= 1;  // its checksum
  EXPECT_EQ(expand("gzip", wrong), (Found{"a=alpha", "b=beta", "!damaged"}));
}

TEST_F(Archive, ReadsZip) {
  const std::string zip = zip_of(
      {{"folder/", ""}, {"folder/a.txt", "alpha"}, {"b.txt", "beta", 8}, {"b.txt", "again"}});
  EXPECT_EQ(expand("zip", zip), (Found{"folder/a.txt=alpha", "b.txt=beta", "b.txt (2)=again"}));
  EXPECT_TRUE(status_);
  EXPECT_EQ(expand("zip", zip_of({})), Found{});
  EXPECT_TRUE(status_);
}

TEST_F(Archive, BadMembersOfAZipCostThemselvesOnly) {
  const std::string zip = zip_of({{"good", "1"},
                                  {"secret", std::string(20, 's'), 0, 1},
                                  {"wrong", "2", 0, 0, true},
                                  {"strange", "3", 99},
                                  {"last", "4"}});
  EXPECT_EQ(expand("zip", zip), (Found{"good=1", "secret!encrypted", "wrong!damaged",
                                       "strange!unsupported", "last=4"}));
  EXPECT_TRUE(status_);
}

TEST_F(Archive, ATruncatedZipGivesItsGoodFront) {
  const std::string zip = zip_of({{"a", "alpha"},
                                  {"folder/", ""},
                                  {"b", "beta", 8},
                                  {"c", std::string(5000, 'c'), 8},
                                  {"d", "delta"}});
  const Found found = expand("zip", std::string_view(zip).substr(0, 3000));
  // What followed the cut is missing too, so the archive itself is named.
  EXPECT_EQ(found, (Found{"a=alpha", "b=beta", "c!damaged", "!damaged"}));
  EXPECT_TRUE(status_);
  EXPECT_EQ(expand("zip", "PK\x05\x06 and nothing"), Found{});
  ASSERT_FALSE(status_);
  EXPECT_EQ(status_.error().code(), ErrorCode::damaged);
}

TEST_F(Archive, BombsAreStopped) {
  // 256 MiB in 8 KiB.
  EXPECT_EQ(expand("zstd", zstd_zeros(2048), 1ULL << 40), (Found{"!too_large"}));
  // In a tar: what stands before the bomb is kept.
  std::string front = tar_member("a", "alpha") + tar_header("zeros", 256 << 20);
  const std::string bomb = zstd_raw(front) + zstd_zeros(2048);
  EXPECT_EQ(expand("zstd", bomb, 1ULL << 40), (Found{"a=alpha", "zeros!too_large"}));
  // Many members that share their bytes.
  std::vector<ZipEntry> entries(3, {"z", std::string(100, 'z')});
  EXPECT_EQ(expand("zip", zip_of(entries)).size(), 3u);
}

TEST_F(Archive, WhatIsUnpackedForNothingIsCounted) {
  expand("zstd", zstd_zeros(2048), 1ULL << 40);
  EXPECT_GE(refused_, 16u << 20) << "a bomb";
  expand("zstd", zstd_zeros(64), 1 << 20);
  EXPECT_GT(refused_, 1u << 20) << "larger than a member may be";
  EXPECT_LE(refused_, 3u << 20);
  const std::string tar = tar_member("d", std::string(3 << 20, 'x'), '5') +
                          tar_member("large", std::string(5 << 20, 'x')) +
                          tar_member("a", "alpha") + kTarEnd;
  EXPECT_EQ(expand("gzip", gzip_of(tar), 1 << 20), (Found{"large!too_large", "a=alpha"}));
  EXPECT_EQ(passed_over_, 8u << 20);
  EXPECT_EQ(refused_, 0u);
  expand("zip", zip_of({{"a", "alpha", 8}, {"b", "beta"}}));
  EXPECT_EQ(passed_over_ + refused_, 0u) << "all of it came out";
}

TEST_F(Archive, ReadsFromAnOpenFile) {
  const std::string path = testing::TempDir() + "archive_test_" + std::to_string(getpid());
  std::ofstream(path, std::ios::binary) << zip_of({{"a", "alpha"}});
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string got;
  const Status status = expand_archive(
      *pool_, {.outer_name = "x.zip", .kind = "zip"}, {.bytes = {}, .fd = fd.get()},
      [&](Member&& member) -> Status {
        got += member.bytes;
        return {};
      },
      [](MemberProblem&&) { return Status{}; }, [](const UnpackedBytes&) { return Status{}; });
  std::filesystem::remove(path);
  EXPECT_TRUE(status) << status.error().text();
  EXPECT_EQ(got, "alpha");
}

TEST_F(Archive, RandomDamageNeverCrashesTheWorker) {
  const std::string tar =
      tar_member("a", "alpha") + tar_member("b", std::string(3000, 'b')) + kTarEnd;
  const std::vector<std::pair<std::string, std::string>> good = {
      {"tar", tar},
      {"gzip", gzip_of(tar)},
      {"zstd", zstd_raw(tar)},
      {"zip", zip_of({{"a", "alpha", 8}, {"b", std::string(3000, 'b'), 8}, {"c", "gamma"}})}};
  uint64_t random = 88172645463325252ULL;
  for (int round = 0; round < 200; ++round) {
    auto [kind, bytes] = good[static_cast<size_t>(round) % good.size()];
    for (int flips = 0; flips < 4; ++flips) {
      random ^= random << 13, random ^= random >> 7, random ^= random << 17;
      bytes[random % bytes.size()] = static_cast<char>(random >> 32);
    }
    expand(kind, bytes);
    if (!status_) {
      EXPECT_NE(status_.error().code(), ErrorCode::crashed) << kind << round;
      EXPECT_NE(status_.error().code(), ErrorCode::timed_out) << kind << round;
    }
  }
}

TEST_F(Archive, UnknownKindsAreUnsupported) {
  expand("rar", "Rar!");
  ASSERT_FALSE(status_);
  EXPECT_EQ(status_.error().code(), ErrorCode::unsupported);
}

}  // namespace
}  // namespace headrace
