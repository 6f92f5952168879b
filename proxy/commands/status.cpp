#include <algorithm>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <variant>

#include <fmt/format.h>

#include "k8sclient/objects/yaml.h"
#include "proxy/commands/commands.h"
#include "proxy/commands/daemon.h"
#include "proxy/commands/status_text.h"

namespace proxy {
namespace {

using k8sclient::YamlNode;

/// Looks into the JSON of a status; what is absent is empty, 0 or false.
class View {
 public:
  explicit View(const YamlNode* node) : node_(node) {}

  View operator[](std::string_view name) const { return View(k8sclient::find_field(node_, name)); }

  explicit operator bool() const { return node_ != nullptr; }

  std::string text() const {
    const auto* text = value<std::string>();
    return text == nullptr ? std::string() : *text;
  }

  bool flag() const {
    const auto* flag = value<bool>();
    return flag != nullptr && *flag;
  }

  double number() const {
    const auto* whole = value<std::int64_t>();
    const auto* fraction = value<double>();
    return whole != nullptr ? static_cast<double>(*whole) : fraction != nullptr ? *fraction : 0;
  }

  std::vector<View> items() const {
    std::vector<View> views;
    if (const auto* items = value<YamlNode::Sequence>()) {
      for (const YamlNode& item : *items) {
        views.emplace_back(&item);
      }
    }
    return views;
  }

 private:
  template <typename T>
  const T* value() const {
    return node_ == nullptr ? nullptr : std::get_if<T>(&node_->value);
  }

  const YamlNode* node_;
};

std::string duration_text(double seconds) {
  constexpr double kMinute = 60;
  constexpr double kHour = 60 * kMinute;
  constexpr double kDay = 24 * kHour;
  if (seconds < 2 * kMinute) {
    return fmt::format("{:.0f} s", seconds);
  }
  if (seconds < 2 * kHour) {
    return fmt::format("{:.0f} min", seconds / kMinute);
  }
  return seconds < 2 * kDay ? fmt::format("{:.0f} h", seconds / kHour)
                            : fmt::format("{:.0f} days", seconds / kDay);
}

void append_line(std::string& out, std::string_view name, std::string_view value) {
  out += fmt::format("{:<12}{}\n", name, value);
}

std::string family_line(const View& family) {
  std::string line = fmt::format("{}; {} rules in nat, {} in filter",
                                 family["backend"].text(),
                                 family["natRules"].number(),
                                 family["filterRules"].number());
  const View sync = family["lastSync"];
  if (!sync) {
    return line + "; not synced yet";
  }
  line += fmt::format("; last sync {} {} ago, took {:.1f} ms",
                      sync["outcome"].text(),
                      duration_text(sync["secondsAgo"].number()),
                      sync["seconds"].number() * 1000);
  if (family["failedSyncs"].number() > 0) {
    line += fmt::format(
        "; {} of the last {} failed", family["failedSyncs"].number(), family["syncs"].number());
  }
  return line;
}

std::string watches_line(const View& status) {
  std::string line;
  for (const View& watch : status["watches"].items()) {
    line += fmt::format("{}{} heard {} ago{}",
                        line.empty() ? "" : ", ",
                        watch["resource"].text(),
                        duration_text(watch["secondsSilent"].number()),
                        watch["stale"].flag() ? " (stale)" : "");
  }
  return line;
}

}  // namespace

std::optional<StatusText> status_text(std::string_view json) {
  constexpr std::size_t kQuarantinedShown = 10;
  try {
    const auto documents = k8sclient::parse_yaml(json);
    const View status(documents.empty() ? nullptr : &documents.front());
    if (!status["healthy"]) {
      return std::nullopt;
    }
    StatusText result{.healthy = status["healthy"].flag()};
    result.text = fmt::format("iptproxy {} on node {}: {}, running for {}\n",
                              status["version"].text(),
                              status["node"].text(),
                              result.healthy ? "healthy" : "NOT HEALTHY",
                              duration_text(status["runningSeconds"].number()));
    for (const View& problem : status["problems"].items()) {
      append_line(result.text, "problem", problem.text());
    }
    append_line(result.text, "cluster", status["cluster"].text());
    for (const View& family : status["families"].items()) {
      append_line(result.text, family["family"].text(), family_line(family));
    }
    if (const std::string line = watches_line(status); !line.empty()) {
      append_line(result.text, "watches", line);
    }
    append_line(result.text,
                "services",
                fmt::format("{} ports, {} in quarantine",
                            status["servicePorts"].number(),
                            status["quarantinedCount"].number()));
    const std::vector<View> quarantined = status["quarantined"].items();
    for (std::size_t i = 0; i < std::min(quarantined.size(), kQuarantinedShown); ++i) {
      append_line(result.text,
                  "",
                  fmt::format("{} ({}): {}",
                              quarantined[i]["servicePort"].text(),
                              quarantined[i]["family"].text(),
                              quarantined[i]["reason"].text()));
    }
    return result;
  } catch (const k8sclient::YamlError&) {
    return std::nullopt;
  }
}

int show_status(const Config& config, Output output) {
  std::string json;
  try {
    json = daemon_json(config, "/statusz?format=json&show=quarantined");
  } catch (const std::exception& error) {
    throw std::runtime_error(
        fmt::format("no daemon answers at {} (--metrics-bind-address, --config): {}",
                    config.metrics_bind_address,
                    error.what()));
  }
  const auto status = status_text(json);
  if (!status) {
    throw std::runtime_error(fmt::format("what answers at {} is not an iptproxy of this version",
                                         config.metrics_bind_address));
  }
  fmt::print("{}", output == Output::kJson ? json + "\n" : status->text);
  return status->healthy ? 0 : 1;
}

}  // namespace proxy
