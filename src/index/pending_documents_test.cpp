#include "index/pending_documents.h"

#include <gtest/gtest.h>

namespace headrace::index {
namespace {

DocumentState state_of(const std::string& source, uint32_t rows) {
  DocumentState state;
  state.source = source;
  state.row_count = rows;
  return state;
}

// Its rows; -1: removed; -2: these changes say nothing about it.
int rows(const PendingDocuments& documents, const std::string& source) {
  std::optional<DocumentState> state;
  if (!documents.find(source, state)) return -2;
  return state ? static_cast<int>(state->row_count) : -1;
}

TEST(PendingDocuments, TheLastChangeOfADocumentCounts) {
  PendingDocuments documents;
  documents.set("a", state_of("a", 3));
  documents.set("b", state_of("b", 3));
  documents.set_row("a");
  EXPECT_EQ(rows(documents, "a"), 1);
  documents.set("a", std::nullopt);
  EXPECT_EQ(rows(documents, "a"), -1);
  EXPECT_EQ(rows(documents, "b"), 3);
  EXPECT_EQ(rows(documents, "c"), -2);
}

TEST(PendingDocuments, LaterOnesTakeThePlaceOfEarlierOnes) {
  PendingDocuments documents;
  documents.set("state, then row", state_of("", 5));
  documents.set_row("row, then state");
  documents.set("state, then both", state_of("", 5));
  documents.set("stays", state_of("", 7));
  PendingDocuments later;
  later.set_row("state, then row");
  later.set("row, then state", state_of("", 4));
  later.set_row("state, then both");
  later.set("state, then both", state_of("", 6));
  documents.add(std::move(later));
  EXPECT_EQ(rows(documents, "state, then row"), 1);
  EXPECT_EQ(rows(documents, "row, then state"), 4);
  EXPECT_EQ(rows(documents, "state, then both"), 6);
  EXPECT_EQ(rows(documents, "stays"), 7);
}

}  // namespace
}  // namespace headrace::index
