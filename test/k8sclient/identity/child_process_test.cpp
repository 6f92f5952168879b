#include "k8sclient/identity/child_process.h"

#include <cstdlib>
#include <system_error>
#include <thread>

#include <catch2/catch.hpp>

#include "k8sclient/watch/transport.h"

using k8sclient::ChildResult;
using k8sclient::run_child;
using namespace std::chrono_literals;

namespace {

ChildResult run_script(const std::string& script, std::chrono::milliseconds limit = 20s) {
  return run_child({"sh", "-c", script}, {}, {}, limit);
}

}  // namespace

TEST_CASE("child process: status, output and errors come back", "[k8sclient][child]") {
  const ChildResult result = run_script("echo out; echo err >&2; exit 3");

  CHECK(result.status == 3);
  CHECK(result.output == "out\n");
  CHECK(result.errors == "err\n");
  CHECK(run_script("kill -TERM $$").status == 128 + 15);
}

TEST_CASE("child process: arguments and variables arrive as they are, without a shell",
          "[k8sclient][child]") {
  ::setenv("K8SCLIENT_TEST", "ours", 1);

  CHECK(run_child({"printf", "%s|", "a b", "$HOME", "*"}, {}, {}, 20s).output == "a b|$HOME|*|");
  CHECK(run_child({"printenv", "K8SCLIENT_TEST"}, {}, {}, 20s).output == "ours\n");
  CHECK(run_child({"printenv", "K8SCLIENT_TEST"}, {{"K8SCLIENT_TEST", "new"}}, {}, 20s).output ==
        "new\n");
  ::unsetenv("K8SCLIENT_TEST");
}

TEST_CASE("child process: it has nothing to read", "[k8sclient][child]") {
  CHECK(run_script("cat; echo end").output == "end\n");
}

TEST_CASE("child process: one that cannot start, hangs or floods is an error",
          "[k8sclient][child]") {
  CHECK_THROWS_WITH(run_child({"/nonexistent"}, {}, {}, 20s),
                    "cannot start it: No such file or directory");
  CHECK_THROWS_WITH(run_script("sleep 1000", 50ms), "it does not end: Connection timed out");
  CHECK_THROWS_WITH(run_script("cat /dev/zero"), "its output: Message too long");
}

TEST_CASE("child process: a grandchild that keeps the output open does not hold us up",
          "[k8sclient][child]") {
  CHECK(run_script("sleep 1000 & echo started").output == "started\n");
}

TEST_CASE("child process: stop kills it", "[k8sclient][child]") {
  std::stop_source stop;
  const std::jthread stopper([&] { stop.request_stop(); });

  CHECK_THROWS_AS(run_child({"sleep", "1000"}, {}, stop.get_token(), 1000s), k8sclient::Stopped);
}
