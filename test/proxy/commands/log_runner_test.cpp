#include "proxy/commands/log_runner.h"

#include <catch2/catch.hpp>

#include "proxy/config/file.h"

using proxy::LogRunner;
using proxy::parse_log_runner;

TEST_CASE("log runner: Go's spellings of a flag mean the same, and the command follows",
          "[proxy][commands]") {
  for (const std::vector<std::string>& arguments : {
           std::vector<std::string>{"--log-file=/l", "--also-stdout", "/kube-proxy", "--v=2"},
           {"-log-file", "/l", "-also-stdout=true", "/kube-proxy", "--v=2"},
           {"-log-file=/l", "-flush-interval=5s", "-also-stdout=1", "/kube-proxy", "--v=2"},
       }) {
    CAPTURE(arguments);

    const LogRunner runner = parse_log_runner(arguments);

    CHECK(runner.log_file == "/l");
    CHECK(runner.also_stdout);
    CHECK(runner.redirect_stderr);
    CHECK(runner.command == std::vector<std::string>{"/kube-proxy", "--v=2"});
  }
  CHECK_FALSE(parse_log_runner({"-redirect-stderr=false", "x"}).redirect_stderr);
}

TEST_CASE("log runner: a command line without sense is refused", "[proxy][commands]") {
  CHECK_THROWS_AS(parse_log_runner({}), proxy::ConfigErrors);
  CHECK_THROWS_AS(parse_log_runner({"--log-file"}), proxy::ConfigErrors);
  CHECK_THROWS_AS(parse_log_runner({"--also-stdout=2", "x"}), proxy::ConfigErrors);
}
