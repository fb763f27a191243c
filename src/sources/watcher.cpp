#include "sources/watcher.h"

#include <dirent.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "sources/walker.h"

namespace headrace {

namespace {
constexpr int kCancelPollMs = 100;  // how soon a cancellation is noticed
constexpr int kQuietMs = 30;        // changes that come together are taken together
constexpr uint32_t kEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE |
                             IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB;
}  // namespace

Result<std::unique_ptr<Watcher>> Watcher::create(const std::vector<std::string>& roots) {
  const int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0) return os_fail(errno, "start watching (inotify)");
  auto watcher = std::make_unique<Watcher>(fd);
  for (const std::string& root : roots) HR_TRY(watcher->add_tree(root));
  return watcher;
}

Watcher::~Watcher() {
  close(fd_);
}

Status Watcher::add_one(const std::string& path) {
  const int watch = inotify_add_watch(fd_, path.c_str(), kEvents);
  if (watch >= 0) {
    folders_[watch] = path;
    return {};
  }
  if (errno == ENOENT || errno == ENOTDIR) return {};  // gone again
  if (errno == ENOSPC) {
    return fail(ErrorCode::io,
                fmt::format("too many folders to watch at {}", displayable_path(path)),
                "raise fs.inotify.max_user_watches");
  }
  return os_fail(errno, fmt::format("watch {}", displayable_path(path)));
}

Status Watcher::add_tree(const std::string& path) {
  std::vector<std::string> waiting{path};
  while (!waiting.empty()) {
    const std::string folder = std::move(waiting.back());
    waiting.pop_back();
    // Writing to a knowledge base is no change of a source.
    if (folder != path && is_knowledge_base(folder)) continue;
    HR_TRY(add_one(folder));
    const std::unique_ptr<DIR, int (*)(DIR*)> handle(opendir(folder.c_str()), closedir);
    if (!handle) continue;
    while (const dirent* entry = readdir(handle.get())) {
      if (entry->d_name[0] == '.') continue;
      const std::string below = folder + "/" + entry->d_name;
      struct stat info{};
      // Links are not followed here: a loop must not add watches for ever.
      if (lstat(below.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) waiting.push_back(below);
    }
  }
  return {};
}

// Reads what is there; true when any of it was a change worth a look.
bool Watcher::read_events(Status& status) {
  alignas(inotify_event) std::array<char, 16384> buffer;
  bool changed = false;
  while (true) {
    const ssize_t got = read(fd_, buffer.data(), buffer.size());
    if (got <= 0) return changed;
    for (ssize_t at = 0; at < got;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      const auto folder = folders_.find(event->wd);
      if ((event->mask & IN_ISDIR) != 0 && (event->mask & (IN_CREATE | IN_MOVED_TO)) != 0 &&
          folder != folders_.end()) {
        status = add_tree(folder->second + "/" + event->name);
        changed = true;
      }
      if ((event->mask & IN_IGNORED) != 0) folders_.erase(event->wd);
      if ((event->mask & ~static_cast<uint32_t>(IN_CREATE | IN_IGNORED | IN_ISDIR)) != 0)
        changed = true;
    }
  }
}

Result<bool> Watcher::wait(const CancelToken& cancel, int most_ms) {
  bool changed = false;
  int waited_ms = 0;
  while (true) {
    HR_TRY(cancel.check());
    pollfd waiting{fd_, POLLIN, 0};
    const int ready = poll(&waiting, 1, changed ? kQuietMs : kCancelPollMs);
    if (ready == 0 && changed) return true;
    if (ready == 0) waited_ms += kCancelPollMs;
    if (ready == 0 && most_ms >= 0 && waited_ms >= most_ms) return false;
    if (ready <= 0) continue;
    Status status;
    if (read_events(status)) changed = true;
    HR_TRY(status);
  }
}

}  // namespace headrace
