// The pool against a worker that misbehaves in every way. This executable is its own worker: when
// it is started with --worker it serves the operations below (see main at the end).
#include "runtime/worker_pool.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "runtime/sandbox.h"
#include "runtime/thread_pool.h"
#include "runtime/unique_fd.h"
#include "runtime/worker_main.h"
#include "runtime/worker_process.h"

namespace headrace {
namespace {

// --- inside the worker -----------------------------------------------------------------------

Status echo(WorkerCall& call) {
  HR_TRY(call.emit(7, call.params()));
  return call.emit(8, call.input());
}

Status process_id(WorkerCall& call) {
  return call.emit(1, std::to_string(getpid()));
}

Status many_frames(WorkerCall& call) {
  const size_t count = std::stoul(std::string(call.params()));
  for (size_t i = 0; i < count; ++i)
    HR_TRY(call.emit(static_cast<uint32_t>(i),
                     std::string(i % 5000, static_cast<char>('a' + i % 26))));
  return {};
}

Status endless_frames(WorkerCall& call) {
  const std::string piece(100000, 'x');
  for (;;) HR_TRY(call.emit(1, piece));
}

Status hang(WorkerCall&) {
  volatile bool on = true;
  while (on) {
  }
  return {};
}

// Shows something, then nothing any more.
Status emit_and_hang(WorkerCall& call) {
  for (int i = 0; i < 3; ++i) HR_TRY(call.emit(1, std::to_string(i)));
  return hang(call);
}

Status emit_and_abort(WorkerCall& call) {
  HR_TRY(call.emit(1, std::string(3 << 20, 'x')));  // more than one half holds
  HR_TRY(call.emit(2, "last words"));
  std::abort();
}

Status null_pointer(WorkerCall&) {
  volatile int* nothing = nullptr;
  *nothing = 1;
  return {};
}

Status abort_now(WorkerCall&) {
  std::abort();
}

Status leave(WorkerCall&) {
  _exit(0);
}

int deeper(int depth) {
  volatile char room[4096] = {};
  room[depth % 4096] = 1;
  return depth < 0 ? 0 : deeper(depth + 1) + room[depth % 4096];
}
Status stack_overflow(WorkerCall& call) {
  return call.emit(1, std::to_string(deeper(0)));
}

Status memory_bomb(WorkerCall& call) {
  std::vector<std::string> all;
  for (;;) all.emplace_back(1 << 20, 'x');
  return call.emit(1, all.front());
}

// As a C library does that does not look at what malloc gave it.
Status careless_memory_bomb(WorkerCall&) {
  for (;;) {
    void* memory =
        mmap(nullptr, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) std::abort();
    std::memset(memory, 1, 4 << 20);
  }
}

Status open_socket(WorkerCall&) {
  socket(AF_INET, SOCK_STREAM, 0);
  return {};
}

Status open_file(WorkerCall& call) {
  std::ifstream file("/etc/hostname");
  return call.emit(1, file ? "opened" : "refused");
}

Status start_process(WorkerCall&) {
  char* const arguments[] = {const_cast<char*>("/bin/true"), nullptr};
  execve("/bin/true", arguments, nullptr);
  return {};
}

Status run_code(WorkerCall&) {
  mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return {};
}

Status list_descriptors(WorkerCall& call) {
  std::string open;
  for (int fd = 0; fd < 64; ++fd)
    if (lseek(fd, 0, SEEK_CUR) >= 0 || errno != EBADF) open += std::to_string(fd) + " ";
  return call.emit(1, open);
}

Status reports_error(WorkerCall&) {
  return fail(ErrorCode::encrypted, "the file needs a password", "give it one");
}

Status throws(WorkerCall&) {
  throw std::runtime_error("a library's exception");
}

const std::map<std::string, WorkerHandler>& handlers() {
  static const std::map<std::string, WorkerHandler> all = {{"echo", echo},
                                                           {"pid", process_id},
                                                           {"many", many_frames},
                                                           {"endless", endless_frames},
                                                           {"hang", hang},
                                                           {"emit_hang", emit_and_hang},
                                                           {"emit_abort", emit_and_abort},
                                                           {"null", null_pointer},
                                                           {"abort", abort_now},
                                                           {"leave", leave},
                                                           {"stack", stack_overflow},
                                                           {"memory", memory_bomb},
                                                           {"careless", careless_memory_bomb},
                                                           {"socket", open_socket},
                                                           {"open", open_file},
                                                           {"exec", start_process},
                                                           {"code", run_code},
                                                           {"fds", list_descriptors},
                                                           {"error", reports_error},
                                                           {"throw", throws}};
  return all;
}

// --- outside ---------------------------------------------------------------------------------

std::unique_ptr<WorkerPool> make_pool(size_t workers_max = 2, double deadline_s = 60) {
  WorkerPoolOptions options;
  options.executable = std::filesystem::read_symlink("/proc/self/exe");
  options.workers_max = workers_max;
  options.deadline_s = deadline_s;
  options.memory_bytes_max = 64 << 20;
  auto pool = WorkerPool::create(options);
  if (!pool) {
    ADD_FAILURE() << pool.error().text();
    std::abort();
  }
  return std::move(*pool);
}

struct Output {
  Status status;
  std::vector<std::pair<uint32_t, std::string>> frames;
  std::string first() const { return frames.empty() ? "" : frames[0].second; }
};

Output run(WorkerPool& pool, const std::string& op, std::string_view input = {},
           const std::string& params = {}, const ProcessorLimits& processor = {}) {
  Output output;
  WorkerRequest request{.op = op, .params = params, .input = input, .processor = processor};
  output.status = pool.run(request, [&](uint32_t kind, std::string_view bytes) -> Status {
    output.frames.emplace_back(kind, bytes);
    return {};
  });
  return output;
}

ErrorCode code_of(const Output& output) {
  return output.status ? ErrorCode::invalid_argument : output.status.error().code();
}

// Every failure must leave a pool that still works.
void expect_works(WorkerPool& pool) {
  EXPECT_EQ(run(pool, "echo", "input", "params").frames,
            (std::vector<std::pair<uint32_t, std::string>>{{7, "params"}, {8, "input"}}));
}

TEST(WorkerPool, RunsJobsAndReusesProcesses) {
  auto pool = make_pool(1);
  EXPECT_EQ(pool->alive(), 0u) << "nothing is started before there is a job";
  const std::string pid = run(*pool, "pid").first();
  for (int i = 0; i < 200; ++i) expect_works(*pool);
  EXPECT_EQ(run(*pool, "pid").first(), pid);
  EXPECT_EQ(pool->alive(), 1u);
}

TEST(WorkerPool, ALargeProcessKeepsItsSmallWorkers) {
  if (sandbox_is_relaxed()) GTEST_SKIP() << "sanitizers make a worker large";
  // A process begins with the peak of the one that starts it.
  const std::string held(400 << 20, 'h');
  auto pool = make_pool(1);
  const std::string pid = run(*pool, "pid").first();
  EXPECT_EQ(run(*pool, "pid").first(), pid) << held.size();
}

TEST(WorkerPool, ReplacesAProcessAfterManyJobs) {
  auto pool = make_pool(1);
  const std::string pid = run(*pool, "pid").first();
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(run(*pool, "echo", "x").status);
  EXPECT_NE(run(*pool, "pid").first(), pid);
}

TEST(WorkerPool, PassesEmptyAndLargeInputsAndFrames) {
  auto pool = make_pool();
  EXPECT_EQ(run(*pool, "echo").frames.size(), 2u);
  std::string large(9 << 20, '\0');
  for (size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 31 >> 7);
  const Output output = run(*pool, "echo", large, std::string(60000, 'p'));
  ASSERT_TRUE(output.status) << output.status.error().text();
  EXPECT_EQ(output.frames[0].second, std::string(60000, 'p'));
  EXPECT_TRUE(output.frames[1].second == large);
}

TEST(WorkerPool, KeepsFramesInOrder) {
  auto pool = make_pool();
  const Output output = run(*pool, "many", {}, "5000");
  ASSERT_TRUE(output.status);
  ASSERT_EQ(output.frames.size(), 5000u);
  for (size_t i = 0; i < output.frames.size(); ++i) {
    ASSERT_EQ(output.frames[i].first, i);
    ASSERT_EQ(output.frames[i].second, std::string(i % 5000, static_cast<char>('a' + i % 26)));
  }
}

TEST(WorkerPool, ReadsFromADescriptorThatTheWorkerCannotWrite) {
  auto pool = make_pool();
  const std::string path = testing::TempDir() + "worker_input_" + std::to_string(getpid());
  std::ofstream(path) << "from a file";
  const UniqueFd fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
  std::string got;
  const Status status = pool->run({.op = "echo", .params = {}, .input = {}, .input_fd = fd.get()},
                                  [&](uint32_t kind, std::string_view bytes) -> Status {
                                    if (kind == 8) got = bytes;
                                    return {};
                                  });
  std::filesystem::remove(path);
  ASSERT_TRUE(status) << status.error().text();
  EXPECT_EQ(got, "from a file");
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd in(ends[0]), out(ends[1]);
  const Status refused = pool->run({.op = "echo", .params = {}, .input = {}, .input_fd = in.get()},
                                   [](uint32_t, std::string_view) { return Status{}; });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::invalid_argument);
}

TEST(WorkerPool, ReportsTheJobsOwnErrors) {
  auto pool = make_pool();
  const Output output = run(*pool, "error");
  ASSERT_FALSE(output.status);
  EXPECT_EQ(output.status.error().code(), ErrorCode::encrypted);
  EXPECT_EQ(output.status.error().message(), "the file needs a password");
  EXPECT_EQ(output.status.error().hint(), "give it one");
  EXPECT_EQ(code_of(run(*pool, "no such thing")), ErrorCode::unsupported);
  EXPECT_EQ(code_of(run(*pool, "throw")), ErrorCode::internal);
  expect_works(*pool);
}

TEST(WorkerPool, ACrashCostsOneJob) {
  auto pool = make_pool(1);
  for (const char* op : {"null", "abort", "leave"}) {
    const Output output = run(*pool, op);
    EXPECT_EQ(code_of(output), ErrorCode::crashed) << op;
    expect_works(*pool);
  }
}

TEST(WorkerPool, StackOverflowIsNamed) {
  if (sandbox_is_relaxed()) GTEST_SKIP() << "sanitizers catch this themselves";
  auto pool = make_pool(1);
  const Output output = run(*pool, "stack");
  ASSERT_EQ(code_of(output), ErrorCode::crashed);
  EXPECT_NE(output.status.error().message().find("stack"), std::string::npos);
  expect_works(*pool);
}

TEST(WorkerPool, AHangIsKilledAtTheDeadline) {
  auto pool = make_pool(1, 0.2);
  EXPECT_EQ(code_of(run(*pool, "hang")), ErrorCode::timed_out);
  expect_works(*pool);
}

TEST(WorkerPool, ProcessorTimeWithoutOutputIsLimited) {
  auto pool = make_pool(1);
  const Output output = run(*pool, "emit_hang", {}, {}, {.idle_s = 0.1});
  ASSERT_EQ(code_of(output), ErrorCode::timed_out);
  EXPECT_NE(output.status.error().message().find("0.1 s of processor time"), std::string::npos)
      << output.status.error().text();
  EXPECT_EQ(output.frames,
            (std::vector<std::pair<uint32_t, std::string>>{{1, "0"}, {1, "1"}, {1, "2"}}))
      << "what it had done before is kept";
  expect_works(*pool);
}

TEST(WorkerPool, ProcessorTimeInAllIsLimitedOverSeveralJobs) {
  auto pool = make_pool(1);
  ProcessorAllowance allowance(0.3);
  bool any = false;
  const Status status = pool->run({.op = "endless",
                                   .params = {},
                                   .input = {},
                                   .processor = {.idle_s = 60, .allowance = &allowance}},
                                  [&](uint32_t, std::string_view) {
                                    any = true;
                                    return Status{};
                                  });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::timed_out);
  EXPECT_NE(status.error().message().find("0.3 s of processor time"), std::string::npos);
  EXPECT_TRUE(any) << "each output is progress";
  EXPECT_TRUE(allowance.used_up());
  const Output output = run(*pool, "hang", {}, {}, {.allowance = &allowance});
  EXPECT_EQ(code_of(output), ErrorCode::timed_out) << "nothing is left for another job";
  expect_works(*pool);
}

