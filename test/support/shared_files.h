#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace test {

/// The folder of goldens and seed dumps: $IPTPROXY_SHARED, or ../shared beside the sources.
inline std::filesystem::path shared_folder() {
  const char* named = std::getenv("IPTPROXY_SHARED");
  return named != nullptr ? std::filesystem::path(named)
                          : std::filesystem::path(IPTPROXY_SOURCE_DIR "/../shared");
}

inline bool has_shared_files() {
  return std::filesystem::is_directory(shared_folder() / "goldens");
}

inline std::string content(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

inline std::vector<std::string> lines(const std::filesystem::path& file) {
  std::vector<std::string> all;
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    all.push_back(line);
  }
  return all;
}

/// Folders of the golden cases, sorted; empty without shared files.
inline std::vector<std::filesystem::path> golden_cases() {
  std::vector<std::filesystem::path> cases;
  if (has_shared_files()) {
    for (const auto& entry : std::filesystem::directory_iterator(shared_folder() / "goldens")) {
      cases.push_back(entry.path());
    }
  }
  std::sort(cases.begin(), cases.end());
  return cases;
}

/// Every iptables-save file of the goldens and the seed.
inline std::vector<std::filesystem::path> save_files() {
  std::vector<std::filesystem::path> files;
  for (const auto& golden : golden_cases()) {
    files.push_back(golden / "iptables-save");
    files.push_back(golden / "ip6tables-save");
  }
  if (has_shared_files()) {
    files.push_back(shared_folder() / "seed/k8s-worker1.iptables-save");
    files.push_back(shared_folder() / "seed/k8s-master.iptables-save");
  }
  return files;
}

}  // namespace test
