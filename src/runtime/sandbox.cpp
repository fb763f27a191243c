#include "runtime/sandbox.h"

#include <fcntl.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <initializer_list>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HR_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HR_SANITIZED 1
#endif

namespace headrace {
namespace {

Status set_limit(__rlimit_resource resource, rlim_t value, std::string_view what) {
  const rlimit limit{value, value};
  if (setrlimit(resource, &limit) != 0) return os_fail(errno, what);
  return {};
}

// Harmless on what is open already. Order is by how often they are called: the filter is a list.
constexpr int kAllowed[] = {
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendmsg),
    SCMP_SYS(munmap),
    SCMP_SYS(brk),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(futex),
    SCMP_SYS(read),
    SCMP_SYS(pread64),
    SCMP_SYS(readv),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(lseek),
    SCMP_SYS(close),
    SCMP_SYS(fstat),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(getrusage),
    SCMP_SYS(getrandom),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sysinfo),
    SCMP_SYS(uname),
    SCMP_SYS(poll),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(restart_syscall),
};

// Libraries try these and live with a refusal (fonts, locales, CPU counts, terminals).
constexpr int kRefused[] = {
    SCMP_SYS(open),       SCMP_SYS(openat),     SCMP_SYS(openat2),    SCMP_SYS(access),
    SCMP_SYS(stat),       SCMP_SYS(lstat),      SCMP_SYS(newfstatat), SCMP_SYS(statx),
    SCMP_SYS(statfs),     SCMP_SYS(faccessat),  SCMP_SYS(faccessat2), SCMP_SYS(readlink),
    SCMP_SYS(getcwd),     SCMP_SYS(readlinkat), SCMP_SYS(ioctl),      SCMP_SYS(fcntl),
    SCMP_SYS(getdents64),
};

bool add_rules(scmp_filter_ctx filter) {
  bool ok = true;
  // A call that this architecture does not have (open on arm64) is no error: libseccomp skips it.
  for (const int call : kAllowed) ok = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0) == 0 && ok;
  for (const int call : kRefused)
    ok = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), call, 0) == 0 && ok;
  // New memory: never executable; shared only for reading (the input), since shared memory is
  // not counted against the limit.
  constexpr uint64_t kKind = MAP_SHARED | MAP_PRIVATE;
  ok = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
                        SCMP_A2(SCMP_CMP_MASKED_EQ, uint64_t{PROT_EXEC}, 0),
                        SCMP_A3(SCMP_CMP_MASKED_EQ, kKind, uint64_t{MAP_PRIVATE})) == 0 &&
       ok;
  ok = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                        SCMP_A2(SCMP_CMP_EQ, uint64_t{PROT_READ})) == 0 &&
       ok;
  ok = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                        SCMP_A2(SCMP_CMP_MASKED_EQ, uint64_t{PROT_EXEC}, 0)) == 0 &&
       ok;
  // Limits may be read, not changed; signals go to nobody but this process (abort).
  ok = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, SCMP_A2(SCMP_CMP_EQ, 0)) ==
           0 &&
       ok;
  ok = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                        SCMP_A0(SCMP_CMP_EQ, static_cast<uint64_t>(getpid()))) == 0 &&
       ok;
  return ok;
}

bool install_filter() {
  const scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
  if (filter == nullptr) return false;
  const bool on = add_rules(filter) && seccomp_load(filter) == 0;
  seccomp_release(filter);
  return on;
}

}  // namespace

bool sandbox_is_relaxed() {
#if defined(HR_SANITIZED)
  return true;
#else
  return false;
#endif
}

uint64_t private_memory_bytes() {
  // total, resident, shared, text, library (always 0), data + stack; in pages
  uint64_t fields[6] = {};
  std::ifstream file("/proc/self/statm");
  for (uint64_t& field : fields) file >> field;
  return fields[5] * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

Result<bool> enter_sandbox(uint64_t memory_bytes_max) {
  HR_TRY(set_limit(RLIMIT_CORE, 0, "forbid core files"));
  if (sandbox_is_relaxed()) return false;
  HR_TRY(set_limit(RLIMIT_NOFILE, 16, "limit descriptors"));
  HR_TRY(set_limit(RLIMIT_DATA, private_memory_bytes() + memory_bytes_max, "limit memory"));
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return os_fail(errno, "give up privileges");
  return install_filter();
}

}  // namespace headrace
