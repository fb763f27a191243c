#include "runtime/worker_main.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>

#include "base/utf8.h"
#include "runtime/sandbox.h"
#include "runtime/unique_fd.h"
#include "runtime/worker_protocol.h"

namespace headrace {
namespace {

// For the handlers of fatal signals, which have no other way to reach these.
SlabLastWords* last_words = nullptr;
uint64_t memory_limit = 0;
uintptr_t stack_low = 0;

void note_failed_allocation() {
  last_words->out_of_memory.store(1, std::memory_order_relaxed);
  throw std::bad_alloc();
}

// Runs on its own stack. Says what it can about why the process dies, then lets it die of the same
// signal. C libraries abort or run into null where an allocation fails; whether memory was short
// is told by trying to get some.
void on_fatal_signal(int signal, siginfo_t* info, void*) {
  constexpr uintptr_t kNear = 1u << 20;
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  if (signal == SIGSEGV && address + kNear > stack_low && address < stack_low + kNear)
    last_words->stack_overflow.store(1, std::memory_order_relaxed);
  const size_t probe = static_cast<size_t>(memory_limit / 16);
  if (memory_limit > 0) {
    void* memory = mmap(nullptr, probe, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) last_words->out_of_memory.store(1, std::memory_order_relaxed);
  }
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  sigaction(signal, &action, nullptr);
  raise(signal);
}

void watch_fatal_signals() {
  static std::array<char, 64 << 10> signal_stack;
  const stack_t stack = {
      .ss_sp = signal_stack.data(), .ss_flags = 0, .ss_size = signal_stack.size()};
  sigaltstack(&stack, nullptr);
  rlimit limit = {};
  getrlimit(RLIMIT_STACK, &limit);
  const uint64_t stack_bytes = std::min<uint64_t>(limit.rlim_cur, 8u << 20);
  stack_low = reinterpret_cast<uintptr_t>(&limit) - stack_bytes;
  struct sigaction action = {};
  action.sa_sigaction = on_fatal_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTRAP})
    sigaction(signal, &action, nullptr);
}

// The output side: fills the halves of the slab in turn.
class Slab {
 public:
  Slab(int control, char* memory) : control_(control), halves_(memory + kSlabPageBytes) {}

  // Records go out at once when a half is full, and otherwise at least once a second, so that the
  // pool sees a long job move.
  Status append(uint32_t kind, std::string_view bytes) {
    do {
      if (room() <= sizeof(SlabRecord)) HR_TRY(flush());
      const size_t take = std::min(bytes.size(), room() - sizeof(SlabRecord));
      const SlabRecord record{kind, take < bytes.size() ? 1u : 0u, take};
      char* out = half() + used_;
      std::memcpy(out, &record, sizeof record);
      if (take > 0) std::memcpy(out + sizeof record, bytes.data(), take);
      used_ = std::min(kSlabHalfBytes, used_ + sizeof record + ((take + 7) & ~size_t{7}));
      note_unsent(used_);
      bytes.remove_prefix(take);
    } while (!bytes.empty());
    const auto now = std::chrono::steady_clock::now();
    if (now - flushed_ > std::chrono::seconds(1)) return flush();
    return {};
  }

  void begin_job() {
    used_ = 0;
    note_unsent(0);
    flushed_ = std::chrono::steady_clock::now();
  }

  // Sends what is in the current half with the end of the job.
  Status finish(const Status& status) {
    WorkerHeader header{.type = WorkerMessage::done, .half = current_, .used_bytes = used_};
    std::string texts;
    if (!status) {
      const auto shortened = [](const std::string& text) {
        return std::string_view(text).substr(
            0, code_point_floor(text, std::min(text.size(), kWorkerTextBytesMax)));
      };
      const std::string_view message = shortened(status.error().message());
      const std::string_view hint = shortened(status.error().hint());
      header.failed = 1;
      header.error_code = static_cast<uint32_t>(status.error().code());
      header.message_bytes = static_cast<uint32_t>(message.size());
      header.hint_bytes = static_cast<uint32_t>(hint.size());
      texts = std::string(message).append(hint);
    }
    rusage usage = {};
    getrusage(RUSAGE_SELF, &usage);
    header.peak_bytes = static_cast<uint64_t>(usage.ru_maxrss) * 1024;
    // A half still with the pool is surely taken before the next job comes.
    waiting_ = 0;
    note_unsent(0);
    return send(header, texts);
  }

