// How many CPUs this process may use: its affinity mask, cut by the quotas of its cgroups.
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "runtime/thread_pool.h"

namespace headrace {
namespace {

size_t affinity_count() {
  // The mask must be as large as the kernel's, which may know more CPUs than CPU_SETSIZE.
  for (size_t cpus = 1024; cpus <= (1U << 18); cpus *= 4) {
    std::vector<unsigned long> mask(cpus / (8 * sizeof(unsigned long)));
    auto* set = reinterpret_cast<cpu_set_t*>(mask.data());
    const size_t bytes = mask.size() * sizeof(unsigned long);
    if (sched_getaffinity(0, bytes, set) == 0)
      return static_cast<size_t>(std::max(1, CPU_COUNT_S(bytes, set)));
  }
  return static_cast<size_t>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
}

// CPUs that a quota allows, or infinity.
double quota_of(double quota, double period) {
  return quota > 0 && period > 0 ? quota / period : HUGE_VAL;
}

double read_v2(const std::string& folder) {
  std::ifstream file(folder + "/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max") return HUGE_VAL;
  double value = 0;
  std::istringstream(quota) >> value;
  return quota_of(value, period);
}

double read_v1(const std::string& folder) {
  double quota = 0, period = 0;
  std::ifstream(folder + "/cpu.cfs_quota_us") >> quota;
  std::ifstream(folder + "/cpu.cfs_period_us") >> period;
  return quota_of(quota, period);
}

// The quota of the process's cgroup and of every one above it: the smallest holds.
double cgroup_quota() {
  double least = HUGE_VAL;
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool v2 = controllers == ",,";
    if (!v2 && controllers.find(",cpu,") == std::string::npos) continue;
    const std::string root = v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu";
    std::string path = line.substr(second + 1);
    for (;;) {
      if (path == "/") path.clear();
      least = std::min(least, v2 ? read_v2(root + path) : read_v1(root + path));
      const size_t slash = path.rfind('/');
      if (slash == std::string::npos) break;
      path.resize(slash);
    }
  }
  return least;
}

}  // namespace

size_t usable_cpu_count() {
  static const size_t count = [] {
    const auto cpus = static_cast<double>(affinity_count());
    return static_cast<size_t>(std::max(1.0, std::min(cpus, std::ceil(cgroup_quota()))));
  }();
  return count;
}

}  // namespace headrace
