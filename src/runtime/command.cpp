#include "runtime/command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <tuple>

#include "runtime/unique_fd.h"

extern char** environ;

namespace headrace {

namespace {

using Clock = std::chrono::steady_clock;

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return os_fail(errno, "make a pipe");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Result<pid_t> spawn(const std::vector<std::string>& arguments, const Pipe& in, const Pipe& out,
                    const Pipe& err) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, in.read.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.write.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.write.get(), STDERR_FILENO);
  // A group of its own, so that all of it can be ended.
  posix_spawnattr_setpgroup(&attributes, 0);
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
  pid_t pid = -1;
  const int error =
      ::posix_spawnp(&pid, arguments[0].c_str(), &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error == ENOENT)
    return fail(ErrorCode::not_found, arguments[0] + " was not found", "install it");
  if (error != 0) return os_fail(error, "start " + arguments[0]);
  return pid;
}

int wait_for(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Moves bytes until both outputs are at their end.
Status exchange(Pipe& in, Pipe& out, Pipe& err, const std::string& input, CommandOutput& taken,
                Clock::time_point deadline, const CancelToken& cancel) {
  ::fcntl(in.write.get(), F_SETFL, O_NONBLOCK);
  size_t written = 0;
  if (input.empty()) in.write = UniqueFd();
  std::array<char, 65536> part;
  while (out.read.valid() || err.read.valid()) {
    HR_TRY(cancel.check());
    if (Clock::now() >= deadline) return fail(ErrorCode::timed_out, "it took too long");
    // A descriptor of -1 is passed over.
    std::array<pollfd, 3> ends{pollfd{in.write.valid() ? in.write.get() : -1, POLLOUT, 0},
                               pollfd{out.read.valid() ? out.read.get() : -1, POLLIN, 0},
                               pollfd{err.read.valid() ? err.read.get() : -1, POLLIN, 0}};
    constexpr int kLookMs = 100;
    if (::poll(ends.data(), ends.size(), kLookMs) <= 0) continue;
    if (ends[0].revents != 0) {
      const ssize_t sent = ::write(in.write.get(), input.data() + written, input.size() - written);
      if (sent > 0) written += static_cast<size_t>(sent);
      if (written == input.size() || (sent < 0 && errno != EAGAIN && errno != EINTR))
        in.write = UniqueFd();
    }
    for (auto& [end, revents, text] :
         {std::tuple<UniqueFd&, short, std::string&>{out.read, ends[1].revents, taken.out},
          std::tuple<UniqueFd&, short, std::string&>{err.read, ends[2].revents, taken.err}}) {
      if (revents == 0) continue;
      const ssize_t got = ::read(end.get(), part.data(), part.size());
      if (got > 0) text.append(part.data(), static_cast<size_t>(got));
      if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) end = UniqueFd();
    }
  }
  return {};
}

}  // namespace

Result<CommandOutput> run_command(const std::vector<std::string>& arguments,
                                  const std::string& input, std::chrono::milliseconds deadline,
                                  const CancelToken& cancel) {
  HR_ASSIGN(Pipe in, make_pipe());
  HR_ASSIGN(Pipe out, make_pipe());
  HR_ASSIGN(Pipe err, make_pipe());
  const Clock::time_point until = Clock::now() + deadline;
  HR_ASSIGN(const pid_t pid, spawn(arguments, in, out, err));
  in.read = UniqueFd();
  out.write = UniqueFd();
  err.write = UniqueFd();
  CommandOutput taken;
  const Status status = exchange(in, out, err, input, taken, until, cancel);
  if (!status) ::kill(-pid, SIGKILL);
  taken.exit_code = wait_for(pid);
  if (!status) return std::unexpected(Error(status.error()).with_context(arguments[0]));
  return taken;
}

}  // namespace headrace