TEST(WorkerPool, WhatWasEmittedBeforeACrashIsKept) {
  auto pool = make_pool(1);
  const Output output = run(*pool, "emit_abort");
  EXPECT_EQ(code_of(output), ErrorCode::crashed);
  ASSERT_EQ(output.frames.size(), 2u);
  EXPECT_EQ(output.frames[0].second, std::string(3 << 20, 'x'));
  EXPECT_EQ(output.frames[1].second, "last words");
  expect_works(*pool);
}

TEST(WorkerPool, SharedInputServesSeveralJobs) {
  auto pool = make_pool(1);
  const auto shared = WorkerPool::share("shared bytes");
  ASSERT_TRUE(shared) << shared.error().text();
  for (int i = 0; i < 2; ++i) {
    std::string got;
    const Status status =
        pool->run({.op = "echo", .params = {}, .input = {}, .input_fd = shared->get()},
                  [&](uint32_t kind, std::string_view bytes) -> Status {
                    if (kind == 8) got = bytes;
                    return {};
                  });
    ASSERT_TRUE(status) << status.error().text();
    EXPECT_EQ(got, "shared bytes");
  }
}

TEST(WorkerPool, MemoryIsLimited) {
  if (sandbox_is_relaxed()) GTEST_SKIP() << "sanitizers need address space without limit";
  auto pool = make_pool(1);
  for (const char* op : {"memory", "careless"}) {
    const Output output = run(*pool, op);
    ASSERT_EQ(code_of(output), ErrorCode::out_of_budget) << op << output.status.error().text();
    EXPECT_NE(output.status.error().message().find("64 MiB"), std::string::npos);
    expect_works(*pool);
  }
}