  Status send(const WorkerHeader& header, std::string_view texts = {}) {
    iovec parts[2] = {{const_cast<WorkerHeader*>(&header), sizeof header},
                      {const_cast<char*>(texts.data()), texts.size()}};
    msghdr message = {.msg_iov = parts, .msg_iovlen = texts.empty() ? 1u : 2u};
    while (sendmsg(control_, &message, MSG_NOSIGNAL) < 0)
      if (errno != EINTR) return fail(ErrorCode::cancelled, "the pool hung up");
    return {};
  }

 private:
  size_t room() const { return kSlabHalfBytes - used_; }
  char* half() const { return halves_ + current_ * kSlabHalfBytes; }

  // Should this process die, the pool takes these records from the slab.
  void note_unsent(size_t bytes) const {
    last_words->unsent.store(uint64_t{current_} << 32 | bytes, std::memory_order_release);
  }

  Status flush() {
    note_unsent(0);  // never taken twice
    HR_TRY(send({.type = WorkerMessage::flush, .half = current_, .used_bytes = used_}));
    current_ ^= 1;
    used_ = 0;
    flushed_ = std::chrono::steady_clock::now();
    // The half that comes next must have been taken before it is written again.
    if (++waiting_ == 2) HR_TRY(wait_taken());
    return {};
  }

  Status wait_taken() {
    PoolMessage answer{};
    iovec part = {&answer, sizeof answer};
    msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t got = 0;
    do {
      got = recvmsg(control_, &message, 0);
    } while (got < 0 && errno == EINTR);
    if (got != sizeof answer || answer != PoolMessage::taken)
      return fail(ErrorCode::cancelled, "the pool hung up");
    --waiting_;
    return {};
  }

  int control_;
  char* halves_;
  uint32_t current_ = 0;
  size_t used_ = 0;
  int waiting_ = 0;  // halves sent and not yet taken
  std::chrono::steady_clock::time_point flushed_;
};

// A job as it came in, with its input mapped.
class Call : public WorkerCall {
 public:
  explicit Call(Slab& slab) : slab_(slab) {}
  ~Call() override {
    if (mapped_ != nullptr) munmap(mapped_, mapped_bytes_);
  }
  std::string_view params() const override { return params_; }
  std::string_view input() const override {
    return {static_cast<const char*>(mapped_), mapped_bytes_};
  }
  Status emit(uint32_t kind, std::string_view bytes) override { return slab_.append(kind, bytes); }

  std::string op;

  Status map(UniqueFd input, uint64_t bytes) {
    if (bytes == 0) return {};
    void* memory = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, input.get(), 0);
    if (memory == MAP_FAILED) return os_fail(errno, "map the input");
    mapped_ = memory;
    mapped_bytes_ = bytes;
    return {};
  }
  void set_params(std::string_view params) { params_ = params; }

 private:
  Slab& slab_;
  std::string params_;
  void* mapped_ = nullptr;
  size_t mapped_bytes_ = 0;
};

// Waits for a job. False when the pool hung up (or sent nonsense).
bool receive_job(std::string& buffer, JobHeader& header, UniqueFd& input) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  for (;;) {
    iovec part = {buffer.data(), buffer.size()};
    msghdr message = {.msg_iov = &part,
                      .msg_iovlen = 1,
                      .msg_control = control,
                      .msg_controllen = sizeof control};
    const ssize_t got = recvmsg(kWorkerControlFd, &message, MSG_CMSG_CLOEXEC);
    if (got < 0 && errno == EINTR) continue;
    if (got < 4) return false;
    // "Taken" answers to the last flushes of the job before may still come.
    if (got == sizeof(PoolMessage)) continue;
    if (static_cast<size_t>(got) < sizeof header) return false;
    std::memcpy(&header, buffer.data(), sizeof header);
    if (header.type != PoolMessage::job ||
        sizeof header + header.op_bytes + header.params_bytes != static_cast<size_t>(got))
      return false;
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
      if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c), sizeof fd);
      input.reset(fd);
    }
    return true;
  }
}

