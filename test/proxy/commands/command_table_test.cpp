#include "proxy/commands/command_table.h"

#include <catch2/catch.hpp>

#include "proxy/config/config.h"

namespace {

using Words = std::vector<std::string>;

struct Row {
  Words given;
  std::string command;
  Words rest;
};

std::string command_in(Words& arguments) {
  return std::string(proxy::take_command(arguments).name);
}

TEST_CASE("command_table: flags may stand before the command", "[proxy][commands]") {
  const Row row = GENERATE(values<Row>({
      {{}, "run", {}},
      {{"--config=x"}, "run", {"--config=x"}},
      {{"--config", "diff"}, "run", {"--config", "diff"}},
      {{"diff"}, "diff", {}},
      {{"-v", "2", "diff", "-f", "x"}, "diff", {"-v", "2", "-f", "x"}},
      {{"--config=x", "diff", "--family", "ipv4"}, "diff", {"--config=x", "--family", "ipv4"}},
      {{"--config", "x", "diff"}, "diff", {"--config", "x"}},
      {{"-f", "-", "render"}, "render", {"-f", "-"}},
      {{"--masquerade-all", "diff"}, "diff", {"--masquerade-all"}},
      {{"--family", "ipv6", "render"}, "render", {"--family", "ipv6"}},
      {{"explain", "run"}, "explain", {"run"}},
      {{"--help", "diff"}, "diff", {"--help"}},
      {{"--", "diff"}, "run", {"--", "diff"}},
  }));
  Words arguments = row.given;
  CAPTURE(row.given);

  CHECK(command_in(arguments) == row.command);
  CHECK(arguments == row.rest);
}

TEST_CASE("command_table: a word that is no command is told, with what was probably meant",
          "[proxy][commands]") {
  const auto [word, reason] = GENERATE(table<std::string, std::string>({
      {"dif", "unknown command: dif, did you mean diff?"},
      {"Explain", "unknown command: Explain, did you mean explain?"},
      {"clean-up", "unknown command: clean-up, did you mean cleanup?"},
      {"verison", "unknown command: verison, did you mean version?"},
      {"apply", "unknown command: apply (iptproxy help lists the commands)"},
  }));
  Words arguments = {"-v", "2", word};

  CHECK_THROWS_WITH(proxy::take_command(arguments), reason);
}

TEST_CASE("command_table: the overview names every command", "[proxy][commands]") {
  const std::string overview = proxy::overview();
  for (const proxy::Command& command : proxy::commands()) {
    CHECK_THAT(overview, Catch::Contains("\n  " + std::string(command.name) + " "));
  }
}

}  // namespace
