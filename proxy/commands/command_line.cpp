#include "proxy/commands/command_line.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "k8sclient/identity/kubeconfig.h"
#include "k8sclient/objects/quote.h"
#include "proxy/commands/commands.h"
#include "proxy/config/file.h"
#include "proxy/config/flags.h"
#include "proxy/host/descriptor.h"
#include "proxy/host/file.h"
#include "proxy/log/logging.h"

namespace proxy {

namespace {

constexpr int kFailure = 1;
constexpr int kBadInput = 2;

constexpr std::string_view kCommands =
    "Commands (each takes the flags of `run` that say where the cluster comes from and how to "
    "compile it):\n"
    "  run       the daemon; also what flags without a command mean\n"
    "  render    print the complete iptables-restore text for the cluster\n"
    "  diff      show what would be changed on this node (exit status 0 nothing, 1 something, 2 "
    "error)\n"
    "  explain   tell why a Service's traffic, or one packet, goes where it goes\n"
    "  check     tell whether this node can run iptproxy and is served well\n"
    "  cleanup   remove everything that kube-proxy or iptproxy wrote\n";

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
};

std::optional<rules::Family> family_of(const CommandOptions& options) {
  if (options.family.empty()) {
    return std::nullopt;
  }
  return options.family == "ipv4" ? rules::Family::kIpv4 : rules::Family::kIpv6;
}

Output output_of(const CommandOptions& options) {
  return options.output == "json"  ? Output::kJson
         : options.output == "dot" ? Output::kDot
                                   : Output::kText;
}

/// Colours on a terminal, unless NO_COLOR (no-color.org) is set.
Colour colour_of(const CommandOptions& options) {
  const char* no_colour = std::getenv("NO_COLOR");
  const bool wanted =
      options.colour == "always" || (options.colour == "auto" && isatty(STDOUT_FILENO) == 1 &&
                                     (no_colour == nullptr || *no_colour == '\0'));
  return wanted ? Colour::kAlways : Colour::kNever;
}

int run_command(const Config& config, const CommandOptions& options) {
  if (!config.write_config_to.empty()) {
    write_file(config.write_config_to, to_yaml(config));
    return 0;
  }
  if (config.cleanup) {
    return clean_up(config);
  }
  if (config.init_only) {
    return run_init(config);
  }
  return options.once ? run_once(config) : run_daemon(config, options.flags);
}

int diff_command(const Config& config, const CommandOptions& options) {
  if (!options.against.empty() && options.family.empty()) {
    throw ConfigErrors({"--against: a dump is of one family; say which with --family ipv4|ipv6"});
  }
  return show_diff(config,
                   {.family = family_of(options),
                    .against = options.against,
                    .output = output_of(options),
                    .colour = colour_of(options)});
}

int explain_command(const Config& config, const CommandOptions& options) {
  const bool is_packet = !options.from.empty() && !options.to.empty();
  if (options.service.empty() == !is_packet) {
    throw ConfigErrors(
        {"explain: give either NAMESPACE/SERVICE[:PORT], or --from ADDRESS and --to "
         "ADDRESS:PORT/PROTOCOL"});
  }
  if (!is_packet && options.service.find('/') == std::string::npos) {
    throw ConfigErrors(
        {fmt::format("explain: \"{}\" is not NAMESPACE/SERVICE[:PORT]", options.service)});
  }
  return explain(config,
                 {.service = options.service,
                  .from = options.from,
                  .to = options.to,
                  .in_interface = options.in_interface,
                  .against = options.against,
                  .output = output_of(options),
                  .colour = colour_of(options)});
}

struct Command {
  std::string_view name;
  std::string_view help;
  void (*add_options)(CLI::App& app, CommandOptions& options);
  int (*run)(const Config& config, const CommandOptions& options);
  int failure;  // exit status when the environment fails
};

void add_family(CLI::App& app, CommandOptions& options) {
  app.add_option("--family", options.family, "ipv4 or ipv6")
      ->check(CLI::IsMember({"ipv4", "ipv6"}));
}

void add_output(CLI::App& app, CommandOptions& options, const std::vector<std::string>& forms) {
  app.add_option("-o,--output", options.output, "Form of the output")->check(CLI::IsMember(forms));
  app.add_option("--color", options.colour, "auto, always or never")
      ->check(CLI::IsMember({"auto", "always", "never"}));
}

const std::vector<Command>& commands() {
  static const std::vector<Command> kAll = {
      {"run",
       "Keeps this node's Service rules equal to the cluster, until SIGTERM.",
       [](CLI::App& app, CommandOptions& options) {
         app.add_flag("--once",
                      options.once,
                      "Sync once and end: 0 all applied, 1 something was not, 2 bad input");
       },
       run_command,
       kFailure},
      {"render",
       "Prints the complete iptables-restore text for the cluster, one family; changes nothing.",
       add_family,
       [](const Config& config, const CommandOptions& options) {
         return render(config, family_of(options).value_or(rules::Family::kIpv4));
       },
       kFailure},
      {"diff",
       "Shows what `run` with the same flags would change on this node; changes nothing.",
       [](CLI::App& app, CommandOptions& options) {
         add_family(app, options);
         add_output(app, options, {"text", "json"});
         app.add_option("--against",
                        options.against,
                        "Compare with a file of iptables-save instead of this node");
       },
       diff_command,
       kBadInput},
      {"explain",
       "Tells why traffic goes where it goes: `explain default/web`, or `explain --from IP --to "
       "IP:PORT/PROTOCOL`.",
       [](CLI::App& app, CommandOptions& options) {
         add_output(app, options, {"text", "json", "dot"});
         app.add_option("service", options.service, "NAMESPACE/SERVICE[:PORT]");
         app.add_option("--from", options.from, "Source address of a packet");
         app.add_option("--to", options.to, "Destination of a packet: ADDRESS:PORT/PROTOCOL");
         app.add_option(
             "--in-interface", options.in_interface, "Interface that the packet comes in by");
         app.add_option("--against", options.against, "Walk the rules of a file of iptables-save");
       },
       explain_command,
       kFailure},
      {"check",
       "Tells whether this node can run iptproxy and is served well: API server, kernel, iptables, "
       "sysctls.",
       [](CLI::App& app, CommandOptions& options) {
         add_output(app, options, {"text", "json"});
       },
       [](const Config& config, const CommandOptions& options) {
         return check(config, output_of(options), colour_of(options));
       },
       kFailure},
      {"cleanup",
       "Removes what kube-proxy or iptproxy wrote, and nothing else.",
       [](CLI::App&, CommandOptions&) {},
       [](const Config& config, const CommandOptions&) { return clean_up(config); },
       kFailure},
  };
  return kAll;
}

/// The command that the first argument names; `run` if that is a flag. Throws ConfigErrors.
const Command& command_of(std::vector<std::string>& arguments) {
  for (const Command& command : commands()) {
    if (!arguments.empty() && arguments.front() == command.name) {
      arguments.erase(arguments.begin());
      return command;
    }
  }
  if (!arguments.empty() && !arguments.front().starts_with('-')) {
    throw ConfigErrors({fmt::format("unknown command: {} (iptproxy --help lists the commands)",
                                    arguments.front())});
  }
  return commands().front();
}

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
    return command.run(config, options);
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
  app.footer(std::string(kCommands));
  CommandOptions options;
  add_flags(app, options.flags);
  command.add_options(app, options);
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

}  // namespace

int run_program(int argc, const char* const* argv) {
  int failure = kFailure;
  try {
    std::vector<std::string> arguments = normalize_arguments(argc, argv);
    const Command& command = command_of(arguments);
    failure = command.failure;
    const int status = parse_and_execute(command, std::move(arguments));
    if (std::fflush(stdout) != 0) {
      throw_errno("cannot write the output");
    }
    return status;
  } catch (const std::exception& error) {
    return report(error, failure, complain);
  }
}

}  // namespace proxy
