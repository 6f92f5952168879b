#include <filesystem>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "k8sclient/objects/yaml.h"
#include "proxy/config/fields.h"
#include "proxy/config/file.h"
#include "proxy/text/go_values.h"

namespace proxy {
namespace {

using k8sclient::YamlField;
using k8sclient::YamlNode;

/// Builds the mapping that Reader reads.
class ConfigWriter {
 public:
  template <typename T>
  void field(std::string_view name, const T& value) {
    fields_.push_back({std::string(name), 0, {write(value), 0}});
  }

  template <typename Visit>
  void section(std::string_view name, Visit visit) {
    ConfigWriter writer;
    visit(writer);
    fields_.push_back({std::string(name), 0, {writer.take(), 0}});
  }

  void loose_duration(std::string_view name, ConfigDuration value) { field(name, value); }

  void quantity(std::string_view name, const std::string& value) { field(name, value); }

  YamlNode::Mapping take() { return std::move(fields_); }

 private:
  static YamlNode::Value write(const std::string& value) { return value; }

  static YamlNode::Value write(bool value) { return value; }

  static YamlNode::Value write(std::int32_t value) { return std::int64_t{value}; }

  static YamlNode::Value write(std::uint32_t value) { return std::int64_t{value}; }

  static YamlNode::Value write(double value) { return value; }

  static YamlNode::Value write(ConfigDuration value) { return to_go_duration(value); }

  static YamlNode::Value write(const std::vector<std::string>& values) {
    if (values.empty()) {
      return {};  // null, as an unset list of Go
    }
    YamlNode::Sequence items;
    for (const std::string& value : values) {
      items.push_back({value, 0});
    }
    return items;
  }

  static YamlNode::Value write(const std::map<std::string, bool>& values) {
    YamlNode::Mapping fields;
    for (const auto& [name, value] : values) {
      fields.push_back({name, 0, {value, 0}});
    }
    return fields;
  }

  static YamlNode::Value write(const std::vector<ModuleVerbosity>& values) {
    YamlNode::Sequence items;
    for (const ModuleVerbosity& value : values) {
      ConfigWriter writer;
      writer.field("filePattern", value.file_pattern);
      writer.field("verbosity", value.verbosity);
      items.push_back({writer.take(), 0});
    }
    return items;
  }

  YamlNode::Mapping fields_;
};

YamlNode::Mapping fields_of(const Config& config) {
  ConfigWriter writer;
  visit_fields(config, writer);
  return writer.take();
}

// With its type, as an object of the API. Of periods and masqueradeAll there is one each in force,
// and those of the other modes are shown as zero (spec §10.4).
YamlNode effective(Config config) {
  config.ipvs.sync_period = config.ipvs.min_sync_period = ConfigDuration{0};
  config.nftables.sync_period = config.nftables.min_sync_period = ConfigDuration{0};
  config.nftables.masquerade_all = false;
  YamlNode::Mapping fields = fields_of(config);
  const YamlField type_meta[] = {
      {"kind", 0, {std::string("KubeProxyConfiguration"), 0}},
      {"apiVersion", 0, {std::string("kubeproxy.config.k8s.io/v1alpha1"), 0}},
  };
  fields.insert(fields.begin(), std::begin(type_meta), std::end(type_meta));
  return {std::move(fields), 0};
}

// Both have the same fields in the same order, except where users choose the keys: featureGates is
// compared as one value.
void compare(const YamlNode::Mapping& before,
             const YamlNode::Mapping& after,
             const std::string& prefix,
             std::vector<std::string>& changed) {
  for (std::size_t i = 0; i < before.size(); ++i) {
    const std::string path = prefix + before[i].key;
    const auto* old_section = std::get_if<YamlNode::Mapping>(&before[i].value.value);
    const auto* new_section = std::get_if<YamlNode::Mapping>(&after[i].value.value);
    if (old_section != nullptr && new_section != nullptr && path != "featureGates") {
      compare(*old_section, *new_section, path + ".", changed);
    } else if (to_json(before[i].value) != to_json(after[i].value)) {
      changed.push_back(path);
    }
  }
}

}  // namespace

std::string to_yaml(const Config& config) {
  std::string text = k8sclient::to_yaml(effective(config));
  if (config.iptables_layout != Config{}.iptables_layout) {
    text += fmt::format(
        "---\napiVersion: iptproxy/v1alpha1\nkind: IptproxyConfiguration\niptablesLayout: {}\n",
        rules::to_string(config.iptables_layout));
  }
  return text;
}

std::string to_json(const Config& config) {
  return k8sclient::to_json(effective(config));
}

std::string own_json(const Config& config) {
  YamlNode::Sequence sources;
  for (const std::string& source : config.sources) {
    std::error_code error;
    const auto path = std::filesystem::absolute(source, error);
    sources.push_back({source == "-" || error ? source : path.string(), 0});
  }
  YamlNode::Mapping fields;
  fields.push_back({"sources", 0, {std::move(sources), 0}});
  fields.push_back({"master", 0, {config.master, 0}});
  fields.push_back(
      {"iptablesLayout", 0, {std::string(rules::to_string(config.iptables_layout)), 0}});
  return k8sclient::to_json({std::move(fields), 0});
}

std::vector<std::string> changed_fields(const Config& before, const Config& after) {
  std::vector<std::string> changed;
  compare(fields_of(before), fields_of(after), "", changed);
  if (before.iptables_layout != after.iptables_layout) {
    changed.emplace_back("iptablesLayout");
  }
  return changed;
}

}  // namespace proxy
