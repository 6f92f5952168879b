#include <fmt/format.h>

#include "bench/sync_report.h"
#include "proxy/text/json.h"

namespace bench {

namespace {

using proxy::to_json;

std::string identity(const Figures& figures) {
  return fmt::format(R"("subject":{},"way":{},"services":{},"endpoints":{})",
                     to_json(name_of(figures.subject)),
                     to_json(name_of(figures.way)),
                     figures.size.services,
                     figures.size.endpoints);
}

std::string key_of(std::string_view name) {
  std::string key(name);
  for (char& letter : key) {
    letter = letter == ' ' ? '_' : letter;
  }
  return to_json(key);
}

std::string time_of(const Quantiles& time) {
  return time.runs == 0 ? "null"
                        : fmt::format(R"({{"runs":{},"p50":{},"p90":{},"p99":{}}})",
                                      time.runs,
                                      time.p50,
                                      time.p90,
                                      time.p99);
}

std::string object_of(const Figures& figures) {
  std::string text = "{" + identity(figures) + R"(,"ms":{)";
  for (const Event event : kEvents) {
    text += fmt::format("{}:{},", key_of(name_of(event)), time_of(figures[event]));
  }
  return text + fmt::format(R"("bare_commit":{}}},"nat_rules":{},"rss":{},"child_rss":{}}})",
                            time_of(figures.bare_commit),
                            figures.nat_rules,
                            figures.rss_bytes,
                            figures.child_rss_bytes);
}

std::string object_of(const Judgement& judgement) {
  return fmt::format(R"({{{},"what":{},"limit":{},"unit":{},"value":{},"allowed":{},"met":{}}})",
                     identity(judgement.of),
                     to_json(judgement.what),
                     to_json(judgement.limit),
                     to_json(judgement.unit),
                     judgement.value,
                     judgement.allowed,
                     judgement.is_met());
}

std::string ratio_text(std::optional<double> ratio) {
  return ratio ? fmt::format("{}", *ratio) : "null";
}

std::string object_of(const Comparison& comparison) {
  std::string text = fmt::format(R"({{"variant":{},"services":{},"endpoints":{})",
                                 to_json(variant_of(comparison.iptproxy.way)),
                                 comparison.iptproxy.size.services,
                                 comparison.iptproxy.size.endpoints);
  for (const Event event : kEvents) {
    text += fmt::format(",{}:{}", key_of(name_of(event)), ratio_text(comparison.ratio(event)));
  }
  return text + fmt::format(R"(,"rss":{}}})", ratio_text(comparison.rss_ratio()));
}

template <typename T>
std::string array_of(const std::vector<T>& values) {
  std::string text;
  for (const T& value : values) {
    text += (text.empty() ? "" : ",\n ") + object_of(value);
  }
  return "[" + text + "]";
}

}  // namespace

std::string to_json(const Report& report) {
  const Machine& machine = report.machine;
  return fmt::format(
      R"({{"machine":{{"processor":{},"cores":{},"kernel":{},"iptables":{},"clock":{}}},)"
      "\n\"figures\":{},\n\"judgements\":{},\n\"kube_proxy_over_iptproxy\":{}}}\n",
      to_json(machine.processor),
      machine.cores,
      to_json(machine.kernel),
      to_json(machine.iptables),
      to_json(machine.clock),
      array_of(report.figures),
      array_of(judge(report)),
      array_of(compare(report)));
}

}  // namespace bench
