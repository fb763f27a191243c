// Runs one decode job in the real headrace-worker, for tests of its formats.
//
// Owns: a WorkerPool, shared by the tests of one executable. Threads: one test at a time. Errors:
// those of the job.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/utf8.h"
#include "batch/document.h"
#include "batch/member.h"
#include "decode/wire.h"
#include "runtime/worker_pool.h"

namespace headrace {

struct WorkerOutput {
  Document document;
  std::vector<Member> members;
  std::vector<MemberProblem> problems;
  std::string text;
};

inline Result<WorkerOutput> run_worker(const std::string& op, const std::string& params,
                                       std::string_view input) {
  WorkerPoolOptions options;
  options.workers_max = 1;
  options.deadline_s = 600;  // a sanitizer on a busy machine is no hanging decoder
  static auto pool = WorkerPool::create(options);
  if (!pool) return std::unexpected<Error>(pool.error());
  WorkerOutput output;
  HR_TRY((*pool)->run({op, params, input}, [&](uint32_t kind, std::string_view bytes) -> Status {
    switch (static_cast<WireFrame>(kind)) {
      case WireFrame::document: {
        HR_ASSIGN(output.document, unpack_document(bytes));
        return {};
      }
      case WireFrame::member: {
        HR_ASSIGN(Member member, unpack_member(bytes));
        output.members.push_back(std::move(member));
        return {};
      }
      case WireFrame::unpacked:
        return {};
      case WireFrame::problem: {
        HR_ASSIGN(MemberProblem problem, unpack_problem(bytes));
        output.problems.push_back(std::move(problem));
        return {};
      }
      case WireFrame::text:
        output.text = bytes;
        return {};
      default:
        return fail(ErrorCode::internal, "a frame of an unknown kind");
    }
  }));
  return output;
}

// Each block on a line of its own, "kind level page: text", so that a test shows a whole document.
inline std::string outline(const Document& document) {
  static constexpr const char* kNames[] = {"p", "h", "li", "row", "code", "quote", "caption"};
  std::string out;
  for (const Block& block : document.blocks) {
    out += kNames[static_cast<size_t>(block.kind)];
    if (block.level > 0) out += std::to_string(block.level);
    if (block.page > 0) out += "@" + std::to_string(block.page);
    out += ": " + document.text.substr(block.begin, block.end - block.begin) + "\n";
  }
  return out;
}

// The metadata value as a string, or empty.
inline std::string metadata_of(const Document& document, const std::string& key) {
  const auto found = document.metadata.find(key);
  if (found == document.metadata.end()) return {};
  const auto* value = std::get_if<std::string>(&found->second);
  return value ? *value : std::string();
}

// The error code of a job that must fail with a message.
inline ErrorCode failure_of(const Result<WorkerOutput>& output) {
  EXPECT_FALSE(output.has_value());
  if (output) return ErrorCode::internal;
  EXPECT_FALSE(output.error().message().empty());
  return output.error().code();
}

}  // namespace headrace
