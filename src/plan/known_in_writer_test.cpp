#include "plan/known_in_writer.h"

#include <gtest/gtest.h>

#include <set>

#include "env/simulated_file_system.h"

namespace headrace {
namespace {

class KnownTest : public testing::Test {
 protected:
  KnownTest() {
    index::WriterOptions options;
    options.background = false;
    writer_ = std::move(*index::Writer::open(files_, "/kb", options));
  }
  void put(const std::string& source, const std::string& container, bool failed = false) {
    index::DocumentWrite write;
    write.source = source;
    write.container = container;
    if (failed) write.error = DocumentError{source, "decode", Error(ErrorCode::damaged, "broken")};
    ASSERT_TRUE(writer_->put(std::move(write)));
  }
  static std::set<std::string> members(const KnownInWriter& known, const std::string& container) {
    std::set<std::string> sources;
    EXPECT_TRUE(known.for_each_member(container, [&](std::string_view source) -> Status {
      EXPECT_TRUE(sources.emplace(source).second) << source << " is there twice";
      return {};
    }));
    return sources;
  }

  SimulatedFileSystem files_{1};
  std::unique_ptr<index::Writer> writer_;
};

TEST_F(KnownTest, MembersAreThoseOfTheStart) {
  put("plain.txt", "");
  put("a.zip!1.txt", "a.zip");
  put("b.zip!1.txt", "b.zip");
  put("a.zip!2.txt", "a.zip");
  ASSERT_TRUE(writer_->commit());
  ASSERT_TRUE(writer_->flush());
  put("a.zip!2.txt", "a.zip");  // again: its first entry is stale
  put("a.zip!3.txt", "a.zip");
  put("a.zip", "");
  ASSERT_TRUE(writer_->commit());
  const KnownInWriter known(*writer_);
  put("a.zip!4.txt", "a.zip");
  ASSERT_TRUE(writer_->remove("a.zip!1.txt"));
  ASSERT_TRUE(writer_->commit());
  EXPECT_EQ(known.member_count("a.zip"), 3u);
  EXPECT_EQ(known.member_count("b.zip"), 1u);
  EXPECT_EQ(known.member_count("plain.txt"), 0u);
  EXPECT_EQ(members(known, "a.zip"),
            (std::set<std::string>{"a.zip!1.txt", "a.zip!2.txt", "a.zip!3.txt"}));
  EXPECT_EQ(members(known, "b.zip"), (std::set<std::string>{"b.zip!1.txt"}));
  EXPECT_TRUE(members(known, "plain.txt").empty());
}

TEST_F(KnownTest, AMailInAnArchiveHasItsAttachmentsBeneathIt) {
  put("a.zip!m.eml", "a.zip");
  put("a.zip!m.eml!z.pdf", "a.zip");
  put("a.zip!m.eml!a.pdf", "a.zip");
  put("a.zip!m.eml.txt", "a.zip");
  put("a.zip!n.eml!a.pdf", "a.zip");
  ASSERT_TRUE(writer_->commit());
  const KnownInWriter known(*writer_);
  EXPECT_EQ(known.beneath("a.zip", "a.zip!m.eml"),
            (std::vector<std::string>{"a.zip!m.eml!a.pdf", "a.zip!m.eml!z.pdf"}));
  EXPECT_TRUE(known.beneath("a.zip", "a.zip!m.eml.txt").empty());
  EXPECT_TRUE(known.beneath("b.zip", "b.zip!m.eml").empty());
}

TEST_F(KnownTest, AFailureMarksAllThatItCameOutOf) {
  put("a.zip!b.zip!c.eml!d.pdf", "a.zip", true);
  put("e.zip!f.txt", "e.zip");
  ASSERT_TRUE(writer_->commit());
  const KnownInWriter known(*writer_);
  EXPECT_TRUE(known.has_failures("a.zip"));
  EXPECT_TRUE(known.has_failures("a.zip!b.zip"));
  EXPECT_TRUE(known.has_failures("a.zip!b.zip!c.eml"));
  EXPECT_FALSE(known.has_failures("e.zip"));
}

}  // namespace
}  // namespace headrace
