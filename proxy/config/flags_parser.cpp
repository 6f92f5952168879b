#include <algorithm>
#include <array>
#include <span>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "proxy/config/field_flags.h"
#include "proxy/config/flags.h"
#include "proxy/text/spelling.h"

namespace proxy {
namespace {

// Group of the options that the help leaves out. Not the parser's own mark for that, an empty name:
// its errors would not name such an option.
constexpr std::string_view kHidden = "Hidden";

// The callback that the parser calls with all values of an option.
CLI::callback_t append_to(Flags& flags, std::string_view name) {
  return [&flags, name = std::string(name)](const CLI::results_t& values) {
    for (const std::string& value : values) {
      flags.fields.emplace_back(name, value);
    }
    return true;
  };
}

void add_field_flags(CLI::App& app, Flags& flags) {
  for (const FieldFlag& flag : field_flags()) {
    const std::string names = flag.name == "v" ? "-v,--v" : fmt::format("--{}", flag.name);
    CLI::Option* option =
        app.add_option(names, append_to(flags, flag.name), std::string(flag.help));
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->group(std::string(flag.group.empty() ? kHidden : flag.group));
    if (flag.is_switch) {
      option->expected(0);
    } else {
      option->type_name("TEXT");
    }
  }
}

void add_switch(CLI::App& app, const std::string& name, std::string& target, const char* help) {
  app.add_flag(name, target, help)->default_str("true")->group("kube-proxy");
}

bool is_switch(std::string_view option) {
  constexpr std::array<std::string_view, 6> kOfCommands = {
      "--cleanup", "--init-only", "--once", "--service-metrics", "--validate-config", "--version"};
  const auto is_it = [option](const FieldFlag& flag) {
    return flag.is_switch && flag.name == option.substr(2);
  };
  return std::ranges::find(kOfCommands, option) != kOfCommands.end() ||
         std::ranges::any_of(field_flags(), is_it);
}

// One argument as one or two. The parser takes the next argument for a value that is empty, and
// "=2" for the value of "-v=2".
std::vector<std::string> normalize(std::string argument) {
  const std::size_t equals = argument.find('=');
  const bool is_short = argument.starts_with('-') && !argument.starts_with("--");
  if (is_short && equals == 2) {
    return {argument.substr(0, 2), argument.substr(3)};
  }
  if (!argument.starts_with("--")) {
    return {std::move(argument)};
  }
  std::string name = argument.substr(0, equals);
  std::ranges::replace(name, '_', '-');
  if (equals == std::string::npos) {
    return {std::move(name)};
  }
  if (equals + 1 < argument.size()) {
    return {name + argument.substr(equals)};
  }
  if (is_switch(name)) {
    throw ConfigErrors({fmt::format("{}: invalid argument \"\": must be true or false", name)});
  }
  return {std::move(name), std::string()};
}

std::string unknown_flag(const CLI::App& app, const std::string& flag) {
  std::vector<std::string_view> names;
  for (const CLI::Option* option : app.get_options()) {
    names.insert(names.end(), option->get_lnames().begin(), option->get_lnames().end());
  }
  const std::string_view close = closest(
      std::string_view(flag).substr(std::min(flag.find_first_not_of('-'), flag.size())), names);
  return close.empty() ? fmt::format("unknown flag: {}", flag)
                       : fmt::format("unknown flag: {}, did you mean --{}?", flag, close);
}

}  // namespace

std::vector<std::string> normalize_arguments(int argc, const char* const* argv) {
  std::vector<std::string> arguments;
  bool flags_are_over = false;
  const auto given = std::span(argv, static_cast<std::size_t>(argc)).subspan(argc > 0 ? 1 : 0);
  for (const std::string_view argument : given) {
    flags_are_over = flags_are_over || argument == "--";
    if (flags_are_over) {
      arguments.emplace_back(argument);
    } else {
      std::ranges::move(normalize(std::string(argument)), std::back_inserter(arguments));
    }
  }
  return arguments;
}

void add_flags(CLI::App& app, Flags& flags) {
  const std::string cluster(kClusterFlags);
  app.add_option("-f,--source",
                 flags.sources,
                 "Manifests instead of an API server: file, folder, or - for standard input")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->group(cluster);
  const auto add_text = [&app](const char* name, std::string& target, const char* help) {
    return app.add_option(name, target, help)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)
        ->group("kube-proxy");
  };
  add_text("--config", flags.config, "Configuration file; flags that set its fields are ignored")
      ->group(cluster);
  add_text("--master", flags.master, "URL of the API server, instead of the kubeconfig's")
      ->group(cluster);
  add_field_flags(app, flags);
  add_text(
      "--write-config-to", flags.write_config_to, "Write the effective configuration and exit");
  add_text("--iptables-backend", flags.iptables_backend, "auto, libiptc or restore");
  add_text("--iptables-layout", flags.iptables_layout, "kube-proxy or compact");
  add_text("--max-rules-per-service",
           flags.max_rules_per_service,
           "A Service that would take more, in one family, gets none; 0: no limit");
  add_switch(app,
             "--service-metrics",
             flags.service_metrics,
             "Count the traffic of each Service, for /metrics and /statusz; on by default");
  add_text("--healthz-port", flags.healthz_port, "Deprecated")->group(std::string(kHidden));
  add_text("--metrics-port", flags.metrics_port, "Deprecated")->group(std::string(kHidden));
  add_switch(app, "--cleanup", flags.cleanup, "Remove all rules of the proxy and exit");
  add_switch(app, "--init-only", flags.init_only, "Do what needs privileges and exit");
  add_switch(app,
             "--validate-config",
             flags.validate_config,
             "Check the configuration and exit; =strict fails on its warnings, too");
  app.add_flag("--version", flags.version, "Print the version and exit; --version=raw for details");
}

bool takes_value(std::string_view argument) {
  const bool is_short = argument.size() == 2 && argument[1] != '-';
  return is_short ? argument != "-h"
                  : argument.starts_with("--") && argument.find('=') == std::string_view::npos &&
                        argument != "--help" && !is_switch(argument);
}

std::string help_text(CLI::App& app) {
  for (CLI::Option* option : app.get_options(
           [](const CLI::Option* candidate) { return candidate->get_group() == kHidden; })) {
    option->group("");
  }
  return app.help();
}

std::string parse_error_line(const CLI::App& app, const CLI::ParseError& error) {
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
    const std::string_view text = error.what();
    return fmt::format("{}: needs a value", text.substr(0, text.find(':')));
  }
  if (dynamic_cast<const CLI::ExtrasError*>(&error) == nullptr) {
    return error.what();
  }
  const std::vector<std::string> rest = app.remaining(true);
  const auto flag = std::ranges::find_if(
      rest, [](const std::string& text) { return text.size() > 1 && text.starts_with('-'); });
  if (flag != rest.end()) {
    return unknown_flag(app, flag->substr(0, flag->find('=')));
  }
  return fmt::format("no arguments are taken, got {}", fmt::join(rest, " "));
}

}  // namespace proxy
