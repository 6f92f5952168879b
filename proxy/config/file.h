#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/config/config.h"

namespace proxy {

/// What a configuration file says: the Config, and all that is wrong with the text, with its place.
struct ConfigFile {
  Config config;                    // the defaults where a field is absent or wrong
  std::vector<std::string> errors;  // "FILE:LINE: field.path: reason", in the order of the text
  // What does not count and need not keep the proxy from starting, and what to do about it; as
  // above.
  std::vector<std::string> warnings;
  std::map<std::string, int> lines;  // path of a field -> its line, for errors found later
  std::set<std::string> unread;      // paths of fields whose values are of a wrong type
};

/// Decodes a KubeProxyConfiguration v1alpha1 in YAML or JSON and fills in kube-proxy's defaults
/// (spec §10.3). As lenient as kube-proxy, which decodes once more without strictness where that
/// failed: unknown fields, letters of another case and further documents but our own
/// (own_document.h) are ignored, the last of duplicate fields counts; each is a warning. Wrong
/// types are errors. All of them are reported. `name` is how they call the text. Does not validate
/// values, does not throw.
ConfigFile parse_config(std::string_view text, const std::string& name);

/// parse_config() of a file. Throws std::system_error if it cannot be read.
ConfigFile read_config_file(const std::string& path);

/// The effective KubeProxyConfiguration, with apiVersion and kind, as YAML that parse_config()
/// reads back: equal, except that periods and masqueradeAll of the other modes are not kept (spec
/// §10.4).
std::string to_yaml(const Config& config);

/// The same as JSON, for /configz.
std::string to_json(const Config& config);

/// What iptproxy has besides the KubeProxyConfiguration, as JSON for /configz: sources (absolute
/// paths), master and iptablesLayout.
std::string own_json(const Config& config);

/// Paths of the fields in which two configuration files differ.
std::vector<std::string> changed_fields(const Config& before, const Config& after);

}  // namespace proxy
