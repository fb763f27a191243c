#include "sources/record_names.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>

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

TEST(RecordNames, NumbersAreToldApartByHowTheyAreWritten) {
  RecordNames names;
  for (const char* name : {"a6", "a7", "a07", "a8", "a08", "b8", "8", "a", "a99999999999999999999"})
    EXPECT_EQ(names.unique(name), name);
  EXPECT_EQ(names.unique("a07"), "a07 (2)");
  EXPECT_EQ(names.unique("a99999999999999999999"), "a99999999999999999999 (2)");
}

// Numbers that rise, that come again, with gaps, far apart, in two series at once, against a set.
TEST(RecordNames, AgreesWithASetOfNames) {
  std::mt19937_64 random(5);
  RecordNames names;
  std::set<std::string> model;
  uint64_t next = 0;
  for (int step = 0; step < 60'000; ++step) {
    const uint64_t choice = random() % 8;
    if (choice < 5) {
      next += random() % 3;
    } else if (choice == 5) {
      next = random() % 100'000;
    }
    const uint64_t number = choice == 6 ? random() : next;
    const std::string name = (random() % 4 == 0 ? "f#b" : "f#a") + std::to_string(number);
    const bool is_new = model.insert(name).second;
    const std::string given = names.unique(name);
    ASSERT_EQ(given == name, is_new) << name << " at " << step;
    if (!is_new) ASSERT_TRUE(model.insert(given).second) << given << " was given twice";
  }
}

}  // namespace
}  // namespace headrace
