#include "proxy/legacy/xtables_lock.h"

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <unistd.h>

#include "test/support/temporary_folder.h"

using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using proxy::XtablesLock;

namespace {

/// The lock's file is one of this test alone.
class OwnLockFile {
 public:
  OwnLockFile() {
    const char* before = std::getenv(kVariable);
    before_ = before == nullptr ? "" : before;
    setenv(kVariable, path().c_str(), 1);
  }

  OwnLockFile(const OwnLockFile&) = delete;
  OwnLockFile& operator=(const OwnLockFile&) = delete;

  ~OwnLockFile() {
    if (before_.empty()) {
      unsetenv(kVariable);
    } else {
      setenv(kVariable, before_.c_str(), 1);
    }
  }

  std::string path() const { return (folder_.path() / "xtables.lock").string(); }

 private:
  static constexpr const char* kVariable = "XTABLES_LOCKFILE";

  test::TemporaryFolder folder_;
  std::string before_;
};

std::uint64_t foreign_holds(XtablesLock& lock) {
  return lock.acquire(0ms).value().foreign_holds();
}

}  // namespace

TEST_CASE("xtables lock: who holds it excludes all others, until the end of the hold",
          "[proxy][xtables_lock]") {
  const OwnLockFile file;
  XtablesLock ours;
  XtablesLock theirs;  // of another process, say

  {
    const auto hold = ours.acquire(0ms);
    REQUIRE(hold);
    CHECK(!theirs.acquire(0ms));
    CHECK(!theirs.acquire(10ms));
  }
  CHECK(theirs.acquire(0ms));
  CHECK(ours.acquire(0ms));
}

TEST_CASE("xtables lock: each waiting is told, also one in vain", "[proxy][xtables_lock]") {
  const OwnLockFile file;
  XtablesLock ours;
  XtablesLock theirs;
  std::vector<std::chrono::nanoseconds> waits;
  ours.tell_waits([&](std::chrono::nanoseconds waited) { waits.push_back(waited); });

  CHECK(ours.acquire(0ms));
  const auto hold = theirs.acquire(0ms);
  CHECK(!ours.acquire(20ms));

  REQUIRE(waits.size() == 2);
  CHECK(waits[1] >= 20ms);
}

TEST_CASE("xtables lock: it is free again when the one who is told of waits throws",
          "[proxy][xtables_lock]") {
  const OwnLockFile file;
  XtablesLock ours;
  bool throws = true;
  ours.tell_waits([&](std::chrono::nanoseconds) {
    if (throws) {
      throw std::runtime_error("no memory");
    }
  });

  CHECK_THROWS_WITH(ours.acquire(0ms), "no memory");

  throws = false;
  XtablesLock another;
  CHECK(another.acquire(0ms));
  CHECK(ours.acquire(0ms));
}

TEST_CASE("xtables lock: a hold by anybody else in between is noticed, one of our own is not",
          "[proxy][xtables_lock]") {
  const OwnLockFile file;
  XtablesLock ours;
  const std::uint64_t first = foreign_holds(ours);
  CHECK(first != 0);
  CHECK(foreign_holds(ours) == first);

  SECTION("another process") {
    {
      XtablesLock another;
      const auto hold = another.acquire(0ms);
    }
    const std::uint64_t second = foreign_holds(ours);
    CHECK(second != first);
    CHECK(foreign_holds(ours) == second);
  }
  SECTION("the file was replaced: nobody knows what happened under the other one") {
    std::filesystem::remove(file.path());
    CHECK(foreign_holds(ours) != first);
  }
}

TEST_CASE("xtables lock: a failure names who holds it", "[proxy][xtables_lock]") {
  const OwnLockFile file;
  CHECK(proxy::xtables_lock_holder() == "nobody");
  XtablesLock ours;
  const auto hold = ours.acquire(0ms);
  REQUIRE(hold);

  CHECK_THAT(proxy::xtables_lock_holder(), Contains("(pid " + std::to_string(getpid()) + ")"));
  CHECK_THAT(proxy::describe_lock_failure(5s),
             Contains(file.path()) && Contains("for more than 5 s"));
}

TEST_CASE("xtables lock: a file that cannot be made is an error that names it",
          "[proxy][xtables_lock]") {
  const OwnLockFile file;
  setenv("XTABLES_LOCKFILE", "/nonexistent/xtables.lock", 1);
  XtablesLock lock;
  CHECK_THROWS_WITH(lock.acquire(0ms), Contains("/nonexistent/xtables.lock"));
}
