#include "proxy/host/confinement.h"

#include <cstdlib>

#include <sys/resource.h>

namespace proxy {

void confine_process() {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);  // lowering a limit is always allowed
  if (const char* path = std::getenv("PATH")) {
    // An empty one means the current folder (POSIX.1-2017 §8.3).
    std::string absolute = absolute_elements(path);
    setenv("PATH", absolute.empty() ? "/usr/sbin:/usr/bin:/sbin:/bin" : absolute.c_str(), 1);
  }
}

std::string absolute_elements(std::string_view path) {
  std::string kept;
  while (!path.empty()) {
    const std::string_view element = path.substr(0, path.find(':'));
    path.remove_prefix(element.size() < path.size() ? element.size() + 1 : element.size());
    if (element.starts_with('/')) {
      kept += kept.empty() ? "" : ":";
      kept += element;
    }
  }
  return kept;
}

}  // namespace proxy
