#include "proxy/report/metric_families.h"

#include <utility>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

namespace proxy {

Labels ip_family(rules::Family family) {
  return {{"ip_family", std::string(rules::to_string(family))}};
}

CounterFamily::CounterFamily(prometheus::Registry& registry,
                             const Naming& naming,
                             Labelling labelling)
    : family_(prometheus::BuildCounter().Name(naming.name).Help(naming.help).Register(registry)) {
  if (labelling == Labelling::kNone) {
    family_.Add({});
  }
}

void CounterFamily::add(double amount, const Labels& labels) {
  family_.Add(labels).Increment(amount);
}

double CounterFamily::value(const Labels& labels) const {
  return family_.Add(labels).Value();
}

GaugeFamily::GaugeFamily(prometheus::Registry& registry, const Naming& naming, Labelling labelling)
    : family_(prometheus::BuildGauge().Name(naming.name).Help(naming.help).Register(registry)) {
  if (labelling == Labelling::kNone) {
    family_.Add({});
  }
}

void GaugeFamily::set(double value, const Labels& labels) {
  family_.Add(labels).Set(value);
}

double GaugeFamily::value(const Labels& labels) const {
  return family_.Add(labels).Value();
}

HistogramFamily::HistogramFamily(prometheus::Registry& registry,
                                 const Naming& naming,
                                 std::vector<double> bounds)
    : family_(prometheus::BuildHistogram().Name(naming.name).Help(naming.help).Register(registry)),
      bounds_(std::move(bounds)) {}

void HistogramFamily::observe(double value, const Labels& labels) {
  family_.Add(labels, bounds_).Observe(value);
}

std::shared_ptr<prometheus::Registry> make_registry() {
  return std::make_shared<prometheus::Registry>();
}

}  // namespace proxy
