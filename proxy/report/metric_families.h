#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "rules/net.h"

namespace prometheus {
template <typename T>
class Family;
class Counter;
class Gauge;
class Histogram;
class Registry;
}  // namespace prometheus

namespace proxy {

// Metrics of the Prometheus client library for C++, behind types that need none of its headers.
// Thread-safe. A series appears when it is first used; one without labels appears at once, as in
// kube-proxy (spec §9.6).

using Labels = std::map<std::string, std::string>;

/// {ip_family="IPv4"} or {ip_family="IPv6"}.
Labels ip_family(rules::Family family);

/// Name and help text of one metric.
struct Naming {
  std::string name;
  std::string help;
};

enum class Labelling { kNone, kLabelled };

class CounterFamily {
 public:
  CounterFamily(prometheus::Registry& registry,
                const Naming& naming,
                Labelling labelling = Labelling::kLabelled);

  void add(double amount = 1, const Labels& labels = {});
  double value(const Labels& labels = {}) const;

 private:
  prometheus::Family<prometheus::Counter>& family_;
};

class GaugeFamily {
 public:
  GaugeFamily(prometheus::Registry& registry,
              const Naming& naming,
              Labelling labelling = Labelling::kLabelled);

  void set(double value, const Labels& labels = {});
  double value(const Labels& labels = {}) const;

 private:
  prometheus::Family<prometheus::Gauge>& family_;
};

class HistogramFamily {
 public:
  /// `bounds` are the upper bounds of the buckets, ascending, without +Inf.
  HistogramFamily(prometheus::Registry& registry, const Naming& naming, std::vector<double> bounds);

  void observe(double value, const Labels& labels = {});

 private:
  prometheus::Family<prometheus::Histogram>& family_;
  std::vector<double> bounds_;
};

std::shared_ptr<prometheus::Registry> make_registry();

}  // namespace proxy
