#include <algorithm>

#include <fmt/format.h>

#include "proxy/commands/log_runner.h"
#include "proxy/commands/usage.h"
#include "proxy/config/file.h"
#include "proxy/text/build_info.h"

namespace proxy {

namespace {

/// `completion SHELL`: the text to print. Throws ConfigErrors.
std::string completion(const std::vector<std::string>& arguments,
                       const std::vector<CommandUsage>& commands) {
  const std::string shell = arguments.size() == 2 ? arguments[1] : "";
  if (shell == "bash") {
    return bash_completion(commands);
  }
  if (shell == "zsh") {
    return zsh_completion(commands);
  }
  if (shell == "fish") {
    return fish_completion(commands);
  }
  throw ConfigErrors({"completion: say for which shell: bash, zsh or fish"});
}

/// `man [COMMAND]`: the text to print. Throws ConfigErrors.
std::string manual(const std::vector<std::string>& arguments,
                   const std::vector<CommandUsage>& commands) {
  if (arguments.size() < 2) {
    return overview_page(commands, build_info().date);
  }
  for (const CommandUsage& command : commands) {
    if (command.name == arguments[1]) {
      return manual_page(command, build_info().date);
    }
  }
  throw ConfigErrors({fmt::format("man: unknown command: {}", arguments[1])});
}

}  // namespace

std::optional<int> run_special(int argc,
                               const char* const* argv,
                               std::vector<CommandUsage> (*usages)()) {
  const std::vector<std::string> arguments(argv + 1, argv + std::max(argc, 1));
  const std::string_view name = argc > 0 ? argv[0] : "";
  if (name.substr(name.rfind('/') + 1) == "go-runner") {
    return run_logged(parse_log_runner(arguments));
  }
  const std::string first = arguments.empty() ? "" : arguments.front();
  if (first != "completion" && first != "man") {
    return std::nullopt;
  }
  fmt::print("{}", first == "man" ? manual(arguments, usages()) : completion(arguments, usages()));
  return 0;
}

}  // namespace proxy
