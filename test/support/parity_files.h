#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "test/support/paths.h"

namespace test {

/// The folder of what a real kube-proxy and a real cluster left: goldens/ and seed/.
inline std::filesystem::path parity_folder() {
  return source_folder() / "test/parity";
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

/// Folders of the golden cases, sorted. Throws if there are none.
inline std::vector<std::filesystem::path> golden_cases() {
  std::vector<std::filesystem::path> cases;
  for (const auto& entry : std::filesystem::directory_iterator(parity_folder() / "goldens")) {
    cases.push_back(entry.path());
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
  files.push_back(parity_folder() / "seed/k8s-worker1.iptables-save");
  files.push_back(parity_folder() / "seed/k8s-master.iptables-save");
  return files;
}

}  // namespace test