TEST(WorkerPool, TheInputDoesNotCountAgainstTheMemoryLimit) {
  auto pool = make_pool(1);
  const std::string input(100 << 20, 'i');
  uint64_t bytes = 0;
  const Status status = pool->run({.op = "echo", .params = {}, .input = input},
                                  [&](uint32_t, std::string_view frame) -> Status {
                                    bytes += frame.size();
                                    return {};
                                  });
  EXPECT_TRUE(status) << status.error().text();
  EXPECT_EQ(bytes, input.size());
}

TEST(WorkerPool, ForbiddenSystemCallsEndTheProcess) {
  auto pool = make_pool(1);
  expect_works(*pool);
  if (!pool->sandboxed()) GTEST_SKIP() << "no system-call filter here";
  for (const char* op : {"socket", "exec", "code"}) {
    const Output output = run(*pool, op);
    ASSERT_EQ(code_of(output), ErrorCode::crashed) << op;
    EXPECT_NE(output.status.error().message().find("sandbox"), std::string::npos);
    expect_works(*pool);
  }
  EXPECT_EQ(run(*pool, "open").first(), "refused");
}

TEST(WorkerPool, TheWorkerInheritsNothing) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);  // without O_CLOEXEC, as a careless library does
  const UniqueFd in(ends[0]), out(ends[1]);
  auto pool = make_pool(1);
  if (sandbox_is_relaxed()) GTEST_SKIP() << "sanitizers may hold descriptors of their own";
  EXPECT_EQ(run(*pool, "fds").first(), "0 1 2 3 ");
}

