#include "proxy/config/file.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "k8sclient/objects/yaml.h"
#include "proxy/config/field_advice.h"
#include "proxy/config/fields.h"
#include "proxy/config/first_document.h"
#include "proxy/config/own_document.h"
#include "proxy/host/file.h"
#include "proxy/text/go_values.h"
#include "rules/net.h"

namespace proxy {
namespace {

using k8sclient::YamlField;
using k8sclient::YamlNode;

constexpr std::string_view kApiVersion = "kubeproxy.config.k8s.io/v1alpha1";
constexpr std::string_view kKind = "KubeProxyConfiguration";

std::string child_path(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : fmt::format("{}.{}", path, name);
}

/// Reads one mapping into the fields that are named to it; whatever is never named is unknown.
class ConfigReader {
 public:
  struct Report {
    std::vector<std::pair<int, std::string>> errors;  // line, "path: reason"
    std::vector<std::pair<int, std::string>> warnings;
    std::map<std::string, int> lines;
    std::set<std::string> unread;
  };

  ConfigReader(const YamlNode::Mapping& fields, std::string path, Report& report)
      : fields_(fields), path_(std::move(path)), report_(report) {}

  template <typename T>
  void field(std::string_view name, T& target) {
    if (const YamlNode* node = find(name)) {
      read(*node, child_path(path_, name), target);
    }
  }

  template <typename Visit>
  void section(std::string_view name, Visit visit) {
    const YamlNode* node = find(name);
    if (node == nullptr) {
      return;
    }
    const std::string path = child_path(path_, name);
    if (const auto* mapping = std::get_if<YamlNode::Mapping>(&node->value)) {
      ConfigReader reader(*mapping, path, report_);
      visit(reader);
      reader.report_unknown();
    } else {
      wrong_type(*node, path, "an object");
    }
  }

  // A duration that may also be written as a number of nanoseconds.
  void loose_duration(std::string_view name, ConfigDuration& target) {
    const YamlNode* node = find(name);
    if (node == nullptr) {
      return;
    }
    if (const auto* nanoseconds = std::get_if<std::int64_t>(&node->value)) {
      target = ConfigDuration(*nanoseconds);
    } else {
      read(*node, child_path(path_, name), target);
    }
  }

  void quantity(std::string_view name, std::string& target) {
    const YamlNode* node = find(name);
    if (node == nullptr) {
      return;
    }
    const std::string path = child_path(path_, name);
    if (const auto* number = std::get_if<std::int64_t>(&node->value)) {
      target = fmt::format("{}", *number);
    } else if (const auto* text = get<std::string>(*node, path, "a quantity such as 64Ki")) {
      target = *text;
      if (!is_quantity(*text)) {
        error(node->line, path, fmt::format("\"{}\" is not a quantity such as 64Ki", *text));
      }
    }
  }

  void report_unknown() {
    for (const YamlField& field : fields_) {
      if (known_.contains(field.key)) {
        continue;
      }
      const std::string path = child_path(path_, field.key);
      report_.warnings.emplace_back(
          field.line, fmt::format("{}: unknown field, ignored: {}", path, field_advice(path)));
    }
  }

 private:
  // The value of a field, the last of several; null if absent or null, which means the same in
  // Kubernetes' API.
  const YamlNode* find(std::string_view name) {
    known_.emplace(name);
    const YamlField* found = nullptr;
    for (const YamlField& field : fields_) {
      found = field.key == name ? &field : found;
    }
    if (found == nullptr || std::holds_alternative<std::monostate>(found->value.value)) {
      return nullptr;
    }
    report_.lines[child_path(path_, name)] = found->line;
    return &found->value;
  }

  void error(int line, const std::string& path, std::string_view reason) {
    report_.errors.emplace_back(line, fmt::format("{}: {}", path, reason));
  }

  void wrong_type(const YamlNode& node, const std::string& path, std::string_view wanted) {
    std::string got(k8sclient::type_name(node));
    if (const auto* text = std::get_if<std::string>(&node.value)) {
      got += fmt::format(" (\"{}\")", *text);
    }
    error(node.line, path, fmt::format("must be {}, not {}", wanted, got));
    report_.unread.insert(path);
  }

  template <typename T>
  const T* get(const YamlNode& node, const std::string& path, std::string_view wanted) {
    const T* value = std::get_if<T>(&node.value);
    if (value == nullptr) {
      wrong_type(node, path, wanted);
    }
    return value;
  }

  void read(const YamlNode& node, const std::string& path, std::string& target) {
    if (const auto* text = get<std::string>(node, path, "a string")) {
      target = *text;
    }
  }

