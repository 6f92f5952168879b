#include "proxy/config/flags.h"

#include <algorithm>
#include <charconv>
#include <system_error>

#include <fmt/format.h>

#include "k8sclient/objects/quote.h"
#include "k8sclient/objects/trim.h"
#include "k8sclient/objects/utf8.h"
#include "proxy/config/field_flags.h"
#include "proxy/config/file.h"
#include "proxy/text/build_info.h"
#include "proxy/text/go_values.h"
#include "proxy/text/spelling.h"

namespace proxy {
namespace {

constexpr std::string_view kReplacedVersion = "v1.36.2";

template <typename Number>
std::optional<Number> whole_number(std::string_view text) {
  Number number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && stop == end ? std::optional(number) : std::nullopt;
}

// "http://host", "https://host:port/path".
bool is_server_url(std::string_view url) {
  const std::size_t scheme = url.starts_with("https://")  ? 8
                             : url.starts_with("http://") ? 7
                                                          : std::string_view::npos;
  if (scheme == std::string_view::npos) {
    return false;
  }
  std::string_view host = url.substr(scheme, url.find('/', scheme) - scheme);
  const std::size_t bracket = host.find(']');
  const std::size_t colon = host.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon != std::string_view::npos) {
    if (whole_number<std::uint16_t>(host.substr(colon + 1)).value_or(0) == 0) {
      return false;
    }
    host = host.substr(0, colon);
  }
  return !host.empty();
}

/// Reads the values of flags into a Config and gathers what is wrong with them.
class FlagReader {
 public:
  std::vector<std::string> take_errors() { return std::move(errors_); }

  void error(std::string line) { errors_.push_back(std::move(line)); }

  void set_field(Config& config, const FieldFlag& flag, const std::string& value) {
    if (!k8sclient::is_utf8(value)) {
      error(fmt::format("--{}: invalid argument: must be UTF-8 text", flag.name));
      return;
    }
    if (const auto reason = assign_field(config, flag.path, value)) {
      invalid(flag.name, value, *reason);
    }
  }

  bool boolean(std::string_view name, const std::string& value) {
    const auto parsed = parse_go_bool(value);
    if (!parsed) {
      invalid(name, value, "must be true or false");
    }
    return parsed.value_or(false);
  }

  const std::vector<std::string>& sources(const std::vector<std::string>& paths) {
    if (std::ranges::find(paths, std::string()) != paths.end()) {
      invalid("source", "", "must be a file or a folder");
    }
    return paths;
  }

  std::string server(const std::string& url) {
    if (!url.empty() && !is_server_url(url)) {
      invalid("master", url, "must be http:// or https://, a host and, if any, a valid port");
    }
    return url;
  }

  std::uint64_t count(std::string_view name, const std::string& value) {
    const auto number = whole_number<std::uint64_t>(value);
    if (!number) {
      invalid(name, value, "must be a whole number");
    }
    return number.value_or(0);
  }

  Validation validation(const std::string& value) {
    const auto wanted = value == "strict" ? std::nullopt : parse_go_bool(value);
    if (value != "strict" && !wanted) {
      invalid("validate-config", value, "must be true, false or strict");
    }
    return value == "strict"        ? Validation::kStrict
           : wanted.value_or(false) ? Validation::kLenient
                                    : Validation::kNo;
  }

  IptablesBackend backend(const std::string& value) {
    if (value == "libiptc") {
      return IptablesBackend::kLibiptc;
    }
    if (value == "restore") {
      return IptablesBackend::kRestore;
    }
    if (value != "auto") {
      invalid("iptables-backend", value, "must be auto, libiptc or restore");
    }
    return IptablesBackend::kAuto;
  }

  rules::Layout layout(const std::string& value, rules::Layout of_file) {
    const auto wanted = value.empty() ? of_file : rules::parse_layout(value);
    if (!wanted) {
      invalid("iptables-layout", value, "must be kube-proxy or compact");
    }
    return wanted.value_or(of_file);
  }

 private:
  void invalid(std::string_view name, const std::string& value, std::string_view reason) {
    errors_.push_back(fmt::format("--{}: invalid argument \"{}\": {}", name, value, reason));
  }