TEST(WorkerPool, AnErrorOfTheCallerStopsAnEndlessJob) {
  auto pool = make_pool(1);
  int frames = 0;
  const Status status = pool->run({.op = "endless", .params = {}, .input = {}},
                                  [&](uint32_t, std::string_view) -> Status {
                                    if (++frames == 50) return fail(ErrorCode::too_large, "enough");
                                    return {};
                                  });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::too_large);
  EXPECT_EQ(frames, 50);
  expect_works(*pool);
}

TEST(WorkerPool, CancellationEndsAJobAndAWait) {
  auto pool = make_pool(1);
  CancelToken cancel;
  std::atomic<int> cancelled{0};
  std::atomic<bool> running{false};
  {
    ThreadPool threads(3);
    threads.submit([&] {
      const Status status = pool->run(
          {.op = "endless", .params = {}, .input = {}},
          [&](uint32_t, std::string_view) -> Status {
            running = true;
            running.notify_all();
            return {};
          },
          &cancel);
      cancelled += !status && status.error().code() == ErrorCode::cancelled;
    });
    threads.submit([&] {
      running.wait(false);  // the only process is taken from here on
      const Status status = pool->run(
          {.op = "hang", .params = {}, .input = {}},
          [](uint32_t, std::string_view) { return Status{}; }, &cancel);
      cancelled += !status && status.error().code() == ErrorCode::cancelled;
    });
    threads.submit([&] {
      running.wait(false);
      cancel.request();
    });
  }
  EXPECT_EQ(cancelled, 2);
  expect_works(*pool);
}

