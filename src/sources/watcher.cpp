#include "sources/watcher.h"

#include <dirent.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <tuple>
#include <utility>

#include "sources/walker.h"

namespace headrace {

namespace {

constexpr int kCancelPollMs = 100;  // how soon a cancellation is noticed
constexpr int kQuietMs = 30;        // changes that come together are taken together …
constexpr int kTogetherMs = 300;    // … unless they never end
constexpr int kPauseMs = 500;       // of a file's writer: what he wrote may be whole
constexpr int kBreathMs = 5;
constexpr uint32_t kTreeEvents = IN_CLOSE_WRITE | IN_MODIFY | IN_MOVED_TO | IN_MOVED_FROM |
                                 IN_DELETE | IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB;
constexpr uint32_t kWayEvents =
    IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF;

// The folder that holds `path` and its name there; no name where there is none above it.
std::pair<std::string, std::string> parent_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  std::string name = path.substr(slash + 1);
  const size_t end = path.find_last_not_of('/', slash);
  return {end == std::string::npos ? "/" : path.substr(0, end + 1), std::move(name)};
}

}  // namespace

void Watcher::Span::note() {
  last = Clock::now();
  if (!first) first = last;
}

std::optional<Watcher::Clock::time_point> Watcher::Span::due(int pause_ms, int most_ms) const {
  if (!first) return std::nullopt;
  return std::min(last + std::chrono::milliseconds(pause_ms),
                  *first + std::chrono::milliseconds(most_ms));
}

Result<std::unique_ptr<Watcher>> Watcher::create(const std::vector<std::string>& roots) {
  const int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0) {
    return fail(ErrorCode::io, os_error(errno, "start watching (inotify)").message(),
                "end other programs that watch files, or raise fs.inotify.max_user_instances");
  }
  auto watcher = std::make_unique<Watcher>(fd);
  watcher->roots_ = roots;
  HR_TRY(watcher->watch_all());
  return watcher;
}

Watcher::~Watcher() {
  close(fd_);
}

// What is watched already stays so.
Status Watcher::watch_all() {
  lost_ = false;
  for (const std::string& root : roots_) {
    // The way first: what happens to the root meanwhile is seen there.
    add_way_to(root);
    HR_TRY(add_tree(root));
  }
  return {};
}

// Folders on the way that may not be listed are passed over: what happens there goes unseen.
void Watcher::add_way_to(const std::string& root) {
  for (auto [folder, name] = parent_of(root); !name.empty();
       std::tie(folder, name) = parent_of(folder)) {
    if (name == "." || name == "..") return;
    const int watch = inotify_add_watch(fd_, folder.c_str(), kWayEvents | IN_MASK_ADD | IN_ONLYDIR);
    if (watch < 0) continue;
    Watched& watched = watched_[watch];
    watched.path = folder;
    if (std::ranges::find(watched.names, name) == watched.names.end())
      watched.names.push_back(name);
    if (folder == ".") return;
  }
}

Status Watcher::add_one(const std::string& path) {
  const int watch = inotify_add_watch(fd_, path.c_str(), kTreeEvents | IN_MASK_ADD);
  if (watch >= 0) {
    watched_[watch].path = path;
    watched_[watch].tree = true;
    return {};
  }
  if (errno == ENOENT || errno == ENOTDIR || errno == EACCES) return {};  // gone again, or closed
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

bool Watcher::is_on_the_way_to_a_root(const Watched& watched) const {
  return !watched.names.empty() || std::ranges::find(roots_, watched.path) != roots_.end();
}

// A folder that went elsewhere is none of ours any more; what is there now is looked up.
void Watcher::forget_below(const std::string& path) {
  const std::string below = path + "/";
  std::erase_if(watched_, [&](const auto& entry) {
    const Watched& watched = entry.second;
    if (watched.path != path && !watched.path.starts_with(below)) return false;
    inotify_rm_watch(fd_, entry.first);
    return true;
  });
}

Status Watcher::take(uint32_t mask, int watch, std::string_view name) {
  if ((mask & IN_Q_OVERFLOW) != 0) {
    lost_ = true;
    done_.note();
    return {};
  }
  const auto found = watched_.find(watch);
  if (found == watched_.end()) return {};
  const Watched& watched = found->second;
  if ((mask & IN_IGNORED) != 0) {
    watched_.erase(found);
    return {};
  }
  const bool is_folder = (mask & IN_ISDIR) != 0;
  const bool on_the_way =
      (mask & kWayEvents) != 0 && std::ranges::find(watched.names, name) != watched.names.end();
  const bool goes_itself = (mask & (IN_DELETE_SELF | IN_MOVE_SELF)) != 0;
  // Names with a dot are no documents, but one of them says what is none either.
  const bool in_the_tree = watched.tree && (!name.starts_with('.') || name == kIgnoreFile);
  if (!in_the_tree && !on_the_way && !goes_itself) return {};
  const bool in_the_making =
      (mask & IN_MODIFY) != 0 || ((mask & IN_CREATE) != 0 && !is_folder && !on_the_way);
  (in_the_making ? open_ : done_).note();
  const std::string path = name.empty() ? watched.path : fmt::format("{}/{}", watched.path, name);
  if (on_the_way || (goes_itself && is_on_the_way_to_a_root(watched))) {
    // Another may be in its place, now or later.
    lost_ = true;
    forget_below(path);
  } else if (is_folder && (mask & IN_MOVED_FROM) != 0) {
    forget_below(path);
  } else if (is_folder && (mask & (IN_CREATE | IN_MOVED_TO)) != 0) {
    return add_tree(path);
  }
  return {};
}

Status Watcher::read_events() {
  alignas(inotify_event) std::array<char, 16384> buffer;
  while (true) {
    const ssize_t got = read(fd_, buffer.data(), buffer.size());
    if (got <= 0) break;
    for (ssize_t at = 0; at < got;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      // The name is filled up with zeros.
      const std::string_view name =
          event->len == 0 ? std::string_view() : std::string_view(event->name);
      HR_TRY(take(event->mask, event->wd, name));
    }
  }
  // Who writes without pause needs no answer to each of his writes.
  poll(nullptr, 0, kBreathMs);
  return lost_ ? watch_all() : Status{};
}

Result<bool> Watcher::wait(const CancelToken& cancel, int most_ms, int restless_ms) {
  const Clock::time_point begin = Clock::now();
  while (true) {
    HR_TRY(cancel.check());
    const Clock::time_point now = Clock::now();
    Clock::time_point next = now + std::chrono::milliseconds(kCancelPollMs);
    for (const auto due : {done_.due(kQuietMs, kTogetherMs), open_.due(kPauseMs, restless_ms)}) {
      if (due && *due <= now) {
        // Whoever looks sees all of it.
        done_ = {};
        open_ = {};
        return true;
      }
      if (due) next = std::min(next, *due);
    }
    if (most_ms >= 0) {
      const Clock::time_point end = begin + std::chrono::milliseconds(most_ms);
      if (end <= now) return false;
      next = std::min(next, end);
    }
    pollfd waiting{fd_, POLLIN, 0};
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(next - now).count();
    if (poll(&waiting, 1, static_cast<int>(ms)) > 0) HR_TRY(read_events());
  }
}

}  // namespace headrace
