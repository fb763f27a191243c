#include "base/name_set.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>

namespace headrace {
namespace {

TEST(NameSet, NumbersAreToldApartByHowTheyAreWritten) {
  NameSet names;
  const char* const all[] = {"a6", "a7", "a07", "a8", "a08",
                             "b8", "8",  "a",   "",   "a99999999999999999999"};
  for (const char* name : all) {
    EXPECT_FALSE(names.contains(name)) << name;
    EXPECT_TRUE(names.insert(name)) << name;
  }
  for (const char* name : all) {
    EXPECT_TRUE(names.contains(name)) << name;
    EXPECT_FALSE(names.insert(name)) << name;
  }
}

TEST(NameSet, NamesThatCountOnTakeABitEach) {
  NameSet names;
  for (int i = 0; i < 100'000; ++i) EXPECT_TRUE(names.insert("f#d" + std::to_string(2 * i)));
  EXPECT_LE(names.pages(), 200'000U / 1024 + 1);
  EXPECT_GE(names.pages(), 190U);
  EXPECT_FALSE(names.contains("f#d77777"));
  EXPECT_FALSE(names.insert("f#d77778"));
  // Numbers without an order have no pages of their own.
  NameSet scattered;
  std::mt19937_64 random(1);
  for (int i = 0; i < 10'000; ++i) scattered.insert("f#" + std::to_string(random() >> 8));
  EXPECT_EQ(scattered.pages(), 0U);
}

// Numbers that rise, that come again, with gaps, far apart, in two series at once, against a set.
TEST(NameSet, AgreesWithASetOfNames) {
  std::mt19937_64 random(5);
  NameSet names;
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
    ASSERT_EQ(names.contains(name), model.contains(name)) << name << " at " << step;
    ASSERT_EQ(names.insert(name), model.insert(name).second) << name << " at " << step;
  }
  EXPECT_GT(names.pages(), 0U);
}

}  // namespace
}  // namespace headrace
