#include "proxy/host/process.h"

#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <system_error>

#include <catch2/catch.hpp>
#include <sys/wait.h>

using namespace proxy;
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
          "[proxy][process]") {
  Command command = shell("cat; echo warning >&2; exit 3");
  command.input = "one\ntwo\n";

  const ProcessResult result = run(command);

  CHECK(result.status == 3);
  CHECK(result.output == "one\ntwo\n");
  CHECK(result.error == "warning\n");
}

TEST_CASE("process: input and output larger than any buffer pass at the same time",
          "[proxy][process]") {
  const std::string input(5'000'000, 'x');

  const ProcessResult result = run({.argv = {"cat"}, .input = input});

  CHECK(result.status == 0);
  CHECK(result.output == input);
}

TEST_CASE("process: output arrives line by line, the last one without a newline too",
          "[proxy][process]") {
  std::vector<std::string> lines;
  Command command =
      shell("printf 'a\\n'; sleep 0.01; printf 'b'; sleep 0.01; printf 'c\\n\\nlast'");
  command.on_line = [&](std::string_view line) { lines.emplace_back(line); };

  const ProcessResult result = run(command);

  CHECK(lines == std::vector<std::string>{"a", "bc", "", "last"});
  CHECK(result.output.empty());
}

TEST_CASE("process: a program that ignores its input is no failure", "[proxy][process]") {
  const std::string input(5'000'000, 'x');

  CHECK(run({.argv = {"true"}, .input = input}).status == 0);
}

TEST_CASE("process: a program that outlives its deadline is killed", "[proxy][process]") {
  Command command = shell("trap '' TERM; echo begun; while :; do sleep 1; done");
  command.deadline = 200ms;

  const ProcessResult result = run(command);

  CHECK(result.status == ProcessResult::kTimedOut);
  CHECK(result.output == "begun\n");
  CHECK_FALSE(has_children());
}

TEST_CASE("process: a signal's number is in the status", "[proxy][process]") {
  CHECK(run(shell("kill -9 $$")).status == 128 + 9);
}

TEST_CASE("process: a program that does not exist is an error that names it", "[proxy][process]") {
  CHECK_THROWS_WITH(run({.argv = {"no-such-program-here"}, .input = {}}),
                    Catch::Contains("no-such-program-here") && Catch::Contains("No such file"));
}

TEST_CASE("process: an exception of the reader ends the program", "[proxy][process]") {
  Command command = shell("while :; do echo line; done");
  command.on_line = [](std::string_view) { throw std::runtime_error("enough"); };

  CHECK_THROWS_WITH(run(command), "enough");
  CHECK_FALSE(has_children());
}

TEST_CASE("process: a program inherits no descriptor and leaves none behind", "[proxy][process]") {
  const std::size_t before = open_descriptors();

  const ProcessResult result = run({.argv = {"ls", "/proc/self/fd"}, .input = {}});

  CHECK(result.output == "0\n1\n2\n3\n");  // the last one is the folder
  CHECK(open_descriptors() == before);
}
