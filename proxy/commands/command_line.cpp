#include "proxy/commands/command_line.h"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "k8sclient/identity/kubeconfig.h"
#include "k8sclient/objects/quote.h"
#include "proxy/commands/command_table.h"
#include "proxy/commands/daemon.h"
#include "proxy/commands/usage.h"
#include "proxy/config/flags.h"
#include "proxy/host/descriptor.h"
#include "proxy/log/logging.h"

namespace proxy {

namespace {

constexpr int kFailure = 1;
constexpr int kBadInput = 2;

void complain(std::string_view text) {
  fmt::print(stderr, "iptproxy: {}\n", k8sclient::on_one_line(text));
}

/// Says why a command failed, a line for each reason; the exit status.
int report(const std::exception& error, int failure, void (*say)(std::string_view line)) {
  if (const auto* errors = dynamic_cast<const ConfigErrors*>(&error)) {
    std::ranges::for_each(errors->lines(), say);
    return kBadInput;
  }
  say(error.what());
  return dynamic_cast<const k8sclient::KubeconfigError*>(&error) == nullptr ? failure : kBadInput;
}

/// What --validate-config prints; the exit status.
int show_validation(const CheckedConfig& checked) {
  for (const std::string& warning : checked.warnings) {
    fmt::print("warning: {}\n", warning);
  }
  for (const std::string& note : config_notes(checked.config)) {
    fmt::print("note: {}\n", note);
  }
  if (checked.config.validation == Validation::kStrict && !checked.warnings.empty()) {
    fmt::print("The configuration has {} {}.\n",
               checked.warnings.size(),
               checked.warnings.size() == 1 ? "warning" : "warnings");
    return kBadInput;
  }
  fmt::print("The configuration is valid.\n");
  return 0;
}

int execute(const Command& command, const CommandOptions& options) {
  const CheckedConfig checked = to_config(options.flags);
  const Config& config = checked.config;
  set_up_logging({.format = config.logging.format == "json" ? LogFormat::kJson : LogFormat::kText,
                  .verbosity = static_cast<int>(config.logging.verbosity)});
  if (config.validation != Validation::kNo) {
    return show_validation(checked);
  }
  for (const std::string& warning : checked.warnings) {
    log_warning("Part of the configuration does not count", {{"reason", warning}});
  }
  try {
    const bool is_open = command.may_ask_the_daemon && asks_about_daemon(options.flags);
    return command.run(is_open ? daemon_configuration(config) : config, options);
  } catch (const std::exception& error) {
    if (config.logging.format != "json") {
      throw;
    }
    return report(error, command.failure, [](std::string_view line) {
      log_error("Command failed", {{"error", line}});
    });
  }
}

int parse_and_execute(const Command& command, std::vector<std::string> arguments) {
  CLI::App app(std::string(command.help), fmt::format("iptproxy {}", command.name));
  app.footer("`iptproxy help` lists the commands.\n");
  CommandOptions options;
  command.add_options(app, options);  // first, as they are shown in this order
  add_flags(app, options.flags);
  try {
    std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
    app.parse(arguments);
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", help_text(app));
    return 0;
  } catch (const CLI::ParseError& error) {
    complain(parse_error_line(app, error));
    return kBadInput;
  }
  if (const auto version = version_text(options.flags)) {
    fmt::print("{}\n", *version);
    return 0;
  }
  return execute(command, options);
}

/// What --help of the command shows, as values.
CommandUsage usage_of(const Command& command) {
  CLI::App app;
  CommandOptions options;
  command.add_options(app, options);
  add_flags(app, options.flags);
  (void)help_text(app);  // takes the hidden ones out of their group
  CommandUsage usage{
      .name = std::string(command.name), .help = std::string(command.summary), .options = {}};
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) {
      continue;
    }
    OptionUsage shown{.help = option->get_description(), .group = option->get_group()};
    for (const std::string& name : option->get_snames()) {
      shown.names.push_back("-" + name);
    }
    for (const std::string& name : option->get_lnames()) {
      shown.names.push_back("--" + name);
    }
    if (shown.names.empty()) {
      shown.names.push_back(option->get_name());
    }
    const std::string type = option->get_expected_max() == 0 ? "" : option->get_type_name();
    shown.value = type.substr(0, type.find(':'));
    const std::size_t open = type.find('{');
    if (open != std::string::npos) {
      shown.choices = CLI::detail::split(type.substr(open + 1, type.rfind('}') - open - 1), ',');
    }
    usage.options.push_back(std::move(shown));
  }
  return usage;
}

std::vector<CommandUsage> usages() {
  std::vector<CommandUsage> all;
  std::ranges::transform(commands(), std::back_inserter(all), usage_of);
  return all;
}

int show_overview() {
  fmt::print("{}", overview());
  return 0;
}

/// `help`, `version` and their like as the flags that they stand for.
void spell_out(std::vector<std::string>& arguments) {
  if (arguments.empty()) {
    return;
  }
  if (arguments.front() == "version") {
    arguments.front() = "--version";
  } else if (arguments.front() == "help" && arguments.size() > 1) {
    std::rotate(arguments.begin(), arguments.begin() + 1, arguments.end());
    arguments.back() = "--help";
  } else if (arguments.front() == "help") {
    arguments.front() = "--help";
  }
}

}  // namespace

int run_program(int argc, const char* const* argv) {
  int failure = kFailure;
  try {
    std::optional<int> status = run_special(argc, argv, usages);
    if (!status) {
      std::vector<std::string> arguments = normalize_arguments(argc, argv);
      spell_out(arguments);
      const bool wants_overview =
          arguments.size() == 1 && (arguments[0] == "--help" || arguments[0] == "-h");
      const Command& command = take_command(arguments);
      failure = command.failure;
      status = wants_overview ? show_overview() : parse_and_execute(command, std::move(arguments));
    }
    if (std::fflush(stdout) != 0) {
      throw_errno("cannot write the output");
    }
    return *status;
  } catch (const std::exception& error) {
    return report(error, failure, complain);
  }
}

}  // namespace proxy
