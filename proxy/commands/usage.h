#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proxy {

/// One option of a command, as --help shows it.
struct OptionUsage {
  std::vector<std::string> names;  // "-o", "--output"; of a positional argument one without dashes
  std::string value;               // what it takes, "TEXT"; empty: nothing
  std::vector<std::string> choices;  // the only values that are accepted; empty: any
  std::string help;
  std::string group;  // heading in the help
};

struct CommandUsage {
  std::string name;  // "diff"
  std::string help;  // sentences
  std::vector<OptionUsage> options;
};

/// The manual page iptproxy(8), or iptproxy-NAME(8) of one command, in man(7)'s language. `date` is
/// that of the page: "2026-11-28".
std::string overview_page(const std::vector<CommandUsage>& commands, std::string_view date);
std::string manual_page(const CommandUsage& command, std::string_view date);

/// Completion of the command line. Each goes where its shell looks for it: see CMakeLists.txt.
std::string bash_completion(const std::vector<CommandUsage>& commands);
std::string zsh_completion(const std::vector<CommandUsage>& commands);
std::string fish_completion(const std::vector<CommandUsage>& commands);

/// Runs what is asked for by the program's own name (go-runner) or by a first argument that takes
/// none of the flags (completion, man), and returns the exit status; nothing if it is a command
/// like the others. Throws ConfigErrors.
std::optional<int> run_special(int argc,
                               const char* const* argv,
                               std::vector<CommandUsage> (*usages)());

}  // namespace proxy