  void read(const YamlNode& node, const std::string& path, bool& target) {
    if (const auto* value = get<bool>(node, path, "a boolean")) {
      target = *value;
    }
  }

  static std::optional<std::int64_t> whole_number(const YamlNode& node) {
    constexpr double kMost = 1e15;  // beyond, not each whole number is one
    const auto* value = std::get_if<double>(&node.value);
    return value != nullptr && std::abs(*value) < kMost && std::trunc(*value) == *value
               ? std::optional(static_cast<std::int64_t>(*value))
               : std::nullopt;
  }

  template <typename Integer>
  void read_integer(const YamlNode& node, const std::string& path, Integer& target) {
    const auto whole = whole_number(node);  // 10.0, too, as a JSON reader has it
    const auto* value = whole ? &*whole : get<std::int64_t>(node, path, "an integer");
    if (value == nullptr) {
      return;
    }
    if (*value < std::numeric_limits<Integer>::min() ||
        *value > std::numeric_limits<Integer>::max()) {
      error(node.line, path, fmt::format("{} does not fit into 32 bits", *value));
      return;
    }
    target = static_cast<Integer>(*value);
  }

  void read(const YamlNode& node, const std::string& path, std::int32_t& target) {
    read_integer(node, path, target);
  }

  void read(const YamlNode& node, const std::string& path, std::uint32_t& target) {
    read_integer(node, path, target);
  }

  void read(const YamlNode& node, const std::string& path, double& target) {
    if (const auto* whole = std::get_if<std::int64_t>(&node.value)) {
      target = static_cast<double>(*whole);
    } else if (const auto* value = get<double>(node, path, "a number")) {
      target = *value;
    }
  }

  void read(const YamlNode& node, const std::string& path, ConfigDuration& target) {
    const auto* text = get<std::string>(node, path, "a duration such as 1m30s");
    if (text == nullptr) {
      return;
    }
    if (const auto duration = parse_go_duration(*text)) {
      target = *duration;
    } else {
      error(node.line, path, fmt::format("\"{}\" is not a duration such as 1m30s", *text));
    }
  }

  void read(const YamlNode& node, const std::string& path, std::vector<std::string>& target) {
    if (const auto* items = get<YamlNode::Sequence>(node, path, "a list")) {
      target.assign(items->size(), std::string());
      for (std::size_t i = 0; i < items->size(); ++i) {
        const std::string item_path = fmt::format("{}[{}]", path, i);
        report_.lines[item_path] = (*items)[i].line;
        read((*items)[i], item_path, target[i]);
      }
    }
  }

  void read(const YamlNode& node, const std::string& path, std::map<std::string, bool>& target) {
    if (const auto* fields = get<YamlNode::Mapping>(node, path, "an object")) {
      for (const YamlField& field : *fields) {
        report_.lines[child_path(path, field.key)] = field.line;
        read(field.value, child_path(path, field.key), target[field.key]);
      }
    }
  }

  void read(const YamlNode& node, const std::string& path, std::vector<ModuleVerbosity>& target) {
    const auto* items = get<YamlNode::Sequence>(node, path, "a list");
    if (items == nullptr) {
      return;
    }
    target.assign(items->size(), ModuleVerbosity());
    for (std::size_t i = 0; i < items->size(); ++i) {
      const std::string item_path = fmt::format("{}[{}]", path, i);
      if (const auto* fields = get<YamlNode::Mapping>((*items)[i], item_path, "an object")) {
        ConfigReader reader(*fields, item_path, report_);
        reader.field("filePattern", target[i].file_pattern);
        reader.field("verbosity", target[i].verbosity);
        reader.report_unknown();
      }
    }
  }

