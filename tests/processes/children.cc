#include "tests/processes/children.h"

#include <filesystem>
#include <fstream>
#include <sstream>

namespace errand {

std::vector<pid_t> ChildrenNamed(const std::string& command, pid_t of) {
  std::vector<pid_t> pids;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream file(entry.path() / "stat");
    std::string stat;
    if (!std::getline(file, stat, '\0') && stat.empty()) continue;  // It has gone meanwhile.
    // "pid (command) state parent ..."
    const size_t end = stat.rfind(") ");
    if (end == std::string::npos || stat.find("(" + command) == std::string::npos) continue;
    std::istringstream rest(stat.substr(end + 2));
    std::string state;
    pid_t parent = 0;
    rest >> state >> parent;
    if (parent == of && state != "Z") pids.push_back(std::stoi(name));
  }
  return pids;
}

}  // namespace errand
