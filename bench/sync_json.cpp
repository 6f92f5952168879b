#include <algorithm>
#include <ranges>

#include "bench/sync_report.h"
#include "proxy/text/json.h"

namespace bench {

namespace {

using proxy::json_array;
using proxy::JsonObject;

JsonObject identity(const Figures& figures) {
  return JsonObject()
      .text("subject", name_of(figures.subject))
      .text("way", name_of(figures.way))
      .text("layout", rules::to_string(figures.layout))
      .number("services", figures.size.services)
      .number("endpoints", figures.size.endpoints);
}

std::string key_of(std::string_view name) {
  std::string key(name);
  for (char& letter : key) {
    letter = letter == ' ' ? '_' : letter;
  }
  return key;
}

std::string time_of(const Quantiles& time) {
  return time.runs == 0 ? "null"
                        : JsonObject()
                              .number("runs", time.runs)
                              .number("p10", time.p10)
                              .number("p50", time.p50)
                              .number("p90", time.p90)
                              .number("p99", time.p99)
                              .str();
}

std::string start_steps_of(const Figures& figures) {
  const auto used = std::ranges::subrange(
      figures.start_steps.begin(),
      std::ranges::find(figures.start_steps, std::string_view(), &StartStep::name));
  return json_array(
      used,
      [](const StartStep& step) {
        return JsonObject().text("step", step.name()).number("ms", step.ms).str();
      },
      ", ");
}

std::string object_of(const Figures& figures) {
  JsonObject times;
  for (const Event event : kEvents) {
    times.raw(key_of(name_of(event)), time_of(figures[event]));
  }
  times.raw("bare_commit", time_of(figures.bare_commit));
  times.raw("bare_start", time_of(figures.bare_start));
  return identity(figures)
      .object("ms", times)
      .number("nat_rules", figures.nat_rules)
      .number("rss", figures.rss_bytes)
      .number("child_rss", figures.child_rss_bytes)
      .raw("start", start_steps_of(figures))
      .str();
}

std::string object_of(const Judgement& judgement) {
  return identity(judgement.of)
      .text("what", judgement.what)
      .text("limit", judgement.limit)
      .text("unit", judgement.unit)
      .number("value", judgement.value)
      .number("allowed", judgement.allowed)
      .flag("met", judgement.is_met())
      .str();
}

std::string object_of(const Comparison& comparison) {
  JsonObject object;
  object.text("variant", variant_of(comparison.iptproxy.way))
      .text("kube_proxy_way", name_of(comparison.kube_proxy.way))
      .text("way", name_of(comparison.iptproxy.way))
      .text("layout", rules::to_string(comparison.iptproxy.layout))
      .number("services", comparison.iptproxy.size.services)
      .number("endpoints", comparison.iptproxy.size.endpoints);
  for (const Event event : kEvents) {
    object.number(key_of(name_of(event)), comparison.ratio(event));
  }
  return object.number("rss", comparison.rss_ratio()).str();
}

template <typename T>
std::string lines_of(const std::vector<T>& values) {
  return json_array(
      values, [](const T& value) { return object_of(value); }, ",\n ");
}

}  // namespace

std::string to_json(const Report& report) {
  return JsonObject()
             .object("machine", to_json_object(report.machine))
             .raw("figures", lines_of(report.figures))
             .raw("judgements", lines_of(judge(report)))
             .raw("kube_proxy_over_iptproxy", lines_of(compare(report)))
             .str() +
         "\n";
}

}  // namespace bench