  std::vector<std::string> errors_;
};

// The address of a server from its flag, a deprecated port flag and the default.
std::string server_address(const std::string& address,
                           const std::string& deprecated_port,
                           std::uint16_t default_port) {
  if (deprecated_port.empty()) {
    return with_default_port(address, default_port);
  }
  if (deprecated_port == "0") {
    return {};
  }
  return with_default_port(address,
                           whole_number<std::uint16_t>(deprecated_port).value_or(default_port));
}

void apply_fields(Config& config, const Flags& flags, FlagReader& reader) {
  const bool has_file = !flags.config.empty();
  Config hidden;  // by the file; what is no value at all is an error all the same
  for (const auto& [name, value] : flags.fields) {
    const FieldFlag& flag = field_flag(name);
    reader.set_field(!has_file || flag.beats_file ? config : hidden, flag, value);
    if (name == "hostname-override" && !k8sclient::trimmed(value).empty()) {
      config.hostname_override = lower_case(k8sclient::trimmed(value));  // (spec §8.1)
    }
  }
  for (const auto& [name, port] : {std::pair("healthz-port", flags.healthz_port),
                                   std::pair("metrics-port", flags.metrics_port)}) {
    if (!port.empty() && !whole_number<std::uint16_t>(port)) {
      reader.error(fmt::format("--{}: invalid argument \"{}\": must be a port", name, port));
    }
  }
  if (has_file) {
    return;
  }
  const Config defaults;
  if (config.mode.empty()) {
    config.mode = defaults.mode;
  }
  if (config.detect_local_mode.empty()) {
    config.detect_local_mode = defaults.detect_local_mode;
  }
  config.healthz_bind_address =
      server_address(config.healthz_bind_address, flags.healthz_port, 10256);
  config.metrics_bind_address =
      server_address(config.metrics_bind_address, flags.metrics_port, 10249);
}

// The flag that sets a field or an element of it; null if there is none.
const FieldFlag* flag_of(std::string_view path) {
  const auto sets = [path](const FieldFlag& flag) {
    return !flag.path.empty() && path.starts_with(flag.path) &&
           (path.size() == flag.path.size() || path[flag.path.size()] == '.' ||
            path[flag.path.size()] == '[');
  };
  const auto flag = std::ranges::find_if(field_flags(), sets);
  return flag == field_flags().end() ? nullptr : &*flag;
}

std::string place_of(const ConfigError& error, const ConfigFile& file, const Flags& flags) {
  const FieldFlag* flag = flag_of(error.path);
  const bool is_given =
      flag != nullptr && std::ranges::any_of(flags.fields, [flag](const auto& field) {
        return field.first == flag->name;
      });
  if (file.config.config_file.empty() || (is_given && flag->beats_file)) {
    return flag == nullptr ? std::string() : fmt::format("--{}: ", flag->name);
  }
  const auto line = file.lines.find(error.path);
  return line == file.lines.end() ? fmt::format("{}: ", file.config.config_file)
                                  : fmt::format("{}:{}: ", file.config.config_file, line->second);
}

ConfigFile file_or_defaults(const std::string& path) {
  if (path.empty()) {
    return {};
  }
  try {
    return read_config_file(path);
  } catch (const std::system_error& error) {
    throw ConfigErrors({fmt::format("cannot read {}: {}", path, error.code().message())});
  }
}

}  // namespace

CheckedConfig to_config(const Flags& flags) {
  ConfigFile file = file_or_defaults(flags.config);
  Config config = file.config;
  FlagReader reader;
  apply_fields(config, flags, reader);
  config.sources = reader.sources(flags.sources);
  config.master = reader.server(flags.master);
  config.write_config_to = flags.write_config_to;
  config.iptables_backend = reader.backend(flags.iptables_backend);
  config.max_rules_per_service = reader.count("max-rules-per-service", flags.max_rules_per_service);
  config.service_metrics = reader.boolean("service-metrics", flags.service_metrics);
  config.iptables_layout = reader.layout(flags.iptables_layout, config.iptables_layout);
  config.cleanup = reader.boolean("cleanup", flags.cleanup);
  config.init_only = reader.boolean("init-only", flags.init_only);
  config.validation = reader.validation(flags.validate_config);

  std::vector<std::string> errors = std::move(file.errors);
  std::ranges::move(reader.take_errors(), std::back_inserter(errors));
  for (const ConfigError& error : validate(config)) {
    if (!file.unread.contains(error.path)) {
      errors.push_back(
          fmt::format("{}{}: {}", place_of(error, file, flags), error.path, error.message));
    }
  }
  if (!errors.empty()) {
    throw ConfigErrors(std::move(errors));
  }
  std::ranges::transform(file.warnings, file.warnings.begin(), k8sclient::on_one_line);
  return {std::move(config), std::move(file.warnings)};
}

std::vector<std::string> ignored_flags(const Flags& flags) {
  std::vector<std::string> names;
  if (!flags.config.empty()) {
    for (const auto& [name, value] : flags.fields) {
      if (!field_flag(name).beats_file) {
        names.push_back("--" + name);
      }
    }
  }
  return names;
}

std::vector<std::string> deprecated_flags(const Flags& flags) {
  std::vector<std::string> lines;
  for (const auto& [name, value] :
       {std::pair("healthz", flags.healthz_port), std::pair("metrics", flags.metrics_port)}) {
    if (!value.empty()) {
      lines.push_back(fmt::format("--{0}-port is deprecated, use --{0}-bind-address", name));
    }
  }
  return lines;
}

std::optional<std::string> version_text(const Flags& flags) {
  const BuildInfo& build = build_info();
  if (flags.version == "raw") {
    return fmt::format("iptproxy version={} commit={} date={} replaces=kube-proxy/{} compiler={}",
                       build.version,
                       build.commit,
                       build.date,
                       kReplacedVersion,
                       __VERSION__);
  }
  const auto wanted = flags.version.empty() ? false : parse_go_bool(flags.version);
  if (!wanted) {
    throw ConfigErrors({fmt::format(
        "--version: invalid argument \"{}\": must be true, false or raw", flags.version)});
  }
  if (!*wanted) {
    return std::nullopt;
  }
  return fmt::format("Kubernetes {} (iptproxy {}, commit {} of {})",
                     kReplacedVersion,
                     build.version,
                     build.commit,
                     build.date);
}

}  // namespace proxy
