#include "batch/member.h"

#include <gtest/gtest.h>

#include "batch/archive_request.h"

namespace headrace {
namespace {

TEST(Member, SurvivesItsJourney) {
  const Member member{"folder/näme.txt", std::string("bytes\0with nul", 14), 1234567890123456789};
  const auto back = unpack_member(pack_member(member));
  ASSERT_TRUE(back) << back.error().text();
  EXPECT_EQ(back->name, member.name);
  EXPECT_EQ(back->bytes, member.bytes);
  EXPECT_EQ(back->modified_ns, member.modified_ns);
}

TEST(Member, BadNamesAreRepaired) {
  Member member;
  member.name = "a\xff";
  EXPECT_EQ(unpack_member(pack_member(member))->name, "a\xEF\xBF\xBD");
}

TEST(Member, TruncatedIsDamaged) {
  EXPECT_EQ(unpack_member("").error().code(), ErrorCode::damaged);
  EXPECT_FALSE(unpack_member(pack_member({"long name", "", 0}).substr(0, 14)));
}

TEST(MemberProblem, SurvivesItsJourney) {
  const MemberProblem problem{"x", Error(ErrorCode::encrypted, "needs a password", "give it")};
  const std::string packed = pack_problem(problem);
  const auto back = unpack_problem(packed);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->name, "x");
  EXPECT_EQ(back->error.code(), ErrorCode::encrypted);
  EXPECT_EQ(back->error.text(), "needs a password; give it");
  for (size_t n = 0; n < packed.size(); ++n) EXPECT_FALSE(unpack_problem(packed.substr(0, n)));
  EXPECT_FALSE(unpack_problem(packed + "x"));
  EXPECT_FALSE(unpack_problem("\xff" + packed.substr(1))) << "an unknown code";
}

TEST(UnpackedBytes, SurvivesItsJourney) {
  const std::string packed = pack_unpacked({.passed_over = 5, .refused = 1ULL << 40});
  const auto back = unpack_unpacked(packed);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->passed_over, 5u);
  EXPECT_EQ(back->refused, 1ULL << 40);
  for (size_t n = 0; n < packed.size(); ++n) EXPECT_FALSE(unpack_unpacked(packed.substr(0, n)));
  EXPECT_FALSE(unpack_unpacked(packed + "x"));
}

TEST(ArchiveRequest, SurvivesItsJourney) {
  const auto back = unpack_archive_request(pack_archive_request({"a.zip", "zip", 5, 7}));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->outer_name, "a.zip");
  EXPECT_EQ(back->kind, "zip");
  EXPECT_EQ(back->member_bytes_max, 5u);
  EXPECT_EQ(back->total_bytes_max, 7u);
  EXPECT_FALSE(unpack_archive_request("nonsense"));
}

}  // namespace
}  // namespace headrace