TEST(WorkerPool, ManyThreadsShareFewProcesses) {
  auto pool = make_pool(2);
  ThreadPool threads(6);
  std::atomic<int> wrong{0};
  threads.parallel_for(300, [&](size_t i) {
    const std::string input = std::string(i * 37, 'x') + std::to_string(i);
    if (i % 50 == 17) {
      wrong += code_of(run(*pool, "abort")) != ErrorCode::crashed;
    } else {
      const Output output = run(*pool, "echo", input);
      wrong += !output.status || output.frames.size() != 2 || output.frames[1].second != input;
    }
  });
  EXPECT_EQ(wrong, 0);
  EXPECT_LE(pool->alive(), 2u);
}

// Whether the process `pid` is gone (waits for it, up to a bound that only a failure reaches).
bool is_gone(pid_t pid, const UniqueFd& pid_fd) {
  if (!pid_fd.valid()) return kill(pid, 0) != 0;
  pollfd entry = {pid_fd.get(), POLLIN, 0};
  return poll(&entry, 1, 30000) == 1;
}

UniqueFd open_pid(pid_t pid) {
  return UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
}

TEST(WorkerPool, LeavesNoProcessBehind) {
  pid_t pid = 0;
  UniqueFd pid_fd;
  {
    auto pool = make_pool(2);
    pid = std::stoi(run(*pool, "pid").first());
    pid_fd = open_pid(pid);
    // Sanitizers make a worker so large that it is let go after its answer.
    if (!sandbox_is_relaxed()) {
      EXPECT_EQ(kill(pid, 0), 0);
    }
  }
  EXPECT_EQ(kill(pid, 0), -1) << "dead and waited for";
}

TEST(WorkerPool, AnIdleProcessKilledFromOutsideIsReplaced) {
  auto pool = make_pool(1);
  const pid_t pid = std::stoi(run(*pool, "pid").first());
  const UniqueFd pid_fd = open_pid(pid);
  kill(pid, SIGKILL);
  ASSERT_TRUE(is_gone(pid, pid_fd));
  expect_works(*pool);
}

TEST(WorkerPool, WorkersDieWithTheirParent) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd in(ends[0]);
  UniqueFd out(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out.get(), 1);
  std::string self = std::filesystem::read_symlink("/proc/self/exe");
  char orphan[] = "--orphan";
  char* const arguments[] = {self.data(), orphan, nullptr};
  pid_t parent = 0;
  ASSERT_EQ(posix_spawn(&parent, self.c_str(), &actions, nullptr, arguments, environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  out.reset();
  std::string line;
  for (char c = 0; read(in.get(), &c, 1) == 1 && c != '\n';) line += c;
  const pid_t worker = std::stoi(line);
  const UniqueFd worker_fd = open_pid(worker);
  kill(parent, SIGKILL);
  waitpid(parent, nullptr, 0);
  EXPECT_TRUE(is_gone(worker, worker_fd));
}

TEST(WorkerPool, SaysWhatIsMissing) {
  const auto pool = WorkerPool::create({.executable = "/no/such/headrace-worker"});
  ASSERT_FALSE(pool);
  EXPECT_EQ(pool.error().code(), ErrorCode::not_found);
  EXPECT_FALSE(WorkerPool::create({.deadline_s = 0}));
  WorkerPoolOptions options;
  options.executable = std::filesystem::read_symlink("/proc/self/exe");
  options.pdfium_library = "/no/such/libpdfium.so";
  auto without_pdfium = WorkerPool::create(options);
  ASSERT_TRUE(without_pdfium);
  const Output output = run(**without_pdfium, "pdf", "%PDF-");
  ASSERT_EQ(code_of(output), ErrorCode::unsupported);
  EXPECT_NE(output.status.error().hint().find("pypdfium2"), std::string::npos);
}

TEST(WorkerPool, AnExecutableThatIsNoWorkerIsAnError) {
  WorkerPoolOptions options;
  options.executable = "/bin/true";
  auto pool = WorkerPool::create(options);
  ASSERT_TRUE(pool);
  EXPECT_EQ(code_of(run(**pool, "echo")), ErrorCode::internal);
}

// The parent that WorkersDieWithTheirParent kills while its worker is busy.
int orphan_main() {
  auto pool = make_pool(1);
  const std::string line = run(*pool, "pid").first() + "\n";
  if (write(1, line.data(), line.size()) < 0) return 1;
  return run(*pool, "hang").status ? 0 : 1;
}

}  // namespace
}  // namespace headrace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  if (mode == "--worker") return headrace::worker_main(argc, argv, headrace::handlers(), {});
  if (mode == "--orphan") return headrace::orphan_main();
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
