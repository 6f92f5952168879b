#include "proxy/host/confinement.h"

#include <cstdlib>
#include <string>

#include <catch2/catch.hpp>
#include <sys/resource.h>

TEST_CASE("confinement: of PATH only absolute elements count", "[proxy][confinement]") {
  const auto [path, kept] = GENERATE(
      table<std::string, std::string>({{"/usr/sbin:/bin", "/usr/sbin:/bin"},
                                       {".:/usr/bin", "/usr/bin"},
                                       {"/usr/bin:", "/usr/bin"},  // the current folder, by POSIX
                                       {":/usr/bin::/bin", "/usr/bin:/bin"},
                                       {"bin:../sbin:~/bin", ""},
                                       {"", ""}}));
  CAPTURE(path);

  CHECK(proxy::absolute_elements(path) == kept);
}

TEST_CASE("confinement: no core files, and no programs from where it was started",
          "[proxy][confinement]") {
  const std::string before = std::getenv("PATH");
  setenv("PATH", (".:" + before).c_str(), 1);

  proxy::confine_process();

  rlimit core{1, 1};
  REQUIRE(getrlimit(RLIMIT_CORE, &core) == 0);
  CHECK(core.rlim_cur == 0);
  CHECK(core.rlim_max == 0);
  CHECK(std::getenv("PATH") == proxy::absolute_elements(before));
}
