#include "proxy/commands/command_table.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "proxy/commands/commands.h"
#include "proxy/config/file.h"
#include "proxy/host/file.h"
#include "proxy/text/spelling.h"
#include "rules/connection_states.h"

namespace proxy {
namespace {

constexpr int kFailure = 1;
constexpr int kBadInput = 2;

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

void add_nothing(CLI::App& /*app*/, CommandOptions& /*options*/) {}

void add_run_options(CLI::App& app, CommandOptions& options) {
  app.add_flag(
      "--once", options.once, "Sync once and end: 0 all applied, 1 something was not, 2 bad input");
}

void add_family(CLI::App& app, CommandOptions& options) {
  app.add_option("--family", options.family, "ipv4 or ipv6")
      ->check(CLI::IsMember({"ipv4", "ipv6"}));
}

void add_output(CLI::App& app, CommandOptions& options, const std::vector<std::string>& forms) {
  app.add_option("-o,--output", options.output, "Form of the output")->check(CLI::IsMember(forms));
  app.add_option("--color", options.colour, "auto, always or never")
      ->check(CLI::IsMember({"auto", "always", "never"}));
}

void add_text_or_json(CLI::App& app, CommandOptions& options) {
  add_output(app, options, {"text", "json"});
}

void add_diff_options(CLI::App& app, CommandOptions& options) {
  add_family(app, options);
  app.add_option("--against",
                 options.against,
                 "Compare with a file of iptables-save (- is standard input) instead of this node");
  add_text_or_json(app, options);
}

void add_explain_options(CLI::App& app, CommandOptions& options) {
  app.add_option("service", options.service, "NAMESPACE/SERVICE[:PORT], PORT a name or a number");
  app.add_option("--from", options.from, "Source of a packet: ADDRESS or ADDRESS:PORT");
  app.add_option("--to", options.to, "Destination of a packet: ADDRESS:PORT/PROTOCOL");
  app.add_option("--in-interface", options.in_interface, "Interface that the packet comes in by");
  app.add_option("--state", options.state, "Of its connection: new, established, related, invalid")
      ->check(CLI::IsMember({"new", "established", "related", "invalid"}));
  app.add_option("--against",
                 options.against,
                 "Walk the rules of a file of iptables-save (- is standard input)");
  add_output(app, options, {"text", "json", "dot"});
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

int render_command(const Config& config, const CommandOptions& options) {
  return render(config, family_of(options).value_or(rules::Family::kIpv4));
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

std::uint16_t state_of(const CommandOptions& options) {
  std::string name = options.state;
  std::ranges::transform(name, name.begin(), [](char c) {
    return static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  });
  return rules::parse_connection_states(name).value_or(rules::ConnectionState::kNew);
}

int explain_command(const Config& config, const CommandOptions& options) {
  const bool is_packet = !options.from.empty() && !options.to.empty();
  if (options.service.empty() == !is_packet) {
    throw ConfigErrors(
        {"explain: give either NAMESPACE/SERVICE[:PORT], or --from ADDRESS and --to "
         "ADDRESS:PORT/PROTOCOL"});
  }
  return explain(config,
                 {.service = options.service,
                  .from = options.from,
                  .to = options.to,
                  .in_interface = options.in_interface,
                  .state = state_of(options),
                  .against = options.against,
                  .by_manifests = !options.flags.sources.empty(),
                  .output = output_of(options),
                  .colour = colour_of(options)});
}

int status_command(const Config& config, const CommandOptions& options) {
  return show_status(config, output_of(options));
}

int check_command(const Config& config, const CommandOptions& options) {
  return check(config, output_of(options), colour_of(options));
}

int cleanup_command(const Config& config, const CommandOptions& /*options*/) {
  return clean_up(config);
}

constexpr Command kCommands[] = {
    {"run",
     "the daemon; also what flags without a command mean",
     "Keeps this node's Service rules equal to the cluster, until SIGTERM.\n\n"
     "  iptproxy --config /var/lib/kube-proxy/config.conf\n"
     "  iptproxy run --source /etc/manifests      a node without a control plane\n",
     add_run_options,
     run_command,
     kFailure},
    {"render",
     "print the complete iptables-restore text for the cluster",
     "Prints the complete iptables-restore text for the cluster, one family; changes nothing.\n\n"
     "  kubectl get nodes,services,endpointslices -A -o json | iptproxy render -f -\n",
     add_family,
     render_command,
     kFailure},
    {"diff",
     "show what would be changed on this node (exit status 0 nothing, 1 something, 2 error)",
     "Shows what `run` with the same flags would change on this node; changes nothing. Without "
     "flags it is about the daemon that runs here.\n\n"
     "  iptproxy diff -f manifests.json --against worker-1.rules --family ipv4\n",
     add_diff_options,
     diff_command,
     kBadInput,
     true},
    {"explain",
     "tell why a Service's traffic, or one packet, goes where it goes",
     "Tells why traffic goes where it goes. Without flags it is about the daemon that runs "
     "here.\n\n"
     "  iptproxy explain shop/web:80\n"
     "  iptproxy explain --from 10.244.1.7 --to 10.96.0.10:53/udp\n",
     add_explain_options,
     explain_command,
     kFailure,
     true},
    {"status",
     "one screen about the daemon that runs here (exit status 0 healthy, 1 not)",
     "Prints one screen about the daemon that runs here: 0 it is healthy, 1 it is not, or none "
     "answers at --metrics-bind-address.\n",
     add_text_or_json,
     status_command,
     kFailure},
    {"check",
     "tell whether this node can run iptproxy and is served well",
     "Tells whether this node can run iptproxy and is served well: API server, kernel, iptables, "
     "sysctls.\n",
     add_text_or_json,
     check_command,
     kFailure},
    {"cleanup",
     "remove everything that kube-proxy or iptproxy wrote",
     "Removes what kube-proxy or iptproxy wrote, and nothing else.\n",
     add_nothing,
     cleanup_command,
     kFailure},
};

}  // namespace

std::span<const Command> commands() {
  return kCommands;
}

std::string overview() {
  std::string text =
      "Usage: iptproxy [COMMAND] [FLAGS]\n\n"
      "Commands (each takes the flags of `run` that say where the cluster comes from and how to\n"
      "compile it; `iptproxy COMMAND --help` lists them):\n";
  for (const Command& command : kCommands) {
    text += fmt::format("  {:<10}{}\n", command.name, command.summary);
  }
  text += fmt::format("  {:<10}{}\n", "version", "print the version");
  text += fmt::format("  {:<10}{}\n", "man", "print a manual page: man [COMMAND]");
  text += fmt::format("  {:<10} {}\n", "completion", "for a shell: completion bash|zsh|fish");
  text += fmt::format("  {:<10}{}\n", "help", "print this, or the flags of a command");
  return text;
}

const Command& take_command(std::vector<std::string>& arguments) {
  auto word = arguments.begin();
  while (word != arguments.end() && *word != "--" && word->starts_with('-')) {
    const bool has_value = takes_value(*word);
    ++word;
    word += has_value && word != arguments.end() ? 1 : 0;
  }
  if (word == arguments.end() || *word == "--") {
    return kCommands[0];
  }
  const auto found = std::ranges::find(kCommands, *word, &Command::name);
  if (found != std::end(kCommands)) {
    arguments.erase(word);
    return *found;
  }
  std::vector<std::string_view> names = {"version", "help", "man", "completion"};
  std::ranges::transform(kCommands, std::back_inserter(names), &Command::name);
  const std::string_view close = closest(*word, names);
  throw ConfigErrors(
      {close.empty() ? fmt::format("unknown command: {} (iptproxy help lists the commands)", *word)
                     : fmt::format("unknown command: {}, did you mean {}?", *word, close)});
}

}  // namespace proxy
