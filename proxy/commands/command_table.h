#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/config/config.h"
#include "proxy/config/flags.h"

namespace CLI {  // NOLINT(readability-identifier-naming): the library's
class App;
}  // namespace CLI

namespace proxy {

/// What the commands take besides kube-proxy's flags, as text until it is judged.
struct CommandOptions {
  Flags flags;
  bool once = false;
  std::string family;
  std::string against;
  std::string output = "text";
  std::string colour = "auto";
  std::string service;
  std::string from;
  std::string to;
  std::string in_interface;
  std::string state = "new";
};

struct Command {
  std::string_view name;
  std::string_view summary;  // one line of the overview
  std::string_view help;     // what it does, and examples
  void (*add_options)(CLI::App& app, CommandOptions& options);
  int (*run)(const Config& config, const CommandOptions& options);
  int failure;                      // exit status when the environment fails
  bool may_ask_the_daemon = false;  // without flags it is about the daemon that runs here
};

/// All of them; the first is `run`, which flags without a command mean.
std::span<const Command> commands();

/// The overview: each command in a line.
std::string overview();

/// The command that the arguments name and the arguments without its name; flags may stand before
/// it. `run` if they name none. Throws ConfigErrors if there is a word that is no command.
const Command& take_command(std::vector<std::string>& arguments);

}  // namespace proxy
