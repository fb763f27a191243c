#include "runtime/worker_process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/check.h"
#include "base/utf8.h"
#include "runtime/sandbox.h"

namespace headrace {
namespace {

using Clock = std::chrono::steady_clock;

// A worker that has done this many jobs, or has once held this much memory, is replaced: leaks and
// fragmentation of C libraries then stay small.
constexpr uint64_t kJobsMax = 1000;
constexpr uint64_t kPeakBytesMax = 320ULL << 20;
// A job that keeps showing progress may take this many deadlines in all.
constexpr int kDeadlinesInAll = 60;
// How long a wait goes on before the cancel token is looked at again.
constexpr std::chrono::milliseconds kCancelLatency{20};
// How often the processor time of a job is looked at that shares its allowance with others.
constexpr std::chrono::milliseconds kProcessorLatency{200};
// The wall is only a second bound where processor time is limited: a busy machine may need this
// many times as long.
constexpr double kBusyFactor = 6;
// What sanitizers slow down is let off.
constexpr int kSanitizerFactor = 10;
// How long a process whose socket is closed may take to be gone.
constexpr int kDeathLatencyMs = 2000;

bool debug_output() {
  static const bool on = std::getenv("HEADRACE_WORKER_DEBUG") != nullptr;
  return on;
}

// The few variables that a worker may see; none of the user's secrets are among them.
std::vector<std::string> worker_environment() {
  std::vector<std::string> variables = {"LANG=C.UTF-8"};
  for (const char* name : {"LD_LIBRARY_PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS",
                           "LSAN_OPTIONS", "HEADRACE_WORKER_DEBUG"})
    if (const char* value = std::getenv(name)) variables.push_back(std::string(name) + "=" + value);
  return variables;
}

// Most memory that the process itself has had resident; 0 where that cannot be told.
uint64_t peak_bytes_of(pid_t pid) {
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  for (std::string word; status >> word;) {
    uint64_t kib = 0;
    if (word == "VmHWM:" && status >> kib) return kib << 10;
  }
  return 0;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> list;
  for (std::string& text : strings) list.push_back(text.data());
  list.push_back(nullptr);
  return list;
}

// File actions and attributes with their destructors.
struct SpawnSetup {
  SpawnSetup() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

// Starts the executable with the two descriptors and nothing else of ours: signals at their
// defaults, its own process group (a Ctrl-C at the terminal goes to the parent alone, which then
// decides).
int spawn(const WorkerProcessOptions& options, int control, int slab, pid_t& pid) {
  SpawnSetup setup;
  // Descriptors that stand where the worker expects its own would be overwritten by the first dup2,
  // so both are first moved out of the way.
  const UniqueFd control_copy(fcntl(control, F_DUPFD_CLOEXEC, 10));
  const UniqueFd slab_copy(fcntl(slab, F_DUPFD_CLOEXEC, 10));
  if (!control_copy.valid() || !slab_copy.valid()) return errno;
  auto* actions = &setup.actions;
  posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(actions, 1, "/dev/null", O_WRONLY, 0);
  if (!debug_output()) posix_spawn_file_actions_addopen(actions, 2, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(actions, control_copy.get(), kWorkerControlFd);
  posix_spawn_file_actions_adddup2(actions, slab_copy.get(), kWorkerSlabFd);
  posix_spawn_file_actions_addclosefrom_np(actions, kWorkerSlabFd + 1);

  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&setup.attributes, &none);
  posix_spawnattr_setsigdefault(&setup.attributes, &all);
  posix_spawnattr_setpgroup(&setup.attributes, 0);
  posix_spawnattr_setflags(&setup.attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  std::vector<std::string> arguments = {options.executable, "--worker",
                                        "--parent=" + std::to_string(getpid()),
                                        "--memory=" + std::to_string(options.memory_bytes_max)};
  if (!options.pdfium_library.empty()) arguments.push_back("--pdfium=" + options.pdfium_library);
  std::vector<std::string> environment = worker_environment();
  return posix_spawn(&pid, options.executable.c_str(), actions, &setup.attributes,
                     pointers(arguments).data(), pointers(environment).data());
}

Result<UniqueFd> make_slab() {
  UniqueFd slab(memfd_create("headrace-slab", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!slab.valid()) return os_fail(errno, "make shared memory for a worker");
  if (ftruncate(slab.get(), kSlabBytes) != 0) return os_fail(errno, "size a worker's memory");
  // A worker that could shrink it would make the parent fault.
  if (fcntl(slab.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return os_fail(errno, "seal a worker's memory");
  return slab;
}

}  // namespace

Result<std::unique_ptr<WorkerProcess>> WorkerProcess::start(const WorkerProcessOptions& options) {
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0)
    return os_fail(errno, "make a socket for a worker");
  std::unique_ptr<WorkerProcess> worker(new WorkerProcess());
  worker->control_ = UniqueFd(sockets[0]);
  const UniqueFd theirs(sockets[1]);
  HR_ASSIGN(const UniqueFd slab, make_slab());
  void* memory = mmap(nullptr, kSlabBytes, PROT_READ | PROT_WRITE, MAP_SHARED, slab.get(), 0);
  if (memory == MAP_FAILED) return os_fail(errno, "map a worker's memory");
  worker->slab_ = static_cast<char*>(memory);
  worker->memory_bytes_max_ = options.memory_bytes_max;
  worker->deadline_s_ = options.deadline_s;
  if (const int error = spawn(options, theirs.get(), slab.get(), worker->pid_); error != 0) {
    worker->pid_ = -1;
    return os_fail(error, "start the decoder process " + options.executable);
  }
#if defined(SYS_pidfd_open)
  worker->pid_fd_.reset(static_cast<int>(syscall(SYS_pidfd_open, worker->pid_, 0)));
#endif
  return worker;
}

WorkerProcess::~WorkerProcess() {
  kill_and_reap();
  if (slab_ != nullptr) munmap(slab_, kSlabBytes);
}

void WorkerProcess::kill_and_reap() {
  if (pid_ <= 0) return;
  kill_process();
  reap();
}

void WorkerProcess::kill_process() {
  // The process is our child and not yet waited for, so its number cannot have passed to another.
  int sent = -1;
#if defined(SYS_pidfd_send_signal)
  if (pid_fd_.valid())
    sent = static_cast<int>(syscall(SYS_pidfd_send_signal, pid_fd_.get(), SIGKILL, nullptr, 0));
#endif
  if (sent != 0) ::kill(pid_, SIGKILL);
}

// Waits for the process, which is dead or about to die. Returns its status, or -1 when somebody
// else has taken it (the host program ignores SIGCHLD).
int WorkerProcess::reap() {
  int status = -1;
  pid_t got = 0;
  do {
    got = waitpid(pid_, &status, 0);
  } while (got < 0 && errno == EINTR);
  pid_ = -1;
  pid_fd_.reset();
  control_.reset();
  reusable_ = false;
  return got < 0 ? -1 : status;
}

bool WorkerProcess::send(const WorkerJob& job) {
  if (pid_ <= 0) return false;
  JobHeader header{.op_bytes = static_cast<uint32_t>(job.op.size()),
                   .params_bytes = static_cast<uint32_t>(job.params.size()),
                   .input_bytes = job.input_bytes};
  iovec parts[3] = {{&header, sizeof header},
                    {const_cast<char*>(job.op.data()), job.op.size()},
                    {const_cast<char*>(job.params.data()), job.params.size()}};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
  if (job.input_bytes > 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(rights), &job.input_fd, sizeof(int));
  }
  ++jobs_;
  waited_ = waited_in_all_ = {};
  processor_idle_ = {};
  processor_at_ = processor_time();
  frame_.clear();
  in_frame_ = false;
  // A frame is never larger than what the worker could have put together.
  frame_bytes_max_ = memory_bytes_max_ + job.input_bytes;
  ssize_t sent = 0;
  do {
    sent = sendmsg(control_.get(), &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent >= 0;
}

WorkerProcess::Waited WorkerProcess::wait_for_message(const WorkerJob& job,
                                                      const CancelToken* cancel) {
  const bool limited = job.processor.idle_s > 0 || job.processor.allowance != nullptr;
  const auto deadline = std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(deadline_s_ + kBusyFactor * job.processor.idle_s));
  for (;;) {
    if (cancel != nullptr && cancel->requested()) return Waited::cancelled;
    if (waited_ >= deadline || waited_in_all_ >= kDeadlinesInAll * deadline)
      return Waited::timed_out;
    if (limited) {
      if (const Waited over = check_processor(job); over != Waited::message) return over;
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - waited_) +
                      std::chrono::milliseconds(1);
    auto timeout = std::min<std::chrono::milliseconds>(left, std::chrono::hours(1));
    if (cancel != nullptr) timeout = std::min(timeout, kCancelLatency);
    if (limited) timeout = std::min(timeout, kProcessorLatency);
    pollfd entry = {control_.get(), POLLIN, 0};
    const auto before = Clock::now();
    const int ready = poll(&entry, 1, static_cast<int>(timeout.count()));
    const auto passed = Clock::now() - before;
    waited_ += passed;
    waited_in_all_ += passed;
    if (ready <= 0) continue;
    if (limited) check_processor(job);  // its last share counts too
    return (entry.revents & POLLIN) != 0 ? Waited::message : Waited::hung_up;
  }
}

WorkerProcess::Waited WorkerProcess::check_processor(const WorkerJob& job) {
  const auto now = processor_time();
  if (now > processor_at_) {
    const auto used = (now - processor_at_) / (sandbox_is_relaxed() ? kSanitizerFactor : 1);
    processor_at_ = now;
    processor_idle_ += used;
    if (job.processor.allowance != nullptr) job.processor.allowance->take(used);
  }
  const std::chrono::duration<double> idle_max(job.processor.idle_s);
  if (job.processor.idle_s > 0 && processor_idle_ >= idle_max) return Waited::no_progress;
  if (job.processor.allowance != nullptr && job.processor.allowance->used_up())
    return Waited::used_up;
  return Waited::message;
}

// Of the process since it began; 0 when it is gone.
std::chrono::nanoseconds WorkerProcess::processor_time() const {
  clockid_t clock{};
  timespec time{};
  if (pid_ <= 0 || clock_getcpuclockid(pid_, &clock) != 0 || clock_gettime(clock, &time) != 0)
    return {};
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

Status WorkerProcess::time_over(Waited waited, const WorkerJob& job) const {
  std::string limit;
  if (waited == Waited::no_progress) {
    limit = fmt::format("gave nothing within {:.3g} s of processor time", job.processor.idle_s);
  } else if (waited == Waited::used_up) {
    limit = fmt::format("did not finish within {:.3g} s of processor time",
                        job.processor.allowance->seconds());
  } else {
    limit = fmt::format("did not finish within {:.3g} s",
                        deadline_s_ + kBusyFactor * job.processor.idle_s);
  }
  return fail(ErrorCode::timed_out, "decoding " + limit,
              "the file may be damaged or hostile; leave it out or split it");
}

Status WorkerProcess::protocol_error(std::string_view what) {
  kill_and_reap();
  return fail(ErrorCode::crashed, "the decoder process misbehaved: " + std::string(what),
              "the file may be hostile; leave it out");
}

Status WorkerProcess::finish(const WorkerJob& job, const FrameHandler& on_frame,
                             const CancelToken* cancel) {
  std::array<char, sizeof(WorkerHeader) + 2 * kWorkerTextBytesMax> buffer;
  for (;;) {
    switch (const Waited waited = wait_for_message(job, cancel)) {
      case Waited::message:
        break;
      case Waited::hung_up:
        return death(job, on_frame);
      case Waited::cancelled:
        kill_and_reap();
        return fail(ErrorCode::cancelled, "interrupted");
      case Waited::timed_out:
      case Waited::no_progress:
      case Waited::used_up:
        kill_and_reap();
        HR_TRY(take_unsent(on_frame));
        return time_over(waited, job);
    }
    const ssize_t got = recv(control_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got <= 0) return death(job, on_frame);
    WorkerHeader header;
    if (static_cast<size_t>(got) < sizeof header) return protocol_error("a short message");
    std::memcpy(&header, buffer.data(), sizeof header);
    const std::string_view texts(buffer.data() + sizeof header,
                                 static_cast<size_t>(got) - sizeof header);
    switch (header.type) {
      case WorkerMessage::ready:
        ready_ = true;
        processor_idle_ = {};  // its start is not the file's doing
        sandboxed_ = header.sandboxed != 0;
        break;
      case WorkerMessage::flush: {
        if (Status status = take_half(header, on_frame); !status) {
          kill_and_reap();
          return status;
        }
        waited_ = {};
        processor_idle_ = {};
        const PoolMessage taken = PoolMessage::taken;
        if (::send(control_.get(), &taken, sizeof taken, MSG_NOSIGNAL) < 0)
          return death(job, on_frame);
        break;
      }
      case WorkerMessage::done: {
        if (Status status = take_half(header, on_frame); !status) {
          // The worker itself has finished; only the caller did not want the rest.
          if (pid_ > 0) reusable_ = !in_frame_;
          return status;
        }
        return job_status(header, texts);
      }
      default:
        return protocol_error("an unknown message");
    }
  }
}

Status WorkerProcess::take_half(const WorkerHeader& header, const FrameHandler& on_frame) {
  if (header.half > 1 || header.used_bytes > kSlabHalfBytes)
    return protocol_error("output outside its memory");
  const char* half = slab_ + kSlabPageBytes + header.half * kSlabHalfBytes;
  size_t at = 0;
  while (at + sizeof(SlabRecord) <= header.used_bytes) {
    // Copied before it is checked: the worker could change it in between.
    SlabRecord record;
    std::memcpy(&record, half + at, sizeof record);
    at += sizeof record;
    if (record.bytes > header.used_bytes - at) return protocol_error("output beyond its end");
    HR_TRY(take_record(record, {half + at, record.bytes}, on_frame));
    at += (record.bytes + 7) & ~size_t{7};
  }
  return {};
}

// What a process that is gone had put together and not yet sent.
Status WorkerProcess::take_unsent(const FrameHandler& on_frame) {
  const auto* words = reinterpret_cast<const SlabLastWords*>(slab_);
  const uint64_t unsent = words->unsent.load(std::memory_order_acquire);
  return take_half({.half = static_cast<uint32_t>(unsent >> 32), .used_bytes = unsent & UINT32_MAX},
                   on_frame);
}

Status WorkerProcess::take_record(const SlabRecord& record, std::string_view bytes,
                                  const FrameHandler& on_frame) {
  if (in_frame_ && record.kind != frame_kind_) return protocol_error("frames mixed up");
  if (frame_.size() + bytes.size() > frame_bytes_max_) return protocol_error("an endless frame");
  // Also a frame of one record is copied, so that it cannot change while it is parsed.
  frame_.append(bytes);
  frame_kind_ = record.kind;
  in_frame_ = record.more != 0;
  if (in_frame_) return {};
  const Status status = on_frame(record.kind, frame_);
  constexpr size_t kKeepBytes = 4u << 20;
  if (frame_.capacity() > kKeepBytes) frame_ = std::string();
  frame_.clear();
  return status;
}

Status WorkerProcess::job_status(const WorkerHeader& header, std::string_view texts) {
  if (in_frame_) return protocol_error("a frame without an end");
  if (jobs_ >= kJobsMax) reusable_ = false;
  // What it says of itself begins with the peak of the process that started it.
  if (header.peak_bytes > kPeakBytesMax && peak_bytes_of(pid_) > kPeakBytesMax) reusable_ = false;
  if (header.failed == 0) return {};
  if (header.error_code > static_cast<uint32_t>(ErrorCode::internal) ||
      texts.size() != size_t{header.message_bytes} + header.hint_bytes)
    return protocol_error("a damaged error");
  const auto code = static_cast<ErrorCode>(header.error_code);
  if (code == ErrorCode::out_of_budget) reusable_ = false;
  return fail(code, to_valid_utf8(texts.substr(0, header.message_bytes)),
              to_valid_utf8(texts.substr(header.message_bytes)));
}

// The process is gone in the middle of the job: why?
Status WorkerProcess::death(const WorkerJob& job, const FrameHandler& on_frame) {
  // The socket closes a moment before the process can be waited for; and a hostile one may have
  // closed it and live on, so that it has to be killed.
  pollfd entry = {pid_fd_.get(), POLLIN, 0};
  const bool dead = pid_fd_.valid() && poll(&entry, 1, kDeathLatencyMs) == 1;
  if (!dead) kill_process();
  const int status = reap();
  HR_TRY(take_unsent(on_frame));
  const auto* words = reinterpret_cast<const SlabLastWords*>(slab_);
  if (!ready_ && (status == -1 || WIFEXITED(status)))
    return fail(ErrorCode::internal, "the decoder process headrace-worker does not start",
                "run it with HEADRACE_WORKER_DEBUG=1 to see why; reinstall headrace");
  constexpr const char* kHint = "the file may be damaged or hostile; leave it out";
  if (words->out_of_memory.load(std::memory_order_relaxed) != 0)
    return fail(
        ErrorCode::out_of_budget,
        "decoding needs more than " + std::to_string(memory_bytes_max_ >> 20) + " MiB of memory",
        "split the file, or give more with --memory");
  if (status == -1 || WIFEXITED(status))
    return fail(ErrorCode::crashed, "the decoder process ended in the middle of the file", kHint);
  const int signal = WTERMSIG(status);
  if (signal == SIGSYS)
    return fail(ErrorCode::crashed,
                "the decoder process was stopped by its sandbox (a forbidden system call)", kHint);
  if (signal == SIGBUS && job.input_is_file)
    return fail(ErrorCode::changed, "the file became shorter while it was read", "run it again");
  if (signal == SIGKILL)
    return fail(
        ErrorCode::crashed,
        "the decoder process was killed from outside (perhaps the system ran out of memory)",
        "run it again, with fewer threads where memory is short");
  if (words->stack_overflow.load(std::memory_order_relaxed) != 0)
    return fail(ErrorCode::crashed, "the decoder ran out of stack: the file nests too deeply",
                kHint);
  return fail(ErrorCode::crashed,
              "the decoder process crashed (" +
                  std::string(sigabbrev_np(signal) ? sigabbrev_np(signal) : "?") + ")",
              kHint);
}

}  // namespace headrace