Status run_handler(const std::map<std::string, WorkerHandler>& handlers, Call& call) {
  const auto handler = handlers.find(call.op);
  if (handler == handlers.end())
    return fail(ErrorCode::unsupported, "the worker has no decoder named " + call.op);
  try {
    return handler->second(call);
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::out_of_budget,
                "decoding needs more than " + std::to_string(memory_limit >> 20) + " MiB of memory",
                "split the file, or give more with --memory");
  } catch (const std::length_error&) {
    return fail(ErrorCode::damaged, "sizes inside the file make no sense");
  } catch (const std::exception& e) {
    return fail(ErrorCode::internal, std::string("the decoder failed: ") + e.what());
  }
}

int serve(Slab& slab, const std::map<std::string, WorkerHandler>& handlers) {
  std::string buffer(sizeof(JobHeader) + kWorkerParamsBytesMax + 4096, '\0');
  for (;;) {
    JobHeader header;
    UniqueFd input;
    if (!receive_job(buffer, header, input)) return 0;
    Status status;
    slab.begin_job();
    last_words->out_of_memory.store(0, std::memory_order_relaxed);
    {
      Call call(slab);
      call.op.assign(buffer, sizeof header, header.op_bytes);
      call.set_params({buffer.data() + sizeof header + header.op_bytes, header.params_bytes});
      status = call.map(std::move(input), header.input_bytes);
      if (status) status = run_handler(handlers, call);
    }
    if (!slab.finish(status)) return 0;
  }
}

uint64_t number_after(std::string_view argument, std::string_view name) {
  uint64_t value = 0;
  if (argument.starts_with(name)) {
    argument.remove_prefix(name.size());
    std::from_chars(argument.data(), argument.data() + argument.size(), value);
  }
  return value;
}

}  // namespace

int worker_main(int argc, char** argv, const std::map<std::string, WorkerHandler>& handlers,
                const std::function<void()>& prepare) {
  uint64_t parent = 0, memory = 0;
  for (int i = 1; i < argc; ++i) {
    parent = std::max(parent, number_after(argv[i], "--parent="));
    memory = std::max(memory, number_after(argv[i], "--memory="));
  }
  if (parent == 0) {
    std::fputs("headrace-worker is started by headrace; it does nothing on its own\n", stderr);
    return 2;
  }
  // Dies with the pool, whatever it is doing; it may have died before this line.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (static_cast<uint64_t>(getppid()) != parent) return 0;
  void* memory_map =
      mmap(nullptr, kSlabBytes, PROT_READ | PROT_WRITE, MAP_SHARED, kWorkerSlabFd, 0);
  if (memory_map == MAP_FAILED) return kWorkerExitStart;
  close(kWorkerSlabFd);
  last_words = static_cast<SlabLastWords*>(memory_map);

  if (prepare) prepare();
  if (!sandbox_is_relaxed()) {
    memory_limit = memory;
    std::set_new_handler(note_failed_allocation);
    watch_fatal_signals();
  }
  const Result<bool> sandboxed = enter_sandbox(memory);
  if (!sandboxed) {
    std::fprintf(stderr, "headrace-worker: %s\n", sandboxed.error().text().c_str());
    return kWorkerExitStart;
  }
  Slab slab(kWorkerControlFd, static_cast<char*>(memory_map));
  if (!slab.send({.type = WorkerMessage::ready, .sandboxed = *sandboxed ? 1u : 0u})) return 0;
  return serve(slab, handlers);
}

}  // namespace headrace