  const YamlNode::Mapping& fields_;
  std::string path_;
  Report& report_;
  std::set<std::string, std::less<>> known_;
};

// Zero and empty values that v1alpha1 cannot tell from unset ones (spec §10.3).
void replace_zeros(Config& config) {
  const Config defaults;
  const auto replace = [](auto& value, const auto& fallback) {
    if (value == std::decay_t<decltype(value)>{}) {
      value = fallback;
    }
  };
  replace(config.client_connection.content_type, defaults.client_connection.content_type);
  replace(config.client_connection.burst, defaults.client_connection.burst);
  if (config.client_connection.qps <= 0 && config.client_connection.qps >= 0) {
    config.client_connection.qps = defaults.client_connection.qps;
  }
  replace(config.logging.format, defaults.logging.format);
  replace(config.logging.flush_frequency, defaults.logging.flush_frequency);
  replace(config.bind_address, defaults.bind_address);
  replace(config.mode, defaults.mode);
  replace(config.iptables.sync_period, defaults.iptables.sync_period);
  replace(config.iptables.min_sync_period, defaults.iptables.min_sync_period);
  replace(config.ipvs.sync_period, defaults.ipvs.sync_period);
  replace(config.nftables.sync_period, defaults.nftables.sync_period);
  replace(config.nftables.min_sync_period, defaults.nftables.min_sync_period);
  replace(config.detect_local_mode, defaults.detect_local_mode);
  replace(config.config_sync_period, defaults.config_sync_period);

  const auto bind_address = rules::IpAddress::parse(config.bind_address);
  const bool is_ipv6 = bind_address && bind_address->family() == rules::Family::kIpv6;
  replace(config.healthz_bind_address, std::string(is_ipv6 ? "::" : "0.0.0.0"));
  replace(config.metrics_bind_address, std::string(is_ipv6 ? "::1" : "127.0.0.1"));
  config.healthz_bind_address = with_default_port(config.healthz_bind_address, 10256);
  config.metrics_bind_address = with_default_port(config.metrics_bind_address, 10249);
}

// apiVersion and kind are read like fields; both must have their one value.
void read_type_meta(ConfigReader& reader, ConfigReader::Report& report, int line) {
  const auto expect = [&](std::string_view name, std::string_view wanted) {
    std::string value;
    reader.field(name, value);
    if (value != wanted) {
      const auto at = report.lines.find(std::string(name));
      report.errors.emplace_back(at == report.lines.end() ? line : at->second,
                                 fmt::format("{}: must be {}", name, wanted));
    }
  };
  expect("apiVersion", kApiVersion);
  expect("kind", kKind);
}

void read_document(const YamlNode& document, Config& config, ConfigReader::Report& report) {
  const auto* fields = std::get_if<YamlNode::Mapping>(&document.value);
  if (fields == nullptr) {
    report.errors.emplace_back(
        document.line, fmt::format("must be an object, not {}", k8sclient::type_name(document)));
    return;
  }
  for (auto& [line, path] : k8sclient::duplicate_fields(document)) {
    report.warnings.emplace_back(line,
                                 path + ": duplicate field: the last one counts, remove the rest");
  }
  ConfigReader reader(*fields, "", report);
  read_type_meta(reader, report, document.line);
  config.healthz_bind_address.clear();
  config.metrics_bind_address.clear();
  visit_fields(config, reader);
  reader.report_unknown();
  replace_zeros(config);
}

std::vector<std::string> in_order(std::vector<std::pair<int, std::string>> remarks,
                                  const std::string& name) {
  std::ranges::stable_sort(remarks, {}, [](const auto& remark) { return remark.first; });
  std::vector<std::string> lines;
  for (const auto& [line, message] : remarks) {
    lines.push_back(fmt::format("{}:{}: {}", name, line, message));
  }
  return lines;
}

}  // namespace

ConfigFile parse_config(std::string_view text, const std::string& name) {
  ConfigFile file;
  ConfigReader::Report report;
  const FirstDocument first = first_document(text);
  try {
    const std::vector<YamlNode> documents = k8sclient::parse_yaml(first.text, {.bytes = 1U << 20U});
    if (documents.empty()) {
      report.errors.emplace_back(1, fmt::format("the file is empty, a {} was expected", kKind));
    } else {
      read_document(documents.front(), file.config, report);
    }
  } catch (const k8sclient::YamlError& error) {
    report.errors.emplace_back(error.line(), error.what());
  }
  const auto behind = static_cast<std::size_t>(first.text.size());
  OwnDocument own = read_own_document(text.substr(behind),
                                      1 + static_cast<int>(std::ranges::count(first.text, '\n')));
  std::ranges::move(own.errors, std::back_inserter(report.errors));
  std::ranges::move(own.warnings, std::back_inserter(report.warnings));
  file.config.iptables_layout = own.iptables_layout.value_or(file.config.iptables_layout);
  if (first.next_line != 0 && !own.is_there) {
    report.warnings.emplace_back(
        first.next_line,
        "a second document is ignored: remove it, or move its fields into the first");
  }
  file.errors = in_order(std::move(report.errors), name);
  file.warnings = in_order(std::move(report.warnings), name);
  file.lines = std::move(report.lines);
  file.unread = std::move(report.unread);
  file.config.config_file = name;
  return file;
}

ConfigFile read_config_file(const std::string& path) {
  return parse_config(read_file(path), path);
}

}  // namespace proxy
