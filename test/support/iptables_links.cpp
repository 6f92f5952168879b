#include "test/support/iptables_links.h"

namespace test {

std::filesystem::path make_iptables_links(const std::filesystem::path& folder,
                                          const std::string& variant) {
  const auto links = folder / ("iptables-" + variant);
  std::filesystem::create_directories(links);
  for (const std::string family : {"iptables", "ip6tables"}) {
    for (const std::string suffix : {"", "-save", "-restore"}) {
      const auto link = links / (family + suffix);
      if (!std::filesystem::is_symlink(link)) {
        std::filesystem::create_symlink("/usr/sbin/xtables-" + variant + "-multi", link);
      }
    }
  }
  return links;
}

}  // namespace test
