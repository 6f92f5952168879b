#include "k8sclient/base/process.h"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <system_error>
#include <thread>

#include <catch2/catch.hpp>
#include <sys/wait.h>

#include "k8sclient/base/environment.h"
#include "k8sclient/errors.h"

using namespace k8sclient;
using namespace std::chrono_literals;

namespace {

Command shell(const std::string& script) {
  return {.argv = {"sh", "-c", script}, .input = {}};
}

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

bool has_children() {
  return waitpid(-1, nullptr, WNOHANG) >= 0;
}

}  // namespace

TEST_CASE("process: a program reads its input and its streams come back apart",
          "[k8sclient][process]") {
  Command command = shell("cat; echo warning >&2; exit 3");
  command.input = "one\ntwo\n";

  const ProcessResult result = run(command);

  CHECK(result.status == 3);
  CHECK(result.output == "one\ntwo\n");
  CHECK(result.error == "warning\n");
}

TEST_CASE("process: what is set for libraries is not seen by programs", "[k8sclient][process]") {
  setenv("IPTPROXY_TEST_GIVEN", "as it was", 1);
  set_for_libraries("IPTPROXY_TEST_GIVEN", "for us");
  set_for_libraries("IPTPROXY_TEST_GIVEN", "for us again");
  set_for_libraries("IPTPROXY_TEST_NEW", "for us");

  const std::string ask = "echo ${IPTPROXY_TEST_GIVEN-none}, ${IPTPROXY_TEST_NEW-none}";
  CHECK(run(shell(ask)).output == "as it was, none\n");
  Command command = shell(ask);
  command.environment = {{"IPTPROXY_TEST_NEW", "for it"}};
  CHECK(run(command).output == "as it was, for it\n");
  CHECK(std::getenv("IPTPROXY_TEST_GIVEN") == std::string("for us again"));
  CHECK(inherited("IPTPROXY_TEST_GIVEN") == "as it was");
  CHECK(!inherited("IPTPROXY_TEST_NEW"));
}

TEST_CASE("process: input and output larger than any buffer pass at the same time",
          "[k8sclient][process]") {
  const std::string input(5'000'000, 'x');

  const ProcessResult result = run({.argv = {"cat"}, .input = input});

  CHECK(result.status == 0);
  CHECK(result.output == input);
}

TEST_CASE("process: output arrives line by line, the last one without a newline too",
          "[k8sclient][process]") {
  std::vector<std::string> lines;
  Command command =
      shell("printf 'a\\n'; sleep 0.01; printf 'b'; sleep 0.01; printf 'c\\n\\nlast'");
  command.on_line = [&](std::string_view line) { lines.emplace_back(line); };

  const ProcessResult result = run(command);

  CHECK(lines == std::vector<std::string>{"a", "bc", "", "last"});
  CHECK(result.output.empty());
}

TEST_CASE("process: a program that ignores its input is no failure", "[k8sclient][process]") {
  const std::string input(5'000'000, 'x');

  CHECK(run({.argv = {"true"}, .input = input}).status == 0);
}

TEST_CASE("process: a program that outlives its deadline is killed", "[k8sclient][process]") {
  Command command = shell("trap '' TERM; echo begun; while :; do sleep 1; done");
  command.deadline = 200ms;

  const ProcessResult result = run(command);

  CHECK(result.status == ProcessResult::kTimedOut);
  CHECK(result.output == "begun\n");
  CHECK_FALSE(has_children());
}

TEST_CASE("process: a signal's number is in the status", "[k8sclient][process]") {
  CHECK(run(shell("kill -9 $$")).status == 128 + 9);
}

TEST_CASE("process: a program that does not exist is an error that names it",
          "[k8sclient][process]") {
  CHECK_THROWS_WITH(run({.argv = {"no-such-program-here"}, .input = {}}),
                    Catch::Contains("no-such-program-here") && Catch::Contains("No such file"));
}

TEST_CASE("process: an exception of the reader ends the program", "[k8sclient][process]") {
  Command command = shell("while :; do echo line; done");
  command.on_line = [](std::string_view) { throw std::runtime_error("enough"); };

  CHECK_THROWS_WITH(run(command), "enough");
  CHECK_FALSE(has_children());
}

TEST_CASE("process: a program inherits no descriptor and leaves none behind",
          "[k8sclient][process]") {
  const std::size_t before = open_descriptors();

  const ProcessResult result = run({.argv = {"ls", "/proc/self/fd"}, .input = {}});

  CHECK(result.output == "0\n1\n2\n3\n");  // the last one is the folder
  CHECK(open_descriptors() == before);
}

TEST_CASE("process: arguments and variables arrive as they are, without a shell",
          "[k8sclient][process]") {
  ::setenv("K8SCLIENT_TEST", "ours", 1);

  CHECK(run({.argv = {"printf", "%s|", "a b", "$HOME", "*"}}).output == "a b|$HOME|*|");
  CHECK(run({.argv = {"printenv", "K8SCLIENT_TEST"}}).output == "ours\n");
  CHECK(run({.argv = {"printenv", "K8SCLIENT_TEST"}, .environment = {{"K8SCLIENT_TEST", "new"}}})
            .output == "new\n");
  ::unsetenv("K8SCLIENT_TEST");
}

TEST_CASE("process: without input there is nothing to read", "[k8sclient][process]") {
  CHECK(run(shell("cat; echo end")).output == "end\n");
}

TEST_CASE("process: one that floods us is ended", "[k8sclient][process]") {
  Command command = shell("cat /dev/zero");
  command.max_output = 1U << 20U;

  CHECK_THROWS_WITH(run(command), "the output of sh: Message too long");
  CHECK_FALSE(has_children());
}

TEST_CASE("process: a grandchild that keeps the output open does not hold us up",
          "[k8sclient][process]") {
  CHECK(run(shell("sleep 1000 & echo started")).output == "started\n");
}

TEST_CASE("process: stop ends it at once, with all that it started", "[k8sclient][process]") {
  std::stop_source stop;
  Command command = shell("sleep 1000 & wait");
  command.deadline = 1000s;
  command.stop = stop.get_token();
  const std::jthread stopper([&] { stop.request_stop(); });

  CHECK_THROWS_AS(run(command), Stopped);
  CHECK_FALSE(has_children());
}
