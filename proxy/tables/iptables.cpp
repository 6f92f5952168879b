#include "proxy/tables/iptables.h"

#include <cstdlib>

#include <unistd.h>

namespace proxy {

std::string_view to_string(Variant variant) {
  return variant == Variant::kLegacy ? "legacy" : "nft";
}

std::string program(rules::Family family, Variant variant, std::string_view suffix) {
  const std::string name = family == rules::Family::kIpv4 ? "iptables" : "ip6tables";
  std::string exact = name + '-' + std::string(to_string(variant)) + std::string(suffix);
  return is_in_path(exact) ? exact : name + std::string(suffix);
}

bool is_in_path(std::string_view name) {
  const char* path = std::getenv("PATH");
  std::string_view rest(path != nullptr ? path : "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin");
  while (!rest.empty()) {
    const std::string_view folder = rest.substr(0, rest.find(':'));
    rest.remove_prefix(folder.size() == rest.size() ? folder.size() : folder.size() + 1);
    std::string file(folder);
    file += '/';
    file += name;
    if (access(file.c_str(), X_OK) == 0) {
      return true;
    }
  }
  return false;
}

}  // namespace proxy
