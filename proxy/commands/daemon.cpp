#include "proxy/commands/daemon.h"

#include <algorithm>
#include <exception>
#include <memory>
#include <variant>

#include <fmt/format.h>

#include "k8sclient/objects/yaml.h"
#include "k8sclient/watch/transport.h"
#include "proxy/config/field_flags.h"
#include "proxy/config/file.h"
#include "proxy/log/logging.h"

namespace proxy {
namespace {

using k8sclient::YamlNode;

std::string text_of(const YamlNode* node) {
  const auto* text = node == nullptr ? nullptr : std::get_if<std::string>(&node->value);
  return text == nullptr ? std::string() : *text;
}

/// What the daemon has besides the KubeProxyConfiguration (own_json()).
void read_own(const YamlNode& node, Config& config) {
  config.master = text_of(k8sclient::find_field(&node, "master"));
  config.iptables_layout =
      rules::parse_layout(text_of(k8sclient::find_field(&node, "iptablesLayout")))
          .value_or(rules::Layout::kKubeProxy);
  const YamlNode* sources = k8sclient::find_field(&node, "sources");
  const auto* items =
      sources == nullptr ? nullptr : std::get_if<YamlNode::Sequence>(&sources->value);
  if (items != nullptr) {
    for (const YamlNode& item : *items) {
      config.sources.push_back(text_of(&item));
    }
  }
}

std::unique_ptr<k8sclient::Transport> connect_to_daemon(const Config& config) {
  return k8sclient::make_transport({.url = "http://" + config.metrics_bind_address}, "iptproxy");
}

bool is_of_logging(std::string_view flag) {
  return field_flag(flag).path.starts_with("logging.");
}

}  // namespace

bool asks_about_daemon(const Flags& flags) {
  return flags.config.empty() && flags.master.empty() && flags.sources.empty() &&
         std::ranges::all_of(flags.fields, [](const auto& field) {
           return is_of_logging(field.first) || field.first == "metrics-bind-address";
         });
}

std::optional<Config> configuration_in(std::string_view configz, const Config& own) {
  try {
    const auto documents = k8sclient::parse_yaml(configz);
    const YamlNode* fields =
        documents.empty() ? nullptr
                          : k8sclient::find_field(&documents.front(), "kubeproxy.config.k8s.io");
    if (fields == nullptr) {
      return std::nullopt;
    }
    ConfigFile said = parse_config(k8sclient::to_json(*fields), "/configz");
    if (!said.errors.empty()) {
      return std::nullopt;
    }
    if (const YamlNode* own_part = k8sclient::find_field(&documents.front(), "iptproxy")) {
      read_own(*own_part, said.config);
    }
    said.config.config_file.clear();
    said.config.logging = own.logging;
    said.config.metrics_bind_address = own.metrics_bind_address;
    said.config.iptables_backend = own.iptables_backend;
    return std::move(said.config);
  } catch (const k8sclient::YamlError&) {
    return std::nullopt;
  }
}

std::string daemon_text(const Config& config, const std::string& path) {
  return connect_to_daemon(config)->get_text(path, {});
}

std::string daemon_json(const Config& config, const std::string& path) {
  return connect_to_daemon(config)->get(path, {});
}

Config daemon_configuration(const Config& own) {
  const std::string& address = own.metrics_bind_address;
  std::string configz;
  try {
    configz = daemon_json(own, "/configz");
  } catch (const std::exception& error) {
    log_info("No daemon was asked for its configuration, the flags and the defaults count",
             {{"address", address}, {"reason", error.what()}});
    return own;
  }
  auto config = configuration_in(configz, own);
  if (!config) {
    log_warning("What answers at the metrics address is no proxy, the flags and the defaults count",
                {{"address", address}});
    return own;
  }
  log_info("The configuration is that of the running daemon", {{"address", address}});
  return *std::move(config);
}

}  // namespace proxy
