#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/config/config.h"

namespace CLI {  // NOLINT(readability-identifier-naming): the library's
class App;
class ParseError;
}  // namespace CLI

namespace proxy {

/// The options of a command line as text, not judged yet. Filled by the parser that add_flags() was
/// called for; must stay where it is until parsing is over.
struct Flags {
  /// Flags of kube-proxy that set a field of the configuration: name without dashes, and value.
  std::vector<std::pair<std::string, std::string>> fields;
  std::vector<std::string> sources;
  std::string config;
  std::string master;
  std::string write_config_to;
  std::string iptables_backend = "auto";
  std::string max_rules_per_service = "200000";
  std::string service_metrics = "true";
  std::string iptables_layout;  // empty: what the file says
  std::string cleanup = "false";
  std::string init_only = "false";
  std::string validate_config = "false";
  std::string version = "false";
  // Deprecated; appended to addresses without a port, 0 empties the address.
  std::string healthz_port;
  std::string metrics_port;
};

/// The arguments of main() after the program's name, in the spelling that the parser knows: flag
/// names with "-" for "_", "--name=" and "-x=value" as two arguments. Everything after "--" is left
/// as it is. Throws ConfigErrors for a switch with an empty value.
std::vector<std::string> normalize_arguments(int argc, const char* const* argv);

/// Makes a command take kube-proxy's flags (spec §10.2) and the ones that say where the cluster
/// comes from. `flags` receives what is given.
void add_flags(CLI::App& app, Flags& flags);

/// Whether the next argument is the value of this one, as far as is known without the command's own
/// flags: those are taken to have a value.
bool takes_value(std::string_view argument);

/// The text of --help, without the flags that have no effect here.
std::string help_text(CLI::App& app);

/// One line on why a command line was not understood, naming the flag.
std::string parse_error_line(const CLI::App& app, const CLI::ParseError& error);

/// A configuration that can be used, and what of it does not count (ConfigFile::warnings).
struct CheckedConfig {
  Config config;
  std::vector<std::string> warnings;
};

/// What the flags mean. With --config the file is read, and flags that set fields of the
/// configuration are ignored, --hostname-override and logging flags excepted (spec §10.2). Calling
/// it again reads the file again. Throws ConfigErrors with everything that is wrong.
CheckedConfig to_config(const Flags& flags);

/// Names of given flags ("--cluster-cidr") that have no effect because there is a --config.
std::vector<std::string> ignored_flags(const Flags& flags);

/// What to say about given flags that kube-proxy is going to drop; one line each.
std::vector<std::string> deprecated_flags(const Flags& flags);

/// The text of --version or --version=raw; nothing if it was not asked for. Throws ConfigErrors for
/// another value.
std::optional<std::string> version_text(const Flags& flags);

}  // namespace proxy
