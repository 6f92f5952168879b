#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "proxy/commands/usage.h"

namespace proxy {

namespace {

bool takes_file(const OptionUsage& option) {
  constexpr std::array<std::string_view, 5> kFiles{
      "--source", "--config", "--kubeconfig", "--against", "--write-config-to"};
  return std::ranges::any_of(option.names, [&](const std::string& name) {
    return std::ranges::find(kFiles, name) != kFiles.end();
  });
}

bool is_positional(const OptionUsage& option) {
  return !option.names.front().starts_with('-');
}

std::string name_of(const CommandUsage& command) {
  return command.name;
}

std::vector<std::string> names_of(const std::vector<CommandUsage>& commands) {
  std::vector<std::string> names;
  std::ranges::transform(commands, std::back_inserter(names), name_of);
  return names;
}

std::vector<std::string> flags_of(const CommandUsage& command) {
  std::vector<std::string> flags;
  for (const OptionUsage& option : command.options) {
    if (!is_positional(option)) {
      flags.insert(flags.end(), option.names.begin(), option.names.end());
    }
  }
  return flags;
}

/// Text within single quotes of a shell.
std::string quoted(std::string_view text) {
  std::string result;
  for (const char character : text) {
    result += character == '\'' ? std::string("'\\''") : std::string(1, character);
  }
  return "'" + result + "'";
}

/// A description within zsh's "name[description]:message:action".
std::string zsh_text(std::string_view text) {
  std::string result;
  for (const char character : text) {
    if (character == '[' || character == ']' || character == ':' || character == '\\') {
      result += '\\';
    }
    result += character;
  }
  return result;
}

std::string zsh_action(const OptionUsage& option) {
  if (!option.choices.empty()) {
    return fmt::format(":value:({})", fmt::join(option.choices, " "));
  }
  if (takes_file(option)) {
    return ":file:_files";
  }
  return option.value.empty() ? "" : ":value:";
}

/// The branches of bash's case over "COMMAND OPTION": what completes the value of that option.
std::string bash_values(const CommandUsage& command) {
  std::string branches;
  for (const OptionUsage& option : command.options) {
    if (is_positional(option) || option.value.empty()) {
      continue;
    }
    std::vector<std::string> patterns;
    for (const std::string& name : option.names) {
      patterns.push_back(fmt::format("'{} {}'", command.name, name));
    }
    const std::string words =
        takes_file(option) ? "-f" : fmt::format("-W '{}'", fmt::join(option.choices, " "));
    branches += fmt::format("    {}) COMPREPLY=($(compgen {} -- \"$word\")); return ;;\n",
                            fmt::join(patterns, " | "),
                            words);
  }
  return branches;
}

/// One argument of zsh's _arguments for each name of the option.
std::string zsh_arguments(const OptionUsage& option) {
  constexpr std::string_view kNext = " \\\n      ";
  if (is_positional(option)) {
    const auto choices = fmt::format("({})", fmt::join(option.choices, " "));
    return std::string(kNext) +
           quoted(fmt::format(
               "::{}:{}", zsh_text(option.help), option.choices.empty() ? "" : choices));
  }
  std::string result;
  for (const std::string& name : option.names) {
    const bool takes_equals = name.starts_with("--") && !option.value.empty();
    result += std::string(kNext) + quoted(fmt::format("*{}{}[{}]{}",
                                                      name,
                                                      takes_equals ? "=" : "",
                                                      zsh_text(option.help),
                                                      zsh_action(option)));
  }
  return result;
}

std::string fish_option(const OptionUsage& option) {
  std::string line;
  for (const std::string& name : option.names) {
    line += name.starts_with("--")  ? " -l " + name.substr(2)
            : name.starts_with('-') ? " -s " + name.substr(1)
                                    : "";
  }
  if (!option.choices.empty()) {
    line += fmt::format(" -x -a '{}'", fmt::join(option.choices, " "));
  } else if (option.value.empty()) {
    line += " -f";
  } else {
    line += takes_file(option) ? " -r -F" : " -x";
  }
  return line + " -d " + quoted(option.help);
}

}  // namespace

std::string bash_completion(const std::vector<CommandUsage>& commands) {
  std::string script =
      "# bash completion for iptproxy; made by `iptproxy completion bash`.\n"
      "_iptproxy() {\n"
      "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=run "
      "flags\n"
      "  case ${COMP_WORDS[1]} in\n";
  script +=
      fmt::format("    {}) command=${{COMP_WORDS[1]}} ;;\n", fmt::join(names_of(commands), " | "));
  script += "  esac\n  case \"$command $before\" in\n";
  for (const CommandUsage& command : commands) {
    script += bash_values(command);
  }
  script += "  esac\n  case $command in\n";
  for (const CommandUsage& command : commands) {
    script +=
        fmt::format("    {}) flags=\"{}\" ;;\n", command.name, fmt::join(flags_of(command), " "));
  }
  script += fmt::format(
      "  esac\n"
      "  if ((COMP_CWORD == 1)) && [[ $word != -* ]]; then\n"
      "    flags=\"{}\"\n"
      "  fi\n"
      "  COMPREPLY=($(compgen -W \"$flags\" -- \"$word\"))\n"
      "}}\n"
      "complete -o default -F _iptproxy iptproxy\n",
      fmt::join(names_of(commands), " "));
  return script;
}

std::string zsh_completion(const std::vector<CommandUsage>& commands) {
  std::string script =
      "#compdef iptproxy\n"
      "# zsh completion for iptproxy; made by `iptproxy completion zsh`.\n"
      "local -a commands=(\n";
  for (const CommandUsage& command : commands) {
    script += "  " + quoted(command.name + ":" + zsh_text(command.help)) + "\n";
  }
  script +=
      ")\n"
      "if ((CURRENT == 2)) && [[ $words[2] != -* ]]; then\n"
      "  _describe command commands\n"
      "  return\n"
      "fi\n"
      "local command=run\n"
      "if [[ $words[2] != -* ]]; then\n"
      "  command=$words[2]\n"
      "  shift words\n"
      "  ((CURRENT--))\n"
      "fi\n"
      "case $command in\n";
  for (const CommandUsage& command : commands) {
    script += fmt::format("  {})\n    _arguments", command.name);
    for (const OptionUsage& option : command.options) {
      script += zsh_arguments(option);
    }
    script += "\n    ;;\n";
  }
  return script + "esac\n";
}

std::string fish_completion(const std::vector<CommandUsage>& commands) {
  std::string script = "# fish completion for iptproxy; made by `iptproxy completion fish`.\n";
  const std::string all = fmt::format("{}", fmt::join(names_of(commands), " "));
  for (const CommandUsage& command : commands) {
    script += fmt::format("complete -c iptproxy -f -n __fish_use_subcommand -a {} -d {}\n",
                          command.name,
                          quoted(command.help));
  }
  for (const CommandUsage& command : commands) {
    const std::string condition =
        command.name == "run"
            ? fmt::format("not __fish_seen_subcommand_from {}; or __fish_seen_subcommand_from run",
                          all)
            : "__fish_seen_subcommand_from " + command.name;
    for (const OptionUsage& option : command.options) {
      script += "complete -c iptproxy -n " + quoted(condition) + fish_option(option) + "\n";
    }
  }
  return script;
}

}  // namespace proxy
