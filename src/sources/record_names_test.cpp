#include "sources/record_names.h"

#include <gtest/gtest.h>

namespace headrace {
namespace {

TEST(RecordNames, EachRecordHasItsOwn) {
  RecordNames names;
  EXPECT_EQ(names.unique("f#a"), "f#a");
  EXPECT_EQ(names.unique("f#b"), "f#b");
  EXPECT_EQ(names.unique("f#a"), "f#a (2)");
  EXPECT_EQ(names.unique("f#a"), "f#a (3)");
  EXPECT_EQ(names.unique("f#a (2)"), "f#a (2) (2)");
}

TEST(RecordNames, NamesThatLookNumberedAreNotGivenTwice) {
  RecordNames names;
  EXPECT_EQ(names.unique("a (2)"), "a (2)");
  EXPECT_EQ(names.unique("a"), "a");
  EXPECT_EQ(names.unique("a"), "a (3)");
}

}  // namespace
}  // namespace headrace
